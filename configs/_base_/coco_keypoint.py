# COCO's people with their 17 keypoints.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadKeypointAnnotations', with_bbox=True),
    dict(type='KeypointResize', scale=(1333, 800), keep_ratio=True),
    dict(type='KeypointRandomFlip', prob=0.5),
    dict(type='PackKeypointInputs'),
]
test_pipeline = [  # annotated keypoints are drawn beside predicted ones
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(type='LoadKeypointAnnotations', with_bbox=True),
    dict(type='PackKeypointInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
train_dataloader = dict(dataset=dict(
    type='CocoKeypointDataset', ann_file='annotations/person_keypoints_train2017.json',
    filter_cfg=dict(min_keypoints=1), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    type='CocoKeypointDataset', ann_file='annotations/person_keypoints_val2017.json',
    pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='CocoKeypointMetric', metric=['bbox', 'keypoints'],
    ann_file=_base_.data_root + 'annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
