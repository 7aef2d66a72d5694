"""Parameter names as MMDetection's detectors spell them -> group; comments name the detector."""
GROUP_NAMES = {
    # backbones and their shortcuts
    'backbone.conv1.weight': 'backbone',  # ResNet
    'backbone.layer1.0.conv2.weight': 'backbone',
    'backbone.layer1.0.downsample.0.weight': 'shortcuts',
    'backbone.layer3.0.downsample.1.weight': 'shortcuts',  # avg_down: ResNeSt, Res2Net
    'backbone.stem.1.0.downsample.0.weight': 'shortcuts',  # HourglassNet
    'backbone.hourglass_modules.0.low2.low2.low1.0.downsample.0.weight': 'shortcuts',
    'backbone.stages.0.downsample.reduction.weight': 'backbone',  # Swin PatchMerging
    'backbone.downsample_layers.1.1.weight': 'backbone',  # ConvNeXt (not built)
    'backbone.stage2.0.fuse_layers.0.1.0.weight': 'backbone',  # HRNet
    'backbone.stage1.1.short_conv.conv.weight': 'backbone',  # CSPDarknet
    'backbone.layer3.0.conv2.conv_offset.weight': 'backbone',  # DCN offsets
    'detector.backbone.layer1.0.downsample.0.weight': 'shortcuts',  # trackers
    'teacher.backbone.conv1.weight': 'backbone',  # SoftTeacher
    # necks
    'neck.lateral_convs.0.conv.weight': 'neck',
    'neck.rfp_modules.0.layer1.0.downsample.0.weight': 'neck',  # DetectoRS: a backbone in the neck
    'neck.downsamples.0.conv.weight': 'neck',  # YOLOXPAFPN
    # RPN and roi heads
    'rpn_head.rpn_conv.weight': 'dense_head',  # bare, yet a tower
    'rpn_head.rpn_conv.0.conv.weight': 'dense_head',
    'rpn_head.rpn_cls.weight': 'predictors',
    'rpn_head.stages.1.rpn_reg.weight': 'predictors',  # Cascade RPN
    'rpn_head.conv_centerness.weight': 'predictors',  # FCOS as RPN
    'student.rpn_head.rpn_reg.weight': 'predictors',
    'rpn_head.feature_adaption.conv_offset.weight': 'dense_head',  # Guided Anchoring
    'rpn_head.conv_loc.weight': 'predictors',
    'roi_head.bbox_head.shared_fcs.0.weight': 'box_head',  # bare, yet a tower
    'roi_head.bbox_head.fc_cls.weight': 'predictors',
    'roi_head.bbox_head.2.fc_reg.weight': 'predictors',  # Cascade R-CNN
    'roi_head.bbox_head.0.shared_convs.3.conv.weight': 'box_head',
    'roi_head.bbox_head.fc_cls.0.weight': 'predictors',  # CrowdDet
    'roi_head.bbox_head.fc_reg_ref.1.weight': 'predictors',
    'roi_head.bbox_head.shared_fcs_ref.weight': 'box_head',
    'roi_head.bbox_head.fc_reg_offset.weight': 'predictors',  # SABL
    'roi_head.bbox_head.reg_conv_att_x.weight': 'box_head',
    'roi_head.bbox_head.0.attention.attn.in_proj_weight': 'box_head',  # Sparse R-CNN
    'roi_head.bbox_head.0.instance_interactive_conv.dynamic_layer.weight': 'box_head',
    'roi_head.grid_head.deconv2.weight': 'predictors',  # Grid R-CNN
    'roi_head.grid_head.deconv1.weight': 'box_head',
    'roi_head.shared_head.layer4.0.conv1.weight': 'shared_head',  # C4
    'roi_head.shared_head.layer4.0.downsample.0.weight': 'shortcuts',
    'roi_head.mask_head.convs.0.conv.weight': 'mask_head',
    'roi_head.mask_head.upsample.weight': 'mask_head',
    'roi_head.mask_head.conv_logits.weight': 'predictors',
    'roi_head.mask_head.1.conv_res.conv.weight': 'mask_head',  # HTC
    'roi_head.mask_iou_head.fc_mask_iou.weight': 'predictors',  # MS R-CNN
    'roi_head.mask_iou_head.convs.0.weight': 'mask_head',
    'roi_head.point_head.fc_logits.weight': 'predictors',  # PointRend
    'roi_head.semantic_head.conv_logits.weight': 'predictors',  # HTC
    'roi_head.glbctx_head.fc.weight': 'predictors',  # SCNet
    'roi_head.keypoint_head.convs.0.conv.weight': 'keypoint_head',  # none in mmdet 3
    'roi_head.bbox_roi_extractor.post_module.query_conv.weight': 'other',  # GRoIE
    # single-stage heads
    'bbox_head.cls_convs.0.conv.weight': 'dense_head',  # RetinaNet
    'bbox_head.retina_reg.weight': 'predictors',
    'bbox_head.cls_convs.0.0.conv.weight': 'dense_head',  # RTMDet; SSDLite's depthwise
    'bbox_head.cls_convs.0.0.weight': 'predictors',  # SSD
    'bbox_head.reg_convs.5.1.weight': 'predictors',  # SSDLite
    'bbox_head.cls_convs.3.conv.conv_offset.weight': 'dense_head',  # FCOS with DCN
    'bbox_head.conv_centerness.weight': 'predictors',  # FCOS
    'bbox_head.atss_iou.weight': 'predictors',  # DDOD
    'bbox_head.gfl_reg.weight': 'predictors',
    'bbox_head.vfnet_reg_refine.weight': 'predictors',
    'bbox_head.vfnet_reg_refine_dconv.weight': 'dense_head',
    'bbox_head.reppoints_pts_init_out.weight': 'predictors',
    'bbox_head.reppoints_cls_conv.weight': 'dense_head',
    'bbox_head.tood_cls.weight': 'predictors',
    'bbox_head.cls_prob_module.0.weight': 'dense_head',
    'bbox_head.cls_prob_module.2.weight': 'predictors',
    'bbox_head.convs_pred.0.weight': 'predictors',  # YOLOv3
    'bbox_head.convs_bridge.0.conv.weight': 'dense_head',
    'bbox_head.object_pred.weight': 'predictors',  # YOLOF
    'bbox_head.multi_level_cls_convs.0.0.conv.weight': 'dense_head',  # YOLOX
    'bbox_head.multi_level_conv_obj.2.weight': 'predictors',
    'bbox_head.rtm_kernel.0.weight': 'predictors',  # RTMDet-Ins
    'bbox_head.mask_head.projection.weight': 'mask_head',
    'bbox_head.heatmap_head.0.weight': 'dense_head',  # CenterNet
    'bbox_head.heatmap_head.2.weight': 'predictors',
    'bbox_head.tl_heat.0.0.conv.weight': 'dense_head',  # CornerNet
    'bbox_head.tl_heat.0.1.conv.weight': 'predictors',
    'bbox_head.tl_dcn_offset.0.conv.weight': 'dense_head',  # CentripetalNet
    # masks without RoIs
    'bbox_head.controller.weight': 'predictors',  # CondInst
    'mask_head.mask_feature_head.conv_pred.weight': 'mask_head',
    'mask_head.conv_mask_list.0.weight': 'predictors',  # SOLO
    'mask_head.conv_kernel.weight': 'predictors',  # SOLOv2
    'mask_head.protonet.0.weight': 'mask_head',  # YOLACT
    'bbox_head.conv_coeff.weight': 'predictors',
    'semantic_head.conv_logits.weight': 'predictors',  # Panoptic FPN
    # transformers
    'encoder.layers.0.self_attn.sampling_offsets.weight': 'other',  # Deformable DETR
    'decoder.layers.0.self_attn.attn.in_proj_weight': 'other',
    'memory_trans_fc.weight': 'other',
    'bbox_head.reg_ffn.layers.0.0.weight': 'dense_head',  # DETR
    'bbox_head.fc_reg.weight': 'predictors',
    'bbox_head.fc_reg.layers.0.weight': 'dense_head',  # DAB-DETR
    'bbox_head.fc_reg.layers.2.weight': 'predictors',
    'bbox_head.cls_branches.0.weight': 'predictors',  # DINO
    'bbox_head.reg_branches.0.2.weight': 'dense_head',
    'bbox_head.reg_branches.0.4.weight': 'predictors',
    'bbox_head.aux_reg_branches.0.4.weight': 'predictors',  # DDQ
    'panoptic_head.pixel_decoder.mask_feature.weight': 'other',  # Mask2Former
    'panoptic_head.transformer_decoder.layers.0.cross_attn.attn.out_proj.weight': 'other',
    'panoptic_head.cls_embed.weight': 'predictors',
    'panoptic_head.mask_embed.2.weight': 'mask_head',
    'panoptic_head.mask_embed.4.weight': 'predictors',  # classifiers and the keypoint task
    'head.fc.weight': 'predictors',  # MMPretrain
    'roi_head.keypoint_head.deconv.weight': 'predictors',  # Keypoint R-CNN
}
