"""What each module of a detector is: its group, from its place, its class and its attribute's name.

A module's *place* is the part of the detector it lies in (backbone, neck, a head). Some modules
have a *role* that counts more: they give outputs, bypass a block, or steer sampling.
docs/scope.md has the rules in words.
"""
import re

from torch import nn

from mmlth.core.module_tree import (
    HEADS,
    OPEN,
    UNKNOWN,
    ModuleTree,
    all_around,
    around,
    count_outputs,
    nearest,
    own_weights,
    split,
)

GROUPS = ('backbone', 'neck', 'dense_head', 'shared_head', 'box_head', 'mask_head',
          'keypoint_head', 'track_head', 'encoder', 'decoder', 'language_model',
          'predictors', 'shortcuts', 'sampling', 'other')

# Attributes below a head, whose last layers give what the head predicts.
OUTPUTS = '|'.join((
    r'\w*(cls|reg|centerness|iou|obj|logits|loc|shape|coeff|(cls|reg)_ref(ine)?)',
    r'cls_score|(bbox|object|convs)_pred|reppoints_\w+_out|fc_reg_(cls|offset)',
    r'(cls|reg)_layers|(cls_prob|reg_offset)_module|(aux_)?(cls|reg)_branches',
    r'(heatmap|wh|offset)_head',
    r'(tl|br)_(heat|emb|off|guiding_shift|centripetal_shift)',
    # A mask or a class score may be a product: both factors are outputs.
    r'\w*kernel|controller|cls_embed|mask_embed|dot_product_projection_text',
    r'projection|conv_pred|protonet|mask_feature',
    r'conv_mask_list(_x|_y)?|segm_conv',
    r'fc_embed'))
# The same, for names that mean something else in other heads: class of the owner -> attributes.
OUTPUTS_OF_CLASS: dict[str, str] = dict(
    SSDHead='(cls|reg)_convs', GridHead='deconv2', GlobalContextHead='fc', SegDecoder='conv',
    RoIEmbedHead='fcs', LinearReIDHead='fc_out|classifier')
OUTPUTS_OF_PLACE: dict[str, str] = dict(
    keypoint_head='score_deconv|deconv|upsample|score_lowres')
# Stacks that predict a reference point or size, if they end in two or four coordinates.
REFERENCES = 'reference_points_fc|ref_(point|anchor)_head'
COORDINATES = (2, 4)

# Attributes whose last layers say where to sample, or how much every sample counts.
SAMPLERS = '|'.join((
    'conv_offset|spatial_conv_offset|offset|(tl|br)_dcn_offset|offset_fc',
    'sampling_offsets|attention_weights|layer_attention|content_encoder'))
SAMPLERS_OF_CLASS: dict[str, str] = dict(
    ModulatedDeformRoIPoolPack='mask_fc',
    # Its own weight is a filter; all else in it blends that filter at two dilations.
    SAConv2d='pre_context|post_context|switch|offset_s|offset_l')
_DIFFERENCE = 'weight_diff'  # of SAConv2d's filter at the larger dilation

SHORTCUTS = 'conv_identity|rfp_conv'
_NO_OUTPUTS = ('feat_relay_head', )  # hands features on from one head to the next


def groups_of(model: nn.Module) -> dict[str, str]:
    """Map every name in a model's ``state_dict`` to its group, one of :data:`GROUPS`.

    Biases and buffers have the group of their module, so that a predictor's bias goes with its
    weight and the running mean of a shortcut's normalisation with the shortcut.

    >>> head = nn.ModuleDict(dict(rpn_conv=nn.Conv2d(2, 2, 3), rpn_cls=nn.Conv2d(2, 1, 1)))
    >>> groups = groups_of(nn.ModuleDict(dict(rpn_head=head)))
    >>> groups['rpn_head.rpn_conv.weight'], groups['rpn_head.rpn_cls.bias']
    ('dense_head', 'predictors')
    """
    groups = _module_groups(ModuleTree.of(model))
    found = {}
    for name in model.state_dict():
        owner, own_name = split(name)
        found[name] = 'sampling' if own_name == _DIFFERENCE else nearest(groups, owner)
    return found


