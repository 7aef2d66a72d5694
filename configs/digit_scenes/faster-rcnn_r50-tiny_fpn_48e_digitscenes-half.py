_base_ = './faster-rcnn_r18-tiny_fpn_48e_digitscenes-half.py'
model = dict(backbone=dict(depth=50), neck=dict(in_channels=[64, 128, 256, 512]))
