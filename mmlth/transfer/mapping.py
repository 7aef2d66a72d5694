"""What of a ticket another model takes: tensors of the same name and shape, and nothing by accident."""
import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from mmlth.core.masks import Masks, Weights, check_fits, count_kept
from mmlth.core.scope import check_scope, group_of
from mmlth.transfer.report import CoverageReport, TensorRow, measure_groups

LEFT_OUT = ('predictors', )  # their outputs are the classes and boxes of the source's own task


@dataclass(frozen=True, kw_only=True)
class Target:
    """The model that takes a ticket.

    Attributes:
        shapes: name -> shape of its whole state, parameters and buffers, in order.
        scope: Names of the tensors that its ticket has masks for.
        parameters: Number of its parameters.
    """

    shapes: Mapping[str, tuple[int, ...]]
    scope: tuple[str, ...]
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which tensors may be carried, and under which names.

    Attributes:
        values: Whether the source's values are carried too, or its masks alone.
        prefixes: Starts of the target's names that may be carried; empty allows all.
        groups: Groups of :data:`mmlth.core.scope.GROUPS` that may be carried; empty allows all.
        leave_out: Groups that may not.
        rename: (regular expression, replacement) pairs, applied in order to the source's names.

    Raises:
        ValueError: An unknown group, or what is no regular expression.
    """

    values: bool = True
    prefixes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = LEFT_OUT
    rename: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_scope(self.groups)
        check_scope(self.leave_out)
        for pattern, new in self.rename:
            try:
                re.sub(pattern, new, '')
            except (re.error, IndexError) as error:
                raise ValueError(f'rename {pattern!r}={new!r} is no regular expression with its '
                                 f'replacement: {error}') from error

    def forbids(self, name: str) -> str:
        """Return why the tensor may not be carried, or ''."""
        group = owner_group(name)
        if group in self.leave_out:
            return f'group {group} is left out'
        if self.groups and group not in self.groups:
            return f'group {group} was not chosen'
        if self.prefixes and not name.startswith(self.prefixes):
            return f'not below {" or ".join(self.prefixes)}'
        return ''


def owner_group(name: str) -> str:
    """Return the group of the module that a tensor of any kind belongs to.

    A predictor's bias and the running mean of a shortcut's normalisation go with their weight.

    >>> owner_group('roi_head.bbox_head.fc_cls.bias'), owner_group('backbone.bn1.running_mean')
    ('predictors', 'backbone')
    """
    found = group_of(name)
    return found if name.endswith('weight') else group_of(f'{name.rpartition(".")[0]}.weight')


def transfer(masks: Mapping[str, Tensor], weights: Mapping[str, Tensor], target: Target,
             choice: Choice = Choice(), *, judge: Mapping[str, Tensor] | None = None,
             source: Mapping[str, Any] | None = None) -> tuple[Masks, Weights, CoverageReport]:
    """Give a model the masks, and if chosen the values, that it shares with a ticket.

    A tensor is shared if it has the same name and shape in both and the choice allows it. The
    source's own task head is absent from the target and so stays behind; the report names it.

    Source: Girish et al., CVPR 2021, their transfer of tickets between tasks.

    Args:
        masks: Of the ticket: name -> bool tensor, True = kept.
        weights: Its state, parameters and buffers; may be empty if no values are carried.
        target: The model that takes them.
        choice: What may be carried.
        judge: Weights that the report compares the masks with; None takes ``weights``. Trained ones don't
            do: their pruned weights are zero whatever chose them.
        source: Facts on the source as JSON would hold them, for the report.

    Returns:
        Masks over the target's scope, True where the source says nothing; the values that replace
        those of the target; the report.

    Raises:
        ValueError: Nothing matches, two tensors get one name, a prefix is that of no tensor, or the
            masks don't fit the weights.

    >>> target = Target(shapes={'backbone.a.weight': (2, 1), 'neck.b.weight': (1, 2)},
    ...                 scope=('backbone.a.weight', 'neck.b.weight'), parameters=5)
    >>> new, _, report = transfer({'backbone.a.weight': torch.tensor([[True], [False]])}, {}, target)
    >>> {name: mask.flatten().tolist() for name, mask in new.items()}, report.coverage
    ({'backbone.a.weight': [True, False], 'neck.b.weight': [True, True]}, 0.5)
    """
    if weights:
        check_fits(masks, weights, 'the weights of the source')
    origin = renamed([*masks, *(name for name in weights if name not in masks)], choice.rename)
    _check_prefixes(choice.prefixes, target.shapes)
    rows = [_row(name, origin.get(name), masks, weights, target, choice) for name in target.shapes]
    rows += [_surplus(name, old, masks, weights) for name, old in origin.items() if name not in target.shapes]
    carried = {row.name: origin[row.name] for row in rows if row.mask}
    if not carried:
        raise ValueError(_nothing(rows))
    new_masks = {name: masks[carried[name]].clone() if name in carried else
                 torch.ones(target.shapes[name], dtype=torch.bool) for name in target.scope}
    values = {row.name: weights[row.source].clone() for row in rows if row.values}
    report = CoverageReport(
        tensors=tuple(rows), parameters=target.parameters, source=dict(source or {}),
        groups=measure_groups(rows, {n: masks[old] for n, old in carried.items()},
                              *({n: w[old] for n, old in carried.items() if old in w}
                                for w in (weights, weights if judge is None else judge))),
        pruned=sum(m.numel() - count_kept(m) for m in new_masks.values()),
        **_norms({name: weights[old] for name, old in origin.items() if old in weights}, rows))
    return new_masks, values, report


def renamed(names: Sequence[str], rename: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return new name -> old name, after (regular expression, replacement) pairs in order.

    Raises:
        ValueError: Two tensors would get one name.

    >>> renamed(['encoder.conv1.weight'], [('^encoder', 'backbone')])
    {'backbone.conv1.weight': 'encoder.conv1.weight'}
    """
    origin: dict[str, str] = {}
    for name in names:
        new = name
        for pattern, replacement in rename:
            new = re.sub(pattern, replacement, new)
        if new in origin:
            raise ValueError(f'rename gives {origin[new]!r} and {name!r} one name, {new!r}; make its '
                             'patterns more exact')
        origin[new] = name
    return origin


