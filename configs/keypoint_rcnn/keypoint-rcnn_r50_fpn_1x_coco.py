_base_ = [
    '../_base_/keypoint-rcnn_r50_fpn.py', '../_base_/coco_keypoint.py',
    '../_base_/schedule_1x_paper.py', 'mmdet::_base_/default_runtime.py'
]
visualizer = dict(type='KeypointLocalVisualizer')
imp = dict(rewind=3534)  # fewer images show people: the paper's first epoch ends here
