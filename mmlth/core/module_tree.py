"""The modules of a detector by path: the part of it that each lies in, and where stacks end."""
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

# Attribute -> place of all that lies below it. The last two only say where else to look.
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
REID_PLACES: dict[str, str] = dict(backbone='backbone', neck='neck', head='track_head')
_TABLES = {'roi_head': ROI_PLACES, 'reid': REID_PLACES}

UNKNOWN = ('', 'roi_head', 'reid')  # places of no group; what lies below may have one
HEADS = ('dense_head', 'box_head', 'mask_head', 'keypoint_head', 'track_head')
# No other place has places below it: a text model's encoder isn't the detector's.
OPEN = (*UNKNOWN, *HEADS)

# Lists of these names hold successive layers; others hold an entry per level, stage or branch.
_CHAINS = ('layers', 'fcs')
_STACK = 'MLP'
_UNIT = 'ConvModule'  # a convolution with its normalisation
_NEVER = (nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)


def own_weights(module: nn.Module) -> list[str]:
    """List a module's own parameters that are weights: not biases, embeddings, normalisation.

    >>> own_weights(nn.Linear(2, 3)), own_weights(nn.LayerNorm([2, 2]))
    (['weight'], [])
    """
    if isinstance(module, _NEVER):
        return []
    parameters = module.named_parameters(recurse=False)
    return [name for name, p in parameters
            if p.ndim >= 2 and name.endswith(('weight', 'weight_diff'))]


def has_weights(module: nn.Module) -> bool:
    """Tell whether a module or one below it has weights."""
    return any(own_weights(m) for m in module.modules())


def count_outputs(module: nn.Module) -> int:
    """Return the number of outputs of a layer, 0 of what is none.

    >>> count_outputs(nn.Linear(2, 3)), count_outputs(nn.ConvTranspose2d(2, 3, 1))
    (3, 3)
    """
    weights = own_weights(module)
    if not weights:
        return 0
    shape = module.get_parameter(weights[0]).shape
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    return shape[1] if transposed else shape[0]


@dataclass(frozen=True, kw_only=True)
class ModuleTree:
    """The modules of a model, from the outside to the inside.

    Attributes:
        modules: Path -> module, with an entry for every path of a shared module.
        children: Path -> paths of its children.
        places: Path -> the part of the detector that it lies in, one of the values of
            :data:`PLACES`; '' where no rule knows it.
    """

    modules: Mapping[str, nn.Module]
    children: Mapping[str, list[str]]
    places: Mapping[str, str]

    @classmethod
    def of(cls, model: nn.Module) -> 'ModuleTree':
        """Read a model.

        >>> ModuleTree.of(nn.ModuleDict(dict(neck=nn.ReLU()))).places
        {'': '', 'neck': 'neck'}
        """
        modules = dict(model.named_modules(remove_duplicate=False))
        children: dict[str, list[str]] = {path: [] for path in modules}
        places = {'': ''}
        for path in list(modules)[1:]:
            parent, attribute = split(path)
            children[parent].append(path)
            places[path] = _place(places[parent], attribute)
        return cls(modules=modules, children=children, places=places)

    def last_layers(self, path: str) -> list[str]:
        """List the layers that a stack ends in: one, or one per entry of a list.

        >>> stack = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU())
        >>> tree = ModuleTree.of(nn.ModuleDict(dict(levels=nn.ModuleList([stack, stack]))))
        >>> tree.last_layers('levels')
        ['levels.0.2', 'levels.1.2']
        """
        chain = split(path)[1] in _CHAINS
        if isinstance(self.modules[path], nn.ModuleList) and not chain:
            return [layer for child in self.children[path] for layer in self._last(child)]
        return self._last(path)

    def _last(self, path: str) -> list[str]:
        module = self.modules[path]
        alone = not self.children[path]
        if alone or own_weights(module) or type(module).__name__ == _UNIT:
            return [path]
        if not _is_stack(module):
            return []
        filled = [p for p in self.children[path] if has_weights(self.modules[p])]
        return self._last(filled[-1]) if filled else []


def split(path: str) -> tuple[str, str]:
    """Return the path of a module's parent, and the module's attribute there."""
    parent, _, attribute = path.rpartition('.')
    return parent, attribute


def around(path: str) -> list[str]:
    """List a path's beginnings from the shortest, itself at last.

    >>> around('neck.convs.0')
    ['neck', 'neck.convs', 'neck.convs.0']
    """
    parts = path.split('.')
    return ['.'.join(parts[:count]) for count in range(1, len(parts) + 1)]


def all_around(paths: Iterable[str]) -> set[str]:
    """Return the beginnings of all paths."""
    return {beginning for path in paths for beginning in around(path)}


def nearest(table: Mapping[str, str], path: str) -> str:
    """Return the entry of a path, or else of the nearest path around it.

    >>> nearest({'': 'model', 'neck': 'neck'}, 'neck.convs.0'), nearest({'': 'model'}, 'neck')
    ('neck', 'model')
    """
    while path not in table:
        path = split(path)[0]
    return table[path]


def _place(outer: str, attribute: str) -> str:
    """Return the place of an attribute of a module of the place ``outer``."""
    if outer not in OPEN:
        return outer
    return _TABLES.get(outer, PLACES).get(attribute, outer)


def _is_stack(module: nn.Module) -> bool:
    container = isinstance(module, (nn.Sequential, nn.ModuleList))
    return container or type(module).__name__ == _STACK
