"""Which parameters may be pruned: names, groups, and a table with both denominators."""
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from torch import Tensor, nn

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
GROUPS = ('backbone', 'neck', 'dense_head', 'shared_head', 'box_head', 'mask_head',
          'keypoint_head', 'predictors', 'shortcuts', 'other')

# The paper's released code prunes all weights but those of predictors and shortcut convs
# (Girish et al., CVPR 2021; 80% of this scope is 78.4% of a Mask R-CNN R18-FPN).
SCOPES: dict[str, tuple[str, ...]] = dict(
    paper=tuple(g for g in GROUPS if g not in ('predictors', 'shortcuts')),
    all=GROUPS,
    backbone=('backbone', ))
FROZEN_POLICIES = ('prune', 'keep')
_NEVER = (nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
# These re-standardise their weight in every forward pass, which moves zeros away from zero.
_STANDARDISED = ('ConvWS2d', 'ConvAWS2d', 'SAConv2d')


@dataclass(frozen=True, kw_only=True)
class WeightInfo:
    """One weight tensor of a model: its name, group, shape, and whether training changes it."""

    name: str
    group: str
    shape: tuple[int, ...]
    frozen: bool

    @property
    def size(self) -> int:
        """Number of weights."""
        size = 1
        for length in self.shape:
            size *= length
        return size


def group_of(name: str) -> str:
    """Return the group of a parameter by its name, one of :data:`GROUPS`.

    >>> group_of('roi_head.bbox_head.shared_fcs.0.weight'), group_of('rpn_head.rpn_cls.weight')
    ('box_head', 'predictors')
    """
    found = [group for pattern, group in GROUP_RULES if re.search(pattern, name)]
    return found[-1] if found else 'other'


def list_weights(model: nn.Module) -> list[WeightInfo]:
    """List every weight tensor that could be pruned, in the order of ``named_parameters``.

    That is each parameter called ``weight`` or ``*_weight`` with two dimensions or more:
    convolutions of any kind, linear layers, attention projections. Embeddings, biases and
    normalisation are never listed. A tensor shared by several modules is listed once.
    """
    left_out = {id(p) for m in model.modules() if isinstance(m, _NEVER)
                for p in m.parameters(recurse=False)}
    return [WeightInfo(name=name, group=group_of(name), shape=tuple(p.shape),
                       frozen=not p.requires_grad)
            for name, p in model.named_parameters()
            if p.ndim >= 2 and id(p) not in left_out and name.split('.')[-1].endswith('weight')]


def standardised_weights(model: nn.Module) -> list[str]:
    """List weights whose effective value isn't the stored one, so that zeros don't stay zero."""
    return [f'{name}.weight' for name, m in model.named_modules() if type(m).__name__ in _STANDARDISED]


def transposed_weights(model: nn.Module) -> list[str]:
    """List weights of transposed convolutions, whose dimension 1 is their outputs."""
    return [f'{name}.weight' for name, m in model.named_modules() if isinstance(m, nn.modules.conv._ConvTransposeNd)]


def choose(weights: Sequence[WeightInfo], scope: str | Sequence[str] = 'paper', *,
           include: Sequence[str] = (), exclude: Sequence[str] = (),
           frozen: str = 'prune') -> tuple[str, ...]:
    """Choose the names of the tensors in the scope.

    Args:
        weights: From :func:`list_weights`.
        scope: A name in :data:`SCOPES` or a list of groups of :data:`GROUPS`.
        include: Regular expressions; names in which one is found join the scope.
        exclude: Regular expressions; names in which one is found leave it (this wins).
        frozen: 'prune' counts frozen tensors in (the paper), 'keep' leaves them out.

    Returns:
        Names in the order of ``weights``.

    Raises:
        ValueError: Unknown scope, group or policy, a pattern that matches nothing or isn't a
            regular expression, or an empty scope.
    """
    groups = check_scope(scope)
    include, exclude = ((p, ) if isinstance(p, str) else tuple(p) for p in (include, exclude))
    _check_patterns(weights, include=include, exclude=exclude)
    if frozen not in FROZEN_POLICIES:
        raise ValueError(f'frozen={frozen!r}: allowed are {FROZEN_POLICIES}')
    wanted = [w.name for w in weights
              if (w.group in groups or _matches(include, w.name)) and not _matches(exclude, w.name)
              and not (frozen == 'keep' and w.frozen)]
    if not wanted:
        found = sorted({w.group for w in weights})
        raise ValueError(f'scope={scope!r} holds no prunable tensor of this model, whose groups are '
                         f'{found}. Choose another scope, or name tensors with include')
    return tuple(wanted)


def _check_patterns(weights: Sequence[WeightInfo], **settings: Sequence[str]) -> None:
    """Raise ValueError for a pattern that is no regular expression or matches no weight."""
    for setting, patterns in settings.items():
        for pattern in patterns:
            try:
                found = any(re.search(pattern, w.name) for w in weights)
            except re.error as error:
                raise ValueError(f'{setting}={pattern!r} is no regular expression: {error}') from error
            if not found:
                raise ValueError(f'{setting}={pattern!r} matches no weight of the model')


def check_scope(scope: str | Sequence[str]) -> tuple[str, ...]:
    """Return the groups of a scope; raise ValueError for an unknown scope or group."""
    if isinstance(scope, str) and scope in SCOPES:
        return SCOPES[scope]
    groups = (scope, ) if isinstance(scope, str) else tuple(scope)
    unknown = [g for g in groups if g not in GROUPS]
    if unknown:
        raise ValueError(f'scope={scope!r}: allowed are {", ".join(SCOPES)}, or a list of the groups '
                         f'{", ".join(GROUPS)}')
    return groups


def network_sparsity(pruned: int, parameters: int) -> float:
    """Return pruned weights / all parameters of the model, the paper's second denominator."""
    return pruned / parameters


def count_parameters(model: nn.Module) -> int:
    """Count all parameters, frozen and shared ones once each; buffers don't count."""
    return sum(p.numel() for p in model.parameters())


def format_weights(weights: Sequence[WeightInfo], in_scope: Sequence[str],
                   magnitudes: Mapping[str, float] | None = None,
                   previews: Mapping[str, float] | None = None) -> str:
    """Draw the per-tensor table.

    Args:
        weights: From :func:`list_weights`.
        in_scope: Names in the scope.
        magnitudes: name -> median |w| before training.
        previews: name -> kept share if the initial weights were pruned to the target now.
    """
    width = max(len(w.name) for w in weights)
    lines = [f'{"tensor":<{width}}  {"group":<13} {"weights":>11}  {"frozen":<6} {"pruned":<6} '
             f'{"median |w0|":>11} {"kept if ranked now":>18}']
    chosen = set(in_scope)
    for w in weights:
        magnitude = f'{magnitudes[w.name]:.2e}' if magnitudes else '-'
        preview = f'{100 * previews[w.name]:.1f}%' if previews and w.name in previews else '-'
        lines.append(f'{w.name:<{width}}  {w.group:<13} {w.size:>11,}  {_yes(w.frozen):<6} '
                     f'{_yes(w.name in chosen):<6} {magnitude:>11} {preview:>18}')
    return '\n'.join(lines)


def _yes(value: bool) -> str:
    return 'yes' if value else 'no'


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def weights_of(state: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Pick the tensors of the scope out of a model's state, in the order of ``names``.

    Raises:
        KeyError: A name is missing; names it.
    """
    missing = [name for name in names if name not in state]
    if missing:
        raise KeyError(f'the state lacks {missing[:5]} ({len(missing)} tensors of the scope)')
    return {name: state[name] for name in names}
