# Variables, for nets that are trained to their end on DigitScenes of half the size (80-96 px), cheaply: what a config of a
# detector on DigitScenes takes over, and which steps of its pipelines change. For mmlth digit-scenes --train 300 --val 1000.
half = dict(type='Resize', scale_factor=0.5)
half_model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[3])),  # 12 to 192 px
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=100, max_per_img=64),
        rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=100, max_per_img=64)))
half_batch_size = 8
half_epochs = 48
half_optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05, foreach=True))
half_warmup = dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100)
half_decay = dict(type='CosineAnnealingLR', by_epoch=True, begin=0, convert_to_iter_based=True)
