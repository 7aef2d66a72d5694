"""What each module of a detector is: its group, from its place, its class and its attribute's name.

A module's *place* is the part of the detector it lies in (backbone, neck, a head). Some modules have
a *role* that counts more than their place: they give outputs, bypass a block, or steer sampling.
docs/scope.md has the rules in words.
"""
import re
from dataclasses import dataclass
from typing import Mapping

from torch import nn

GROUPS = ('backbone', 'neck', 'dense_head', 'shared_head', 'box_head', 'mask_head',
          'keypoint_head', 'track_head', 'encoder', 'decoder', 'language_model',
          'predictors', 'shortcuts', 'sampling', 'other')

# Attribute -> place of all that lies below it.
PLACES: dict[str, str] = dict(
    backbone='backbone', neck='neck', language_model='language_model',
    rpn_head='dense_head', bbox_head='dense_head',
    mask_head='mask_head', semantic_head='mask_head', panoptic_head='mask_head',
    track_head='track_head', keypoint_head='keypoint_head',
    encoder='encoder', pixel_decoder='encoder', text_feat_map='encoder',
    decoder='decoder', transformer_decoder='decoder', decoder_input_proj='decoder',
    memory_trans_fc='decoder', pos_trans_fc='decoder', query_map='decoder',
    query_embedding='decoder', dn_query_generator='decoder', reference_points_fc='decoder',
    roi_head='roi_head', reid='reid')
ROI_PLACES: dict[str, str] = dict(
    bbox_head='box_head', grid_head='box_head', glbctx_head='box_head',
    bbox_roi_extractor='box_head', grid_roi_extractor='box_head',
    mask_head='mask_head', mask_iou_head='mask_head', point_head='mask_head',
    semantic_head='mask_head', feat_relay_head='mask_head', mask_roi_extractor='mask_head',
    semantic_roi_extractor='mask_head',
    keypoint_head='keypoint_head', keypoint_roi_extractor='keypoint_head',
    shared_head='shared_head')
REID_PLACES = dict(backbone='backbone', neck='neck', head='track_head')
# Where the table of attributes to look at depends on what lies around.
_TABLES = {'roi_head': ROI_PLACES, 'reid': REID_PLACES}
_UNKNOWN = ('', 'roi_head', 'reid')  # a place of no group; what lies below may have one
_HEADS = ('dense_head', 'box_head', 'mask_head', 'keypoint_head', 'track_head')
# Other places lie below these alone: a text model has an encoder, but it isn't the detector's.
_OPEN = (*_UNKNOWN, *_HEADS)
_NO_OUTPUTS = ('feat_relay_head', )  # hands features on from one head to the next

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
REFERENCES = r'reference_points_fc|ref_(point|anchor)_head'
# Attributes whose last layers say where to sample, or how much every sample counts.
SAMPLERS = '|'.join((
    r'conv_offset|spatial_conv_offset|offset|(tl|br)_dcn_offset|offset_fc|mask_fc',
    r'sampling_offsets|attention_weights|layer_attention|content_encoder'))
SHORTCUTS = r'conv_identity|rfp_conv'