def unknown_heads(model: nn.Module) -> list[str]:
    """List the modules whose outputs no rule knows, so that all of their weights count as hidden.

    These are heads in which no predictor was found, and whatever has weights in the group 'other'.

    >>> unknown_heads(nn.ModuleDict(dict(pose_head=nn.ModuleDict(dict(last=nn.Linear(2, 2))))))
    ['pose_head']
    """
    tree = ModuleTree.of(model)
    groups = _module_groups(tree)
    weighted = [path for path, module in tree.modules.items() if own_weights(module)]
    predicting = all_around(path for path in weighted if groups[path] == 'predictors')
    silent = [path for path in _heads(tree) if path not in predicting]
    filled = all_around(weighted)
    others = [_unknown_part(tree, path) for path in weighted if groups[path] == 'other']
    return list(dict.fromkeys([path for path in silent if path in filled] + others))


def _heads(tree: ModuleTree) -> list[str]:
    """List the outermost heads that should have outputs."""
    found = []
    for path, place in tree.places.items():
        parent, attribute = split(path)
        outermost = place in HEADS and tree.places[parent] in UNKNOWN
        if outermost and attribute.endswith('head') and attribute not in _NO_OUTPUTS:
            found.append(path)
    return found


def _unknown_part(tree: ModuleTree, path: str) -> str:
    """Return the largest module around ``path`` in which nothing has a known place."""
    known = all_around(p for p, place in tree.places.items() if place not in UNKNOWN)
    return next((p for p in around(path) if p not in known), path)


def _module_groups(tree: ModuleTree) -> dict[str, str]:
    """Map every module to its group: its role or that of a module around it, else its place."""
    roles: dict[str, str] = {'': ''}
    for path in list(tree.modules)[1:]:
        role, modules = _role(tree, path, nearest(roles, path))
        roles.update(dict.fromkeys(modules, role))
    groups = {}
    for path, place in tree.places.items():
        group = nearest(roles, path) or place
        groups[path] = 'other' if group in UNKNOWN else group
    return groups


def _role(tree: ModuleTree, path: str, outer: str) -> tuple[str, list[str]]:
    """Return a role that a module's place in its parent gives, and the modules that take it.

    Args:
        outer: The role that the module has from those around it, or ''.
    """
    if _is_shortcut(tree, path):
        return 'shortcuts', [path]
    if _samples(tree, path):
        return 'sampling', tree.last_layers(path)
    if _gives_outputs(tree, path):
        return 'predictors', tree.last_layers(path)
    # One output that isn't predicted is a map of weights over the positions, or a gate.
    known = tree.places[path] not in UNKNOWN
    gate = not outer and known and count_outputs(tree.modules[path]) == 1
    return 'sampling', [path] if gate else []


def _is_shortcut(tree: ModuleTree, path: str) -> bool:
    """Tell whether a module projects what bypasses a block of convolutions."""
    parent, attribute = split(path)
    if re.fullmatch(SHORTCUTS, attribute):
        return True
    # Swin calls a stage's end so as well, which nothing bypasses.
    siblings = [split(p)[1] for p in tree.children[parent]]
    return attribute == 'downsample' and 'conv1' in siblings


def _samples(tree: ModuleTree, path: str) -> bool:
    """Tell whether a module ends in offsets or in weights of samples."""
    parent, attribute = split(path)
    return _matches([SAMPLERS, *_of_class(SAMPLERS_OF_CLASS, tree.modules[parent])], attribute)


def _gives_outputs(tree: ModuleTree, path: str) -> bool:
    """Tell whether a module ends in what a head predicts."""
    parent, attribute = split(path)
    place = tree.places[path]
    if re.fullmatch(REFERENCES, attribute):
        ends = tree.last_layers(path)
        return all(count_outputs(tree.modules[end]) in COORDINATES for end in ends)
    if place not in (*OPEN, 'encoder') or not re.search(r'head(\.|$)', parent):
        return False
    patterns = [OUTPUTS, *_of_class(OUTPUTS_OF_CLASS, tree.modules[parent])]
    patterns.append(OUTPUTS_OF_PLACE.get(place, ''))
    if split(parent)[1] == 'head':
        patterns.append('fc')  # a classifier's
    return _matches(patterns, attribute)


def _of_class(table: dict[str, str], module: nn.Module) -> list[str]:
    """List the patterns for a module's class and the classes that it derives from."""
    return [table[c.__name__] for c in type(module).__mro__ if c.__name__ in table]


def _matches(patterns: list[str], attribute: str) -> bool:
    return any(re.fullmatch(pattern, attribute) for pattern in patterns)