def _check_prefixes(prefixes: Sequence[str], names: Mapping[str, Any]) -> None:
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            tops = sorted({name.split('.')[0] + '.' for name in names})
            raise ValueError(f'prefix {prefix!r} starts no tensor of the target, whose first parts are '
                             f'{tops}')


def _row(name: str, old: str | None, masks: Mapping[str, Tensor], weights: Mapping[str, Tensor],
         target: Target, choice: Choice) -> TensorRow:
    """Compare one tensor of the target with its namesake in the source."""
    in_scope, found = name in target.scope, _shape(old, masks, weights)
    size = torch.Size(target.shapes[name]).numel()
    status, note = 'matched', ''
    if found is None:
        status = 'missing'
    elif reason := choice.forbids(name):
        status, note = 'left out', reason
    elif found != tuple(target.shapes[name]):
        status, note = 'mis-shaped', f'{found} in the source, {tuple(target.shapes[name])} in the target'
    matched, masked = status == 'matched', old in masks
    if matched and masked and not in_scope:
        note = "its mask stays behind: outside the target's scope"
    return TensorRow(
        name=name, source=old, group=owner_group(name), size=size, status=status, note=note,
        in_scope=in_scope, mask=matched and masked and in_scope,
        values=matched and choice.values and old in weights,
        source_density=count_kept(masks[old]) / masks[old].numel() if masked else None)


def _surplus(name: str, old: str, masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> TensorRow:
    return TensorRow(
        name=name, source=old, group=owner_group(name), size=torch.Size(_shape(old, masks, weights)).numel(),
        status='surplus', in_scope=False, mask=False, values=False, note='the target has no such tensor',
        source_density=count_kept(masks[old]) / masks[old].numel() if old in masks else None)


def _shape(old: str | None, masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> tuple | None:
    """Return the shape of a tensor of the source, None if it has none of that name."""
    found = masks.get(old, weights.get(old))
    return None if found is None else tuple(found.shape)


def _norms(weights: Mapping[str, Tensor], rows: Sequence[TensorRow]) -> dict[str, int]:
    """Count normalisation layers among the matched, and those that no training has touched."""
    matched = {row.name for row in rows if row.status == 'matched'}
    means = [name for name in weights if name.endswith('running_mean') and name in matched]
    fresh = [name for name in means if not weights[name].any()
             and bool((weights.get(name[:-4] + 'var', torch.ones(1)) == 1).all())]
    return dict(norms=len(means), untouched_norms=len(fresh))


def _nothing(rows: Sequence[TensorRow]) -> str:
    """Say why no mask was carried."""
    def names(wanted: Any) -> str:
        return ', '.join([row.name for row in rows if wanted(row)][:3]) or 'none'

    return ('nothing matches, so there is nothing to transfer. Masked in the source: '
            f'{names(lambda r: r.source_density is not None)}; in the scope of the target: '
            f'{names(lambda r: r.in_scope)}; mis-shaped: '
            f'{names(lambda r: r.status == "mis-shaped")}; left out: '
            f'{names(lambda r: r.status == "left out")}. Choose a target with the same backbone (depth, '
            'base_channels), another scope, or rename tensors')
