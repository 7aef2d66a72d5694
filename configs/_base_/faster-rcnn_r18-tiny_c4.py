# C4-style Faster R-CNN with a ResNet-18 of 16 base channels, for images of 160-192 px and 11 classes: layers 1-3
# feed the RPN, layer 4 is the box head.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py'

norm_cfg = dict(type='BN', requires_grad=True)
# Layer 3 keeps stride 8: at C4's usual 16, the smallest objects would be one cell.
stride = 8
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        depth=18, base_channels=16, strides=(1, 2, 1), style='pytorch', norm_cfg=norm_cfg,
        frozen_stages=-1, norm_eval=False, init_cfg=None),
    rpn_head=dict(
        in_channels=64, feat_channels=64,
        anchor_generator=dict(scales=[2, 4, 8, 16], strides=[stride])),  # 16 to 128 px
    roi_head=dict(
        # MMDet's ResLayer has no base_channels. Its stage 1, of 64 to 128 channels, is what layer 4 is for 16.
        shared_head=dict(
            depth=18, stage=1, stride=2, style='pytorch', norm_cfg=norm_cfg, norm_eval=False, init_cfg=None),
        bbox_roi_extractor=dict(
            roi_layer=dict(output_size=7, sampling_ratio=1),  # adaptive sampling takes a third of a CPU step
            out_channels=64, featmap_strides=[stride]),
        bbox_head=dict(in_channels=128, roi_feat_size=4, num_classes=11)),
    train_cfg=dict(
        # One level gives them all: of 250, too few outlive NMS to sample 64.
        rpn_proposal=dict(nms_pre=1000, max_per_img=150),
        rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=100)))
