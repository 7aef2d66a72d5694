_base_ = [
    '../_base_/faster-rcnn_r18-tiny_c4.py', '../_base_/digit_scenes_coco.py',
    '../_base_/schedule_tiny.py', 'mmdet::_base_/default_runtime.py'
]
randomness = dict(seed=0)
imp = dict(target_sparsity=0.8, rounds=3)
