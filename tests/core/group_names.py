"""Tensors of MMDetection's detectors -> group, by config; the oracle of test_roles.py."""
GROUPS_OF_CONFIG = {
    'ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py': {
        'backbone.conv1.weight': 'backbone',
        'backbone.bn1.running_mean': 'backbone',
        'backbone.layer1.0.conv2.weight': 'backbone',
        'backbone.layer1.0.downsample.0.weight': 'shortcuts',
        'backbone.layer1.0.downsample.1.running_mean': 'shortcuts',
        'neck.lateral_convs.0.conv.weight': 'neck',
        'rpn_head.rpn_conv.weight': 'dense_head',  # bare, yet a tower
        'rpn_head.rpn_cls.weight': 'predictors',
        'roi_head.bbox_head.shared_fcs.0.weight': 'box_head',  # bare, yet a tower
        'roi_head.bbox_head.shared_fcs.0.bias': 'box_head',
        'roi_head.bbox_head.fc_cls.weight': 'predictors',
        'roi_head.bbox_head.fc_cls.bias': 'predictors',
        'roi_head.mask_head.convs.0.conv.weight': 'mask_head',
        'roi_head.mask_head.upsample.weight': 'mask_head',
        'roi_head.mask_head.conv_logits.weight': 'predictors',
        'roi_head.mask_iou_head.fc_mask_iou.weight': 'predictors',
        'roi_head.mask_iou_head.convs.0.weight': 'mask_head',
    },
    # Backbones.
    'resnest/mask-rcnn_s50_fpn_syncbn-backbone+head_ms-1x_coco.py': {
        'backbone.layer3.0.downsample.1.weight': 'shortcuts',  # after a pooling
        'roi_head.bbox_head.shared_convs.3.conv.weight': 'box_head',
    },
    'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py': {
        'backbone.stages.0.downsample.reduction.weight': 'backbone',
        'backbone.stages.0.blocks.0.attn.w_msa.qkv.weight': 'backbone',
    },
    'hrnet/htc_hrnetv2p-w32_20e_coco.py': {
        'backbone.stage2.0.fuse_layers.0.1.0.weight': 'backbone',
    },
    'gcnet/mask-rcnn_r50-gcb-r4-c3-c5_fpn_1x_coco.py': {
        'backbone.layer2.0.context_block.conv_mask.weight': 'sampling',
        'backbone.layer2.0.context_block.channel_add_conv.0.weight': 'backbone',
    },
    'detectors/detectors_htc-r50_1x_coco.py': {
        'backbone.layer2.0.conv2.weight': 'backbone',
        'backbone.layer2.0.conv2.weight_gamma': 'backbone',
        'backbone.layer2.0.conv2.weight_diff': 'sampling',
        'backbone.layer2.0.conv2.switch.weight': 'sampling',
        'backbone.layer2.0.conv2.pre_context.weight': 'sampling',
        'neck.rfp_modules.0.layer1.0.conv1.weight': 'neck',
        'neck.rfp_modules.0.layer1.0.downsample.0.weight': 'shortcuts',
        'neck.rfp_modules.0.layer2.0.conv2.offset_s.weight': 'sampling',
        'neck.rfp_modules.0.layer2.0.rfp_conv.weight': 'shortcuts',
        'neck.rfp_weight.weight': 'sampling',
        'roi_head.bbox_head.2.fc_reg.weight': 'predictors',
        'roi_head.mask_head.1.conv_res.conv.weight': 'mask_head',
        'roi_head.semantic_head.conv_logits.weight': 'predictors',
        'roi_head.semantic_head.conv_embedding.conv.weight': 'mask_head',
    },
    # Necks.
    'dyhead/atss_r50_fpn_dyhead_1x_coco.py': {
        'neck.1.dyhead_blocks.0.spatial_conv_mid.conv.weight': 'neck',
        'neck.1.dyhead_blocks.0.spatial_conv_offset.weight': 'sampling',
        'neck.1.dyhead_blocks.0.scale_attn_module.1.weight': 'sampling',
        'neck.1.dyhead_blocks.0.task_attn_module.conv2.conv.weight': 'neck',
        'bbox_head.atss_centerness.weight': 'predictors',
    },
    'nas_fcos/nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco.py': {
        'neck.fpn.c02.input1_conv.conv.weight': 'neck',
        'neck.fpn.c02.input1_conv.conv.conv_offset.weight': 'sampling',
    },
    # RPN and roi heads.
    'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py': {
        'rpn_head.conv_centerness.weight': 'predictors',
    },
    'guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco.py': {
        'rpn_head.feature_adaption.conv_offset.weight': 'sampling',
        'rpn_head.feature_adaption.conv_adaption.weight': 'dense_head',
        'rpn_head.conv_loc.weight': 'predictors',
    },
    'guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py': {
        'bbox_head.feature_adaption_cls.conv_adaption.weight': 'dense_head',
        'bbox_head.retina_cls.weight': 'predictors',
    },
    'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py': {
        'rpn_head.stages.1.rpn_reg.weight': 'predictors',
        'rpn_head.stages.1.rpn_conv.conv.weight': 'dense_head',
    },
    'crowddet/crowddet-rcnn_refine_r50_fpn_8xb2-30e_crowdhuman.py': {
        'roi_head.bbox_head.fc_cls.0.weight': 'predictors',
        'roi_head.bbox_head.fc_reg_ref.1.weight': 'predictors',
        'roi_head.bbox_head.shared_fcs_ref.weight': 'box_head',
    },
    'sabl/sabl-faster-rcnn_r50_fpn_1x_coco.py': {
        'roi_head.bbox_head.fc_reg_offset.weight': 'predictors',
        'roi_head.bbox_head.reg_conv_att_x.weight': 'sampling',
        'roi_head.bbox_head.upsample_x.weight': 'box_head',
    },
    'double_heads/dh-faster-rcnn_r50_fpn_1x_coco.py': {
        'roi_head.bbox_head.res_block.conv2.conv.weight': 'box_head',
        'roi_head.bbox_head.res_block.conv_identity.conv.weight': 'shortcuts',
        'roi_head.bbox_head.res_block.conv_identity.bn.running_var': 'shortcuts',
    },
    'grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py': {
        'roi_head.grid_head.deconv2.weight': 'predictors',
        'roi_head.grid_head.deconv1.weight': 'box_head',
    },
    'tridentnet/tridentnet_r50-caffe_1x_coco.py': {
        'roi_head.shared_head.layer4.0.conv1.weight': 'shared_head',
        'roi_head.shared_head.layer4.0.downsample.0.weight': 'shortcuts',
    },
    'scnet/scnet_r50_fpn_1x_coco.py': {
        'roi_head.glbctx_head.fc.weight': 'predictors',
        'roi_head.glbctx_head.convs.0.conv1.weight': 'box_head',
        'roi_head.feat_relay_head.fc.weight': 'mask_head',
    },
    'point_rend/point-rend_r50-caffe_fpn_ms-3x_coco.py': {
        'roi_head.point_head.fc_logits.weight': 'predictors',
        'roi_head.mask_head.fcs.1.weight': 'mask_head',
    },
    'groie/mask-rcnn_r50_fpn_groie_1x_coco.py': {
        'roi_head.bbox_roi_extractor.post_module.query_conv.weight': 'box_head',
        'roi_head.mask_roi_extractor.pre_module.conv.weight': 'mask_head',
    },
    'dcnv2/faster-rcnn_r50_fpn_mdpool_1x_coco.py': {
        'roi_head.bbox_roi_extractor.roi_layers.0.offset_fc.0.weight': 'box_head',
        'roi_head.bbox_roi_extractor.roi_layers.0.offset_fc.4.weight': 'sampling',
        'roi_head.bbox_roi_extractor.roi_layers.0.mask_fc.2.weight': 'sampling',
    },
    'carafe/mask-rcnn_r50_fpn-carafe_1x_coco.py': {
        'neck.upsample_modules.0.channel_compressor.weight': 'neck',
        'neck.upsample_modules.0.content_encoder.weight': 'sampling',
        'roi_head.mask_head.upsample.content_encoder.weight': 'sampling',
    },
    'queryinst/queryinst_r50_fpn_1x_coco.py': {
        'roi_head.bbox_head.0.attention.attn.in_proj_weight': 'box_head',
        'roi_head.bbox_head.0.instance_interactive_conv.dynamic_layer.weight': 'box_head',
        'roi_head.mask_head.0.instance_interactive_conv.dynamic_layer.weight': 'mask_head',
    },
    # Single-stage heads.
    'fsaf/fsaf_r50_fpn_1x_coco.py': {'bbox_head.retina_reg.weight': 'predictors'},
    'gfl/gfl_r50_fpn_1x_coco.py': {'bbox_head.gfl_reg.weight': 'predictors'},
    'ddod/ddod_r50_fpn_1x_coco.py': {'bbox_head.atss_iou.weight': 'predictors'},
    'fcos/fcos_r50-dcn-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py': {
        'bbox_head.cls_convs.0.conv.weight': 'dense_head',
        'bbox_head.cls_convs.3.conv.conv_offset.weight': 'sampling',
        'bbox_head.conv_centerness.weight': 'predictors',
        'bbox_head.scales.0.scale': 'dense_head',
    },
    'vfnet/vfnet_r50-mdconv-c3-c5_fpn_ms-2x_coco.py': {
        'backbone.layer3.0.conv2.weight': 'backbone',
        'backbone.layer3.0.conv2.conv_offset.weight': 'sampling',
        'bbox_head.vfnet_reg_refine.weight': 'predictors',
        'bbox_head.vfnet_reg_refine_dconv.weight': 'dense_head',
    },
    'reppoints/reppoints-moment_r50_fpn_1x_coco.py': {
        'bbox_head.reppoints_pts_init_out.weight': 'predictors',
        'bbox_head.reppoints_cls_conv.weight': 'dense_head',
    },
    'tood/tood_r50_fpn_1x_coco.py': {
        'bbox_head.tood_cls.weight': 'predictors',
        'bbox_head.cls_prob_module.0.weight': 'dense_head',
        'bbox_head.cls_prob_module.2.weight': 'predictors',
        'bbox_head.cls_decomp.layer_attention.0.weight': 'dense_head',
        'bbox_head.cls_decomp.layer_attention.2.weight': 'sampling',
    },
    'yolo/yolov3_d53_8xb8-320-273e_coco.py': {
        'bbox_head.convs_pred.0.weight': 'predictors',
        'bbox_head.convs_bridge.0.conv.weight': 'dense_head',
    },
    'yolof/yolof_r50-c5_8xb8-1x_coco.py': {
        'bbox_head.object_pred.weight': 'predictors',
        'bbox_head.cls_subnet.0.conv.weight': 'dense_head',
    },
    'yolox/yolox_s_8xb8-300e_coco.py': {
        'backbone.stage1.1.short_conv.conv.weight': 'backbone',
        'neck.downsamples.0.conv.weight': 'neck',
        'bbox_head.multi_level_cls_convs.0.0.conv.weight': 'dense_head',
        'bbox_head.multi_level_conv_obj.2.weight': 'predictors',
    },
    'ssd/ssd300_coco.py': {
        'bbox_head.cls_convs.0.0.weight': 'predictors',
        'neck.l2_norm.weight': 'neck',
    },
    'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py': {
        'bbox_head.reg_convs.5.0.conv.weight': 'dense_head',  # depthwise
        'bbox_head.reg_convs.5.1.weight': 'predictors',
    },
    'centernet/centernet_r18_8xb16-crop512-140e_coco.py': {
        'bbox_head.heatmap_head.0.weight': 'dense_head',
        'bbox_head.heatmap_head.2.weight': 'predictors',
        'bbox_head.offset_head.2.weight': 'predictors',
    },
    'centripetalnet/centripetalnet_hourglass104_16xb6-crop511-210e-mstest_coco.py': {
        'backbone.stem.1.0.downsample.0.weight': 'shortcuts',
        'backbone.hourglass_modules.0.low2.low2.low1.0.downsample.0.weight': 'shortcuts',
        'bbox_head.tl_heat.0.0.conv.weight': 'dense_head',
        'bbox_head.tl_heat.0.1.conv.weight': 'predictors',
        'bbox_head.tl_guiding_shift.1.1.conv.bias': 'predictors',
        'bbox_head.tl_dcn_offset.0.conv.weight': 'sampling',
    },
    'clrnet/clrnet.py': {
        'bbox_head.cls_layers.weight': 'predictors',
        'bbox_head.cls_modules.0.weight': 'dense_head',
        'bbox_head.seg_decoder.conv.weight': 'predictors',
    },
    # Masks without RoIs.
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py': {
        'bbox_head.controller.weight': 'predictors',
        'mask_head.mask_feature_head.conv_branch.0.conv.weight': 'mask_head',
        'mask_head.mask_feature_head.conv_pred.weight': 'predictors',
    },
    'boxinst/boxinst_r50_fpn_ms-90k_coco.py': {
        'mask_head.mask_feature_head.conv_pred.weight': 'predictors',
    },
    'solo/solo_r50_fpn_3x_coco.py': {'mask_head.conv_mask_list.0.weight': 'predictors'},
    'solov2/solov2_r50_fpn_1x_coco.py': {
        'mask_head.conv_kernel.weight': 'predictors',
        'mask_head.kernel_convs.0.conv.weight': 'mask_head',
        'mask_head.mask_feature_head.conv_pred.conv.weight': 'predictors',
        'mask_head.mask_feature_head.conv_pred.gn.bias': 'predictors',
    },
    'yolact/yolact_r50_8xb8-55e_coco.py': {
        'mask_head.protonet.8.weight': 'mask_head',
        'mask_head.protonet.10.weight': 'predictors',
        'mask_head.segm_branch.segm_conv.weight': 'predictors',
        'bbox_head.conv_coeff.weight': 'predictors',
    },
    'rtmdet/rtmdet-ins_s_8xb32-300e_coco.py': {
        'bbox_head.cls_convs.0.0.conv.weight': 'dense_head',
        'bbox_head.kernel_convs.1.0.conv.weight': 'dense_head',
        'bbox_head.rtm_kernel.0.weight': 'predictors',
        'bbox_head.mask_head.fusion_conv.weight': 'mask_head',
        'bbox_head.mask_head.projection.weight': 'predictors',
    },
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py': {
        'semantic_head.conv_logits.weight': 'predictors',
    },
    # Transformers.
    'detr/detr_r50_8xb2-500e_coco.py': {
        'query_embedding.weight': 'decoder',
        'bbox_head.reg_ffn.layers.0.0.weight': 'dense_head',
        'bbox_head.fc_reg.weight': 'predictors',
    },
    'conditional_detr/conditional-detr_r50_8xb2-50e_coco.py': {
        'decoder.ref_point_head.layers.0.weight': 'decoder',
        'decoder.ref_point_head.layers.1.weight': 'predictors',
    },
    'dab_detr/dab-detr_r50_8xb2-50e_coco.py': {
        'decoder.ref_point_head.layers.1.weight': 'decoder',  # 256 outputs: an embedding
        'decoder.ref_anchor_head.layers.1.weight': 'predictors',
        'encoder.query_scale.layers.1.weight': 'encoder',
        'bbox_head.fc_reg.layers.0.weight': 'dense_head',
        'bbox_head.fc_reg.layers.2.weight': 'predictors',
    },
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py': {
        'reference_points_fc.weight': 'predictors',
        'reference_points_fc.bias': 'predictors',
        'level_embed': 'other',
        'encoder.layers.0.self_attn.sampling_offsets.weight': 'sampling',
        'encoder.layers.0.self_attn.value_proj.weight': 'encoder',
        'decoder.layers.0.cross_attn.attention_weights.weight': 'sampling',
        'decoder.layers.0.self_attn.attn.in_proj_weight': 'decoder',
        'bbox_head.reg_branches.5.2.weight': 'dense_head',
        'bbox_head.reg_branches.5.4.weight': 'predictors',
    },
    'ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py': {
        'memory_trans_fc.weight': 'decoder',
        'query_map.weight': 'decoder',
        'bbox_head.cls_branches.0.weight': 'predictors',
        'bbox_head.aux_reg_branches.0.2.weight': 'dense_head',
        'bbox_head.aux_reg_branches.0.4.weight': 'predictors',
    },
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py': {
        'panoptic_head.pixel_decoder.lateral_convs.0.conv.weight': 'encoder',
        'panoptic_head.pixel_decoder.encoder.layers.0.ffn.layers.1.weight': 'encoder',
        'panoptic_head.pixel_decoder.mask_feature.weight': 'predictors',
        'panoptic_head.transformer_decoder.layers.0.cross_attn.attn.out_proj.weight': 'decoder',
        'panoptic_head.cls_embed.weight': 'predictors',
        'panoptic_head.mask_embed.2.weight': 'mask_head',
        'panoptic_head.mask_embed.4.weight': 'predictors',
    },
    'maskformer/maskformer_r50_ms-16xb1-75e_coco.py': {
        'panoptic_head.pixel_decoder.encoder_in_proj.weight': 'encoder',
        'panoptic_head.pixel_decoder.mask_feature.weight': 'predictors',
    },
    # Trackers, and nets in nets.
    'qdtrack/qdtrack_faster-rcnn_r50_fpn_4e_base.py': {
        'detector.backbone.layer1.0.downsample.0.weight': 'shortcuts',
        'track_head.embed_head.fcs.0.weight': 'track_head',
        'track_head.embed_head.fc_embed.weight': 'predictors',
    },
    'masktrack_rcnn/masktrack-rcnn_mask-rcnn_r50_fpn_8xb1-12e_youtubevis2021.py': {
        'track_head.embed_head.fcs.0.weight': 'track_head',
        'track_head.embed_head.fcs.1.weight': 'predictors',
    },
    'mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021.py': {
        'track_head.mask_embed.2.weight': 'track_head',
        'track_head.mask_embed.4.weight': 'predictors',
        'track_head.pixel_decoder.mask_feature.weight': 'predictors',
    },
    'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py': {
        'teacher.backbone.conv1.weight': 'backbone',
        'student.rpn_head.rpn_reg.weight': 'predictors',
    },
}
