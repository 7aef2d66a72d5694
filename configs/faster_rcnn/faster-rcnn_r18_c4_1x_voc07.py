# The paper's detector on VOC: layers 1-3 feed the RPN, layer 4 is the box head.
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py', '../_base_/voc07.py',
    '../_base_/schedule_voc_paper.py', 'mmdet::_base_/default_runtime.py'
]
pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet18')
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(depth=18, style='pytorch', init_cfg=pretrained),
    # 512 channels, 9 anchors and a softmax over two scores: then modules and their shares are the paper's.
    rpn_head=dict(
        in_channels=256, feat_channels=512,
        anchor_generator=dict(scales=[8, 16, 32]),
        loss_cls=dict(use_sigmoid=False)),
    roi_head=dict(
        shared_head=dict(depth=18, style='pytorch', init_cfg=pretrained),
        bbox_roi_extractor=dict(out_channels=256),
        bbox_head=dict(in_channels=512, num_classes=20)))
