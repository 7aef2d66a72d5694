"""The coverage report: what a transfer carried, what it left behind, and what the source is worth."""
import dataclasses
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from mmlth.core.masks import count_kept, kept, size
from mmlth.core.scope import network_sparsity

STATUSES = ('matched', 'missing', 'mis-shaped', 'left out', 'surplus')
VERSION = 1
_SAMPLE = 1 << 16  # positions of a tensor that are ranked, evenly spread: errors near 0.002
_CHANCE = 0.55  # 'follows' of a mask that knows nothing of the values is 0.5 up to chance


@dataclass(frozen=True, kw_only=True)
class TensorRow:
    """One tensor of the target, or of the source alone.

    Attributes:
        name: In the target.
        source: Its name in the source, None where it has none.
        group: Of the module it belongs to.
        size: Number of elements (the target's, if it has the tensor).
        status: One of :data:`STATUSES`: 'missing' is in the target alone, 'surplus' in the source alone.
        note: Why it was left out, or both shapes.
        in_scope: Whether the target's ticket has a mask for it.
        mask, values: Whether it takes the source's mask, and its values.
        source_density: Kept share in the source, None where it has no mask there.
    """

    name: str
    source: str | None
    group: str
    size: int
    status: str
    note: str
    in_scope: bool
    mask: bool
    values: bool
    source_density: float | None


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group of the target's scope.

    Attributes:
        group: Its name.
        scope_size: Weights in the scope.
        covered: Of these, weights that take a mask.
        kept: Of these, weights that are kept.
        least_dense, most_dense: Density of the extreme tensors; None where nothing is covered.
        median_kept, median_pruned: Median |w| of the source's kept and pruned values; None where
            there are none.
        follows: Chance that a kept weight of w_k is larger than a pruned one of the same tensor, mean
            over tensors by size: 0.5 if the mask knows nothing of these values, 1 if it is their
            ranking. None where nothing is pruned or w_k isn't known.
    """

    group: str
    scope_size: int
    covered: int
    kept: int
    least_dense: float | None = None
    most_dense: float | None = None
    median_kept: float | None = None
    median_pruned: float | None = None
    follows: float | None = None


@dataclass(frozen=True, kw_only=True)
class CoverageReport:
    """All that a transfer did.

    Attributes:
        tensors: Every tensor of the target's state, then those of the source alone.
        groups: Groups of the target's scope, in order.
        parameters: Of the target.
        pruned: Weights that the new masks prune.
        norms: Batch normalisation layers among the matched ones with values in the source.
        untouched_norms: Of these, layers with mean 0 and variance 1, as no training leaves them.
        source: Facts on the source.
    """

    tensors: tuple[TensorRow, ...]
    groups: tuple[GroupRow, ...]
    parameters: int
    pruned: int
    norms: int
    untouched_norms: int
    source: dict[str, Any]

    @property
    def scope_size(self) -> int:
        """Weights in the target's scope."""
        return sum(g.scope_size for g in self.groups)

    @property
    def covered(self) -> int:
        """Weights of the scope that take a mask."""
        return sum(g.covered for g in self.groups)

    @property
    def coverage(self) -> float:
        """Share of the scope that takes a mask, in (0, 1]."""
        return self.covered / self.scope_size

    @property
    def sparsity(self) -> float:
        """Pruned share of the target's scope."""
        return self.pruned / self.scope_size

    @property
    def network_sparsity(self) -> float:
        """Pruned weights / all parameters of the target."""
        return network_sparsity(self.pruned, self.parameters)

    @property
    def follows(self) -> float | None:
        """``follows`` of all groups, weighted by what they cover; None if no group has it."""
        known = [g for g in self.groups if g.follows is not None]
        return sum(g.follows * g.covered for g in known) / sum(g.covered for g in known) if known else None

    def of_status(self, status: str) -> list[TensorRow]:
        """List the tensors of a status."""
        return [row for row in self.tensors if row.status == status]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        totals = {name: getattr(self, name) for name in (
            'scope_size', 'covered', 'coverage', 'sparsity', 'network_sparsity', 'follows')}
        return dict(version=VERSION, **totals, signs=signs(self), **dataclasses.asdict(self))


