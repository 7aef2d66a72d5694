"""What of a source another model takes: tensors of the same name and shape, nothing by accident."""
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mmlth.core.masks import Masks, Weights, check_fits, count_kept
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import Choice, renamed
from mmlth.transfer.measures import measure_groups
from mmlth.transfer.report import CoverageReport, TensorRow


def transfer(
    source: Source, target: Target, choice: Choice | None = None,
) -> tuple[Masks, Weights, CoverageReport]:
    """Give a model the masks, and if chosen the values, that it shares with a ticket.

    A tensor is shared if it has the same name and shape in both and the choice allows it. Of a
    tensor with several names (tied weights) any one is enough, in the source as in the target. The
    source's own task head is absent from the target and so stays behind; the report names it.

    Source: Girish et al., CVPR 2021, their transfer of tickets between tasks.

    Args:
        source: What is carried.
        target: The model that takes it.
        choice: What may be carried; None allows all but predictors.

    Returns:
        Masks over the target's scope, True where the source says nothing; the values that replace
        those of the target, under all its names; the report.

    Raises:
        ValueError: Nothing matches, two tensors get one name, a prefix is that of no tensor, or the
            masks don't fit the weights.

    >>> target = Target(
    ...     shapes={'conv.weight': (2, 1), 'tied.weight': (2, 1), 'fc.weight': (1, 2)},
    ...     scope=('conv.weight', 'fc.weight'), parameters=5, shared={'tied.weight': 'conv.weight'},
    ...     groups={'conv.weight': 'backbone', 'fc.weight': 'neck'})
    >>> source = Source(masks={'tied.weight': torch.tensor([[True], [False]])})
    >>> masks, _, report = transfer(source, target)
    >>> {name: mask.flatten().tolist() for name, mask in masks.items()}, report.coverage
    ({'conv.weight': [True, False], 'fc.weight': [True, True]}, 0.5)
    """
    choice = choice or Choice()
    if source.weights:
        check_fits(source.all_masks, source.weights, 'the weights of the source')
    choice.check_prefixes(target.shapes)
    rows = match(source, target, choice)
    carried = _masks_carried(rows, source)
    if not carried:
        raise ValueError(_nothing(rows))
    masks = {name: carried[name].clone() if name in carried else _dense(target.shapes[name])
             for name in target.scope}
    return masks, _values_carried(rows, source, target), _report(rows, masks, source, target)


def match(source: Source, target: Target, choice: Choice) -> list[TensorRow]:
    """Compare every tensor of the target, then those of the source alone, each listed once."""
    origin = renamed(source.names, choice.rename)
    rows = {name: _row(name, _find(names, origin, source), source, target, choice)
            for name, names in target.names.items()}
    found = _origin(rows.values())
    taken = {source.owner(old) for old in found.values()}
    left = []
    for new, old in origin.items():
        if old in source.shared or old in taken:
            continue
        owner = target.shared.get(new, new)
        if owner not in rows:
            left.append(_surplus(new, old, source, 'the target has no such tensor'))
        elif not _repeats(old, found[owner], source):
            note = f'{found[owner]} was taken for {owner}'
            left.append(_surplus(new, old, source, note))
    return [*rows.values(), *left]


def _find(names: Sequence[str], origin: Mapping[str, str], source: Source) -> str | None:
    """Return what the source calls a tensor of these names; one with a mask comes first."""
    found = [origin[name] for name in names if name in origin]
    masked = [old for old in found if old in source.all_masks]
    return next(iter(masked + found), None)


def _row(
    name: str, old: str | None, source: Source, target: Target, choice: Choice,
) -> TensorRow:
    """Compare one tensor of the target with its namesake in the source."""
    wanted = tuple(target.shapes[name])
    group = target.groups[name]
    reason = choice.forbids(target.names[name], group)
    status, note = 'matched', ''
    if old is None:
        status = 'missing'
    elif reason:
        status, note = 'left out', reason
    elif source.shape(old) != wanted:
        status, note = 'mis-shaped', f'{source.shape(old)} in the source, {wanted} in the target'
    matched = status == 'matched'
    masked = matched and old in source.all_masks
    in_scope = name in target.scope
    if masked and not in_scope:
        note = "its mask stays behind: outside the target's scope"
    return TensorRow(
        name=name, source=old, group=group, size=torch.Size(wanted).numel(), status=status,
        note=note, in_scope=in_scope, mask=masked and in_scope,
        values=matched and choice.values and old in source.weights,
        source_density=_density(old, source))


