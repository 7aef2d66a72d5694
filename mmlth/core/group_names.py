"""Groups by name alone, for tickets that come without their model; rougher than roles.groups_of."""
import re

# Parameter name -> group; the LAST rule that matches wins, so special rules follow general ones.
# Predictors have to be named: bare convolutions and linear layers occur in heads elsewhere too.
_HEAD = r'(^|\.)\w*head\.(.*\.)?'
GROUP_RULES: tuple[tuple[str, str], ...] = (
    (r'(^|\.)backbone\.', 'backbone'),
    (r'(^|\.)neck\.', 'neck'),
    (r'(^|\.)(rpn_head|bbox_head)\.', 'dense_head'),
    (r'(^|\.)roi_head\.(bbox_head|grid_head)\.', 'box_head'),
    (r'(^|\.)(mask_head|mask_iou_head|point_head|semantic_head|panoptic_head)\.', 'mask_head'),
    (r'(^|\.)keypoint_head\.', 'keypoint_head'),
    (r'(^|\.)shared_head\.', 'shared_head'),
    (r'(^|\.)(pixel|transformer)_decoder\.', 'other'),
    # The index keeps Swin's downsample.reduction and ConvNeXt's downsample_layers out.
    (r'(^|\.)(backbone|shared_head)\..*\.downsample\.\d+\.weight$', 'shortcuts'),
    (_HEAD + r'\w*(cls|reg|centerness|iou|obj|kernel|logits|loc|shape|coeff|(cls|reg)_ref(ine)?)'
     r'(\.\d+)?\.weight$', 'predictors'),
    (_HEAD + r'(cls_score|reppoints_\w+_out|(bbox|object|convs)_pred|fc_reg_(cls|offset)|'
     r'(cls|reg)_layers|(aux_)?cls_branches|cls_embed|controller|conv_mask_list(_x|_y)?|segm_conv)'
     r'(\.\d+)?\.weight$', 'predictors'),
    (r'(grid_head\.deconv2|glbctx_head\.fc|(^|\.)head\.fc)\.weight$', 'predictors'),
    # SSD: bare convolutions, where the tower of a RetinaNet ends in '.conv.weight'.
    (r'bbox_head\.(cls|reg)_convs\.\d+\.\d+\.weight$', 'predictors'),
    # Last layer of a small stack; the index is that of the default depth.
    (_HEAD + r'((aux_)?reg_branches\.\d+\.4|mask_embed\.4|fc_reg\.layers\.2|'
     r'(heatmap|wh|offset)_head\.2|(cls_prob|reg_offset)_module\.2)\.weight$', 'predictors'),
    # CornerNet, CentripetalNet: predictors that are ConvModules.
    (r'\.(tl|br)_(heat|emb|off|guiding_shift|centripetal_shift)\.\d+\.1\.conv\.weight$', 'predictors'),
    # Keypoint R-CNN's deconvolution to the heatmaps.
    (r'keypoint_head\.(score_deconv|deconv|upsample|score_lowres)\.weight$', 'predictors'),
)


def group_of(name: str) -> str:
    """Return the group of a parameter by its name, one of ``roles.GROUPS``.

    >>> group_of('roi_head.bbox_head.shared_fcs.0.weight'), group_of('rpn_head.rpn_cls.weight')
    ('box_head', 'predictors')
    """
    found = [group for pattern, group in GROUP_RULES if re.search(pattern, name)]
    return found[-1] if found else 'other'