def measure_groups(rows: Sequence[TensorRow], masks: Mapping[str, Tensor],
                   weights: Mapping[str, Tensor], judge: Mapping[str, Tensor]) -> tuple[GroupRow, ...]:
    """Measure the groups of the scope.

    Args:
        rows: Of the target.
        masks: Those that are carried, by the target's names.
        weights: The source's values of the same tensors; may be empty.
        judge: Weights that the masks are compared with; may be empty.
    """
    found = []
    for group in dict.fromkeys(row.group for row in rows if row.in_scope):
        inside = [row for row in rows if row.in_scope and row.group == group]
        own = {row.name: masks[row.name] for row in inside if row.name in masks}
        densities = [count_kept(m) / m.numel() for m in own.values()]
        found.append(GroupRow(
            group=group, scope_size=sum(row.size for row in inside), covered=size(own), kept=kept(own),
            least_dense=min(densities, default=None), most_dense=max(densities, default=None),
            follows=_mean_follows(own, judge), **_magnitudes(own, weights)))
    return tuple(found)


def _magnitudes(masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, float | None]:
    shared = [(mask, weights[name].float().abs()) for name, mask in masks.items() if name in weights]
    return dict(median_kept=_median([w[m] for m, w in shared]),
                median_pruned=_median([w[~m] for m, w in shared]))


def _mean_follows(masks: Mapping[str, Tensor], judge: Mapping[str, Tensor]) -> float | None:
    found = [(mask_follows(mask, judge[name]), mask.numel()) for name, mask in masks.items() if name in judge]
    known = [(value, count) for value, count in found if value is not None]
    return sum(value * count for value, count in known) / sum(count for _, count in known) if known else None


def _median(values: Sequence[Tensor]) -> float | None:
    values = [v for v in values if v.numel()]
    return float(torch.cat(values).median()) if values else None


def mask_follows(mask: Tensor, weight: Tensor) -> float | None:
    """Return the chance that a kept weight's |w| exceeds a pruned one's, in [0, 1].

    This is the area under the ROC curve (Mann-Whitney U), of at most 65,536 positions.

    Returns:
        None where all or no weights are kept, or where the pruned ones are zero, which says nothing.

    >>> mask_follows(torch.tensor([True, False, True]), torch.tensor([3., -2., 1.]))  # 3 > 2, 1 < 2
    0.5
    """
    stride = max(1, mask.numel() // _SAMPLE)
    kept_ones = mask.flatten()[::stride]
    values = weight.detach().float().abs().flatten()[::stride]
    above, below = values[kept_ones], values[~kept_ones]
    if not above.numel() or not below.any():
        return None
    below = below.sort().values
    less = torch.searchsorted(below, above).double()
    up_to = torch.searchsorted(below, above, right=True).double()
    return float(((less + up_to) / 2).mean() / below.numel())  # ties count half


def signs(report: CoverageReport) -> list[str]:
    """Say in words by what a random-weight, random-mask or mismatched ticket is known."""
    found = []
    if report.norms and report.untouched_norms == report.norms:
        found.append(f"the source's values are untrained: all its {report.norms} normalisation layers hold "
                     'mean 0 and variance 1')
    elif report.norms:
        found.append("the source's values come from a training: "
                     f'{report.norms - report.untouched_norms} of '
                     f'{report.norms} normalisation layers hold statistics')
    if report.follows is not None:
        how = 'does not follow' if report.follows < _CHANCE else 'follows'
        found.append(f"the mask {how} the source's |w|: a kept weight is larger than a pruned one with "
                     f'chance {report.follows:.2f} (0.50: a random mask, or other weights than it was made '
                     'from)')
    empty = [g.group for g in report.groups if not g.covered]
    if empty:
        found.append(f'groups of the target that take nothing: {", ".join(empty)}')
    mine = {row.group for row in report.tensors if row.status != 'surplus'}
    foreign = sorted({row.group for row in report.of_status('surplus')} - mine)
    if foreign:
        found.append(f"the source's own groups, left behind: {', '.join(foreign)}")
    return found
