"""Which weights of a model may be pruned: a list, the choice of a scope, a table."""
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from mmlth.core.choices import FROZEN_POLICIES
from mmlth.core.module_tree import own_weights
from mmlth.core.roles import GROUPS, groups_of
from mmlth.core.storage import aliases_of, shared_names
from mmlth.core.tables import format_table

# The paper's released code prunes all weights but those of predictors and shortcut convs
# (Girish et al., CVPR 2021; 80% of this scope is 78.4% of a Mask R-CNN R18-FPN). Its models sample
# nowhere; where others do, these layers are small predictors, most of which start at zero.
_SPARED = ('predictors', 'shortcuts', 'sampling')
SCOPES: dict[str, tuple[str, ...]] = dict(
    paper=tuple(g for g in GROUPS if g not in _SPARED),
    all=GROUPS,
    backbone=('backbone', ))
# These re-standardise their weight in every forward pass, which moves zeros away from zero.
_STANDARDISED = ('ConvWS2d', 'ConvAWS2d', 'SAConv2d')
_TO_THE_LEFT = ('tensor', 'group', 'frozen', 'pruned')
_COLUMNS = ('tensor', 'group', 'weights', 'frozen', 'pruned', 'median |w0|', 'kept if ranked now')


@dataclass(frozen=True, kw_only=True)
class WeightInfo:
    """One weight tensor of a model.

    Attributes:
        name: The first of its names in ``named_parameters``.
        group: One of :data:`mmlth.core.roles.GROUPS`.
        shape: Of the tensor.
        frozen: Whether training leaves it as it is.
        aliases: Its other names in the model's ``state_dict``.
    """

    name: str
    group: str
    shape: tuple[int, ...]
    frozen: bool
    aliases: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of weights."""
        size = 1
        for length in self.shape:
            size *= length
        return size


def list_weights(model: nn.Module) -> list[WeightInfo]:
    """List every weight tensor that could be pruned, in the order of ``named_parameters``.

    That is each parameter called ``weight``, ``*_weight`` or ``weight_diff`` with two dimensions or
    more: convolutions of any kind, linear layers, attention projections. Embeddings, biases and
    normalisation are never listed. A tensor of several names is listed once, by its first; the
    copies of a teacher that follows its student are not listed.

    >>> [w.name for w in list_weights(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))]
    ['0.weight']
    """
    groups, shared = groups_of(model), shared_names(model)
    weights = _own_weight_names(model)
    found = []
    for name, aliases in aliases_of(model).items():
        # Tied to an embedding, a weight is one.
        if name in shared or not weights.issuperset((name, *aliases)):
            continue
        parameter = model.get_parameter(name)
        found.append(WeightInfo(name=name, group=groups[name], shape=tuple(parameter.shape),
                                frozen=not parameter.requires_grad, aliases=aliases))
    return found


def _own_weight_names(model: nn.Module) -> set[str]:
    """Return the names, every alias included, of the weights of all modules."""
    return {f'{path}.{name}' if path else name
            for path, module in model.named_modules(remove_duplicate=False)
            for name in own_weights(module)}


def standardised_weights(model: nn.Module) -> list[str]:
    """List weights whose effective value isn't the stored one, so that zeros don't stay zero."""
    return [f'{name}.weight' for name, module in model.named_modules()
            if type(module).__name__ in _STANDARDISED]


def transposed_weights(model: nn.Module) -> list[str]:
    """List weights of transposed convolutions, whose dimension 1 is their outputs."""
    return [f'{name}.weight' for name, module in model.named_modules()
            if isinstance(module, nn.modules.conv._ConvTransposeNd)]


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
    wanted = []
    for w in weights:
        inside = w.group in groups or _matches(include, w.name)
        outside = _matches(exclude, w.name) or (frozen == 'keep' and w.frozen)
        if inside and not outside:
            wanted.append(w.name)
    if not wanted:
        found = sorted({w.group for w in weights})
        raise ValueError(f'scope={scope!r} holds no prunable tensor of this model, whose groups '
                         f'are {found}. Choose another scope, or name tensors with include')
    return tuple(wanted)


def _check_patterns(weights: Sequence[WeightInfo], **settings: Sequence[str]) -> None:
    """Raise ValueError for a pattern that is no regular expression or matches no weight."""
    for setting, patterns in settings.items():
        for pattern in patterns:
            try:
                found = any(re.search(pattern, w.name) for w in weights)
            except re.error as error:
                message = f'{setting}={pattern!r} is no regular expression: {error}'
                raise ValueError(message) from error
            if not found:
                raise ValueError(f'{setting}={pattern!r} matches no weight of the model')


def check_scope(scope: str | Sequence[str]) -> tuple[str, ...]:
    """Return the groups of a scope; raise ValueError for an unknown scope or group."""
    if isinstance(scope, str) and scope in SCOPES:
        return SCOPES[scope]
    groups = (scope, ) if isinstance(scope, str) else tuple(scope)
    unknown = [g for g in groups if g not in GROUPS]
    if unknown:
        scopes, all_groups = ', '.join(SCOPES), ', '.join(GROUPS)
        raise ValueError(f'scope={scope!r}: allowed are {scopes}, or a list of the groups '
                         f'{all_groups}')
    return groups


def network_sparsity(pruned: int, parameters: int) -> float:
    """Return pruned weights / all parameters of the model, the paper's second denominator."""
    return pruned / parameters


def count_parameters(model: nn.Module) -> int:
    """Count all parameters, frozen ones too, every tensor once, without buffers and followers."""
    shared = shared_names(model)
    first = [name for name in aliases_of(model) if name not in shared]
    return sum(model.get_parameter(name).numel() for name in first)


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
    chosen = set(in_scope)
    rows = []
    for w in weights:
        magnitude = f'{magnitudes[w.name]:.2e}' if magnitudes else '-'
        preview = f'{previews[w.name]:.1%}' if previews and w.name in previews else '-'
        frozen, pruned = _yes(w.frozen), _yes(w.name in chosen)
        rows.append([w.name, w.group, f'{w.size:,}', frozen, pruned, magnitude, preview])
    return format_table(_COLUMNS, rows, left=_TO_THE_LEFT)


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