# Lists of these names hold successive layers; others hold an entry per level, stage or branch.
_CHAINS = ('layers', 'fcs')
_STACKS = ('MLP', 'ConvModule', 'DepthwiseSeparableConvModule')
_NEVER = (nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_SWITCHED = 'SAConv2d'  # its own weight is a filter; all else in it blends two dilations
_DIFFERENCE = 'weight_diff'


def own_weights(module: nn.Module) -> list[str]:
    """List a module's own parameters that are weights: not biases, embeddings, normalisation.

    >>> own_weights(nn.Linear(2, 3)), own_weights(nn.LayerNorm([2, 2]))
    (['weight'], [])
    """
    if isinstance(module, _NEVER):
        return []
    parameters = module.named_parameters(recurse=False)
    return [name for name, p in parameters
            if p.ndim >= 2 and name.endswith(('weight', _DIFFERENCE))]


def groups_of(model: nn.Module) -> dict[str, str]:
    """Map every name in a model's ``state_dict`` to its group, one of :data:`GROUPS`.

    Biases and buffers have the group of their module, so that a predictor's bias goes with its
    weight and the running mean of a shortcut's normalisation with the shortcut.

    >>> head = nn.ModuleDict(dict(rpn_conv=nn.Conv2d(2, 2, 3), rpn_cls=nn.Conv2d(2, 1, 1)))
    >>> groups = groups_of(nn.ModuleDict(dict(rpn_head=head)))
    >>> groups['rpn_head.rpn_conv.weight'], groups['rpn_head.rpn_cls.bias']
    ('dense_head', 'predictors')
    """
    groups = _module_groups(_Tree.of(model))
    found = {}
    for name in model.state_dict():
        owner, _, own_name = name.rpartition('.')
        found[name] = 'sampling' if own_name == _DIFFERENCE else _nearest(groups, owner)
    return found


def unknown_heads(model: nn.Module) -> list[str]:
    """List the modules with weights whose outputs no rule knows, so that all of them is hidden.

    These are heads in which no predictor was found, and whatever belongs to the group 'other'.

    >>> unknown_heads(nn.ModuleDict(dict(pose_head=nn.ModuleDict(dict(last=nn.Linear(2, 2))))))
    ['pose_head']
    """
    tree = _Tree.of(model)
    groups = _module_groups(tree)
    weighted = [path for path, module in tree.modules.items() if own_weights(module)]
    known = {path for path in weighted if groups[path] == 'predictors'}
    silent = [path for path in tree.heads() if not _below(known, path)]
    others = [tree.outermost(path) for path in weighted if groups[path] == 'other']
    found = [path for path in silent if _below(weighted, path)]
    return list(dict.fromkeys(found + others))


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """The modules of a model by path, every alias included, with their children and places."""

    modules: Mapping[str, nn.Module]
    children: Mapping[str, list[str]]
    places: Mapping[str, str]

    @classmethod
    def of(cls, model: nn.Module) -> '_Tree':
        modules = dict(model.named_modules(remove_duplicate=False))
        children: dict[str, list[str]] = {path: [] for path in modules}
        places = {'': ''}
        for path in modules:
            if path:
                parent, _, attribute = path.rpartition('.')
                children[parent].append(path)
                places[path] = _place(places[parent], attribute)
        return cls(modules=modules, children=children, places=places)

    def heads(self) -> list[str]:
        """List the outermost heads that should have outputs."""
        found = []
        for path, place in self.places.items():
            parent, _, attribute = path.rpartition('.')
            outermost = path and self.places[parent] in _UNKNOWN
            named = attribute.endswith('head') and attribute not in _NO_OUTPUTS
            if outermost and named and place in _HEADS:
                found.append(path)
        return found

    def outermost(self, path: str) -> str:
        """Return the largest module around ``path`` that holds no module of a known place."""
        known = [p for p, place in self.places.items() if place not in _UNKNOWN]
        parts = path.split('.')
        around = ('.'.join(parts[:count]) for count in range(1, len(parts) + 1))
        return next((p for p in around if not _below(known, p)), path)

    def last_layers(self, path: str) -> list[str]:
        """List the layers that give the outputs of a stack: one, or one per entry of a list."""
        parallel = isinstance(self.modules[path], nn.ModuleList)
        if parallel and _attribute(path) not in _CHAINS:
            return [p for child in self.children[path] for p in self._last(child)]
        return self._last(path)

    def _last(self, path: str) -> list[str]:
        module = self.modules[path]
        is_unit = type(module).__name__ == 'ConvModule'  # a layer with its normalisation
        if is_unit or own_weights(module) or not self.children[path]:
            return [path]
        if not _is_stack(module):
            return []
        filled = [p for p in self.children[path] if _has_weights(self.modules[p])]
        return self._last(filled[-1]) if filled else []


def _place(outer: str, attribute: str) -> str:
    """Return the place of an attribute of a module of the place ``outer``."""
    if outer not in _OPEN:
        return outer
    return _TABLES.get(outer, PLACES).get(attribute, outer)


def _module_groups(tree: _Tree) -> dict[str, str]:
    """Map every module to its group: its role or that of a module around it, else its place."""
    roles: dict[str, str] = {'': ''}
    for path in tree.modules:  # from the outside to the inside
        for taker, role in _roles(tree, path, _nearest(roles, path)):
            roles[taker] = role
    groups = {}
    for path, place in tree.places.items():
        group = _nearest(roles, path) or place
        groups[path] = 'other' if group in _UNKNOWN else group
    return groups


def _roles(tree: _Tree, path: str, outer: str) -> list[tuple[str, str]]:
    """List (module, role) for the modules that get a role by their relation to ``path``.

    Args:
        outer: The role of ``path`` by the modules around it, or ''.
    """
    parent = tree.modules[path.rpartition('.')[0]]
    if _is_shortcut(tree, path):
        return [(path, 'shortcuts')]
    if path and type(parent).__name__ == _SWITCHED:
        return [(path, 'sampling')]
    if re.fullmatch(SAMPLERS, _attribute(path)):
        return [(layer, 'sampling') for layer in tree.last_layers(path)]
    if outer:
        return []
    if _gives_outputs(tree, path):
        return [(layer, 'predictors') for layer in tree.last_layers(path)]
    # One output that isn't predicted is a map of weights over the positions, or a gate.
    known = tree.places[path] not in _UNKNOWN
    return [(path, 'sampling')] if known and _outputs(tree.modules[path]) == 1 else []


def _is_shortcut(tree: _Tree, path: str) -> bool:
    """Tell whether a module projects what bypasses a block of convolutions."""
    parent, _, attribute = path.rpartition('.')
    if re.fullmatch(SHORTCUTS, attribute):
        return True
    # Swin calls a stage's end so as well: a layer of its own type, which nothing bypasses.
    container = isinstance(tree.modules[path], (nn.Sequential, nn.ModuleList))
    residual = _join(parent, 'conv1') in tree.modules
    return attribute == 'downsample' and container and residual


def _gives_outputs(tree: _Tree, path: str) -> bool:
    """Tell whether a module ends in what a head predicts."""
    parent, _, attribute = path.rpartition('.')
    place = tree.places[path]
    if re.fullmatch(REFERENCES, attribute):
        ends = tree.last_layers(path)
        return all(_outputs(tree.modules[end]) in (2, 4) for end in ends)
    if place not in (*_OPEN, 'encoder') or not re.search(r'head(\.|$)', parent):
        return False
    patterns = [OUTPUTS, OUTPUTS_OF_PLACE.get(place, '')]
    patterns += [OUTPUTS_OF_CLASS.get(c.__name__, '') for c in type(tree.modules[parent]).__mro__]
    if _attribute(parent) == 'head':
        patterns.append('fc')  # a classifier's
    return any(re.fullmatch(pattern, attribute) for pattern in patterns if pattern)


def _outputs(module: nn.Module) -> int:
    """Return the number of outputs of a layer, 0 of what is none."""
    weights = own_weights(module)
    if not weights:
        return 0
    shape = module.get_parameter(weights[0]).shape
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    return shape[1] if transposed else shape[0]


def _is_stack(module: nn.Module) -> bool:
    names = (c.__name__ for c in type(module).__mro__)
    container = isinstance(module, (nn.Sequential, nn.ModuleList))
    return container or any(name in _STACKS for name in names)


def _has_weights(module: nn.Module) -> bool:
    return any(own_weights(m) for m in module.modules())


def _attribute(path: str) -> str:
    return path.rpartition('.')[2]


def _join(parent: str, attribute: str) -> str:
    return f'{parent}.{attribute}' if parent else attribute


def _below(paths: object, top: str) -> bool:
    """Tell whether one of the paths is ``top`` or lies below it."""
    return any(p == top or p.startswith(f'{top}.') for p in paths)


def _nearest(table: Mapping[str, str], path: str) -> str:
    """Return the entry of a path, or else of the nearest path around it."""
    while path not in table:
        path = path.rpartition('.')[0]
    return table[path]
