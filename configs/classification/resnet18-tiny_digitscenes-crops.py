# The backbone of the tiny detectors as a classifier of object crops: its tickets fit theirs.
_base_ = [
    '../_base_/digit_scenes_crops.py', '../_base_/schedule_tiny.py', 'mmdet::_base_/default_runtime.py'
]
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ImgDataPreprocessor', bgr_to_rgb=True,
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(type='ResNet', depth=18, base_channels=16, frozen_stages=-1, norm_eval=False, init_cfg=None),
    num_classes=11)
randomness = dict(seed=0)
imp = dict(target_sparsity=0.8, rounds=3)
