# Keypoint R-CNN: the detector beside, of people alone, with a keypoint head.
_base_ = './faster-rcnn_r18-tiny_fpn_digitscenes.py'

classes = ('person', )
channels = _base_.channels
model = dict(
    roi_head=dict(
        type='KeypointRoIHead',
        bbox_head=dict(num_classes=1),
        keypoint_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=1),
            out_channels=channels,
            featmap_strides=[4, 8, 16, 32]),
        keypoint_head=dict(
            type='KeypointRCNNHead', num_convs=4, in_channels=channels, conv_out_channels=64)),
    train_cfg=dict(rcnn=dict(sampler=dict(num=32))))  # a scene has one or two people

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadKeypointAnnotations', with_bbox=True),
    dict(type='KeypointRandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackKeypointInputs'),
]
test_pipeline = [  # annotated keypoints are drawn beside predicted ones
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=1.0),
    dict(type='LoadKeypointAnnotations', with_bbox=True),
    dict(type='PackKeypointInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
train_dataloader = dict(dataset=dict(
    type='CocoKeypointDataset', metainfo=dict(classes=classes), pipeline=train_pipeline,
    filter_cfg=dict(filter_empty_gt=True, min_keypoints=1)))
val_dataloader = dict(dataset=dict(
    type='CocoKeypointDataset', metainfo=dict(classes=classes), pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoKeypointMetric', metric=['bbox', 'keypoints'])
test_evaluator = val_evaluator
visualizer = dict(type='KeypointLocalVisualizer')

optim_wrapper = dict(optimizer=dict(lr=0.03))  # 0.07 kills the keypoint head, which has no normalisation
# 545 of the 1000 scenes show people: about as many steps as the detector takes.
train_cfg = dict(max_epochs=9, val_interval=9)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=9, T_max=9,
         convert_to_iter_based=True),
]
custom_imports = dict(imports=['mmlth.keypoints'])
