# 5 base channels in place of 16, and the other widths in proportion: a dense rival of pruned nets.
_base_ = './faster-rcnn_r18-tiny_fpn_48e_digitscenes-half_pretrained.py'
channels = 15
model = dict(
    backbone=dict(
        base_channels=5, init_cfg=dict(checkpoint='work_dirs/crops_5/round_00/epoch_10.pth')),
    neck=dict(in_channels=[5, 10, 20, 40], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=dict(in_channels=channels, fc_out_channels=80)))
