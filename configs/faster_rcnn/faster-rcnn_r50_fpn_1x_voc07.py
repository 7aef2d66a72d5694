_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py', '../_base_/voc07.py',
    '../_base_/schedule_voc_paper.py', 'mmdet::_base_/default_runtime.py'
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))
