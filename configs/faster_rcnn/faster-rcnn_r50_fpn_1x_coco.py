_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py', 'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/schedule_1x_paper.py', 'mmdet::_base_/default_runtime.py'
]