def _surplus(new: str, old: str, source: Source, note: str) -> TensorRow:
    """Describe a tensor that stays behind."""
    return TensorRow(
        name=new, source=old, group=source.group(old), size=torch.Size(source.shape(old)).numel(),
        status='surplus', note=note, in_scope=False, mask=False, values=False,
        source_density=_density(old, source))


def _density(name: str | None, source: Source) -> float | None:
    """Return the kept share of a tensor of the source, None where it has no mask."""
    mask = source.all_masks.get(name) if name is not None else None
    return None if mask is None else count_kept(mask) / mask.numel()


def _repeats(name: str, taken: str, source: Source) -> bool:
    """Tell whether a tensor holds only what the one taken holds too, as a tied bias does."""
    for tensors in (source.all_masks, source.weights):
        if name not in tensors:
            continue
        if taken not in tensors or not torch.equal(tensors[name], tensors[taken]):
            return False
    return True


def _origin(rows: Iterable[TensorRow]) -> dict[str, str]:
    """Return name in the target -> name in the source of these tensors, as far as they have one."""
    return {row.name: row.source for row in rows if row.source is not None}


def _masks_carried(rows: Sequence[TensorRow], source: Source) -> Masks:
    carried = _origin(row for row in rows if row.mask)
    return {name: source.all_masks[old] for name, old in carried.items()}


def _values_carried(rows: Sequence[TensorRow], source: Source, target: Target) -> Weights:
    """Return copies of the values, which a tensor has under all its names."""
    carried = _origin(row for row in rows if row.values)
    return {name: source.weights[old].clone() for first, old in carried.items()
            for name in target.names[first]}


def _dense(shape: Sequence[int]) -> Tensor:
    return torch.ones(tuple(shape), dtype=torch.bool)


def _report(
    rows: Sequence[TensorRow], masks: Masks, source: Source, target: Target,
) -> CoverageReport:
    judge = source.weights if source.judge is None else source.judge
    groups = measure_groups(
        rows, _masks_carried(rows, source),
        _by_new_names(rows, source.weights), _by_new_names(rows, judge))
    norms = _norms(rows, source.weights)
    return CoverageReport(
        tensors=tuple(rows), groups=groups, parameters=target.parameters,
        pruned=sum(mask.numel() - count_kept(mask) for mask in masks.values()),
        norms=len(norms), untouched_norms=norms.count(False), source=source.facts)


def _by_new_names(rows: Sequence[TensorRow], weights: Mapping[str, Tensor]) -> Weights:
    """Return the source's values of the tensors that take a mask."""
    carried = _origin(row for row in rows if row.mask)
    return {name: weights[old] for name, old in carried.items() if old in weights}


def _norms(rows: Sequence[TensorRow], weights: Mapping[str, Tensor]) -> list[bool]:
    """Tell of every normalisation layer among the matched whether a training has touched it."""
    matched = _origin(row for row in rows if row.status == 'matched')
    found = {name: weights[old] for name, old in matched.items() if old in weights}
    touched = []
    for name, mean in found.items():
        if name.endswith('running_mean'):
            variance = found.get(name.removesuffix('mean') + 'var', torch.ones(1))
            touched.append(bool(mean.any()) or not bool((variance == 1).all()))
    return touched


def _nothing(rows: Sequence[TensorRow]) -> str:
    """Say why no mask was carried."""
    def names(is_wanted: Callable[[TensorRow], bool]) -> str:
        found = [row.name for row in rows if is_wanted(row)]
        return ', '.join(found[:3]) or 'none'

    masked = names(lambda row: row.source_density is not None)
    in_scope = names(lambda row: row.in_scope)
    mis_shaped = names(lambda row: row.status == 'mis-shaped')
    left_out = names(lambda row: row.status == 'left out')
    return (f'nothing matches, so there is nothing to transfer. Masked in the source: {masked}; in '
            f'the scope of the target: {in_scope}; mis-shaped: {mis_shaped}; left out: {left_out}. '
            'Choose a target with the same backbone (depth, base_channels), another scope, or '
            'rename tensors')
