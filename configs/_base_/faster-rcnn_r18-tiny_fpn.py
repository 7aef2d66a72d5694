# Faster R-CNN with a ResNet-18 of 16 base channels, for images of 160-192 px and 11 classes.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

channels = 48
model = dict(
    backbone=dict(depth=18, base_channels=16, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=channels),
    rpn_head=dict(
        in_channels=channels, feat_channels=channels,
        anchor_generator=dict(scales=[4])),  # 16 to 256 px
    roi_head=dict(
        bbox_roi_extractor=dict(
            out_channels=channels,
            roi_layer=dict(sampling_ratio=1)),  # adaptive sampling takes a third of a CPU step
        bbox_head=dict(in_channels=channels, fc_out_channels=256, num_classes=11)),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=250, max_per_img=200),
        rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100)))
