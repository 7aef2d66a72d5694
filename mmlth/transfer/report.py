"""The coverage report: what a transfer carried and left behind, and what the source is worth."""
import dataclasses
from dataclasses import dataclass
from typing import Any

from mmlth.core.scope import network_sparsity
from mmlth.transfer.ends import UNKNOWN

STATUSES = ('matched', 'missing', 'mis-shaped', 'left out', 'surplus')
VERSION = 1
_CHANCE = 0.55  # 'follows' of a mask that knows nothing of the values is 0.5 up to chance
_TOTALS = ('scope_size', 'covered', 'coverage', 'sparsity', 'network_sparsity', 'follows')


@dataclass(frozen=True, kw_only=True)
class TensorRow:
    """One tensor of the target, or of the source alone.

    Attributes:
        name: In the target: the first of its names there.
        source: Its name in the source, None where it has none.
        group: Of the module it belongs to; of one of the source alone, what the source's ticket
            says, or 'unknown'.
        size: Number of elements (the target's, if it has the tensor).
        status: One of :data:`STATUSES`: 'missing' is in the target alone, 'surplus' in the source
            alone.
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
        follows: Chance that a kept weight of w_k is larger than a pruned one of the same tensor,
            mean over tensors by size: 0.5 if the mask knows nothing of these values, 1 if it is
            their ranking. None where nothing is pruned or w_k isn't known.
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
        tensors: Every tensor of the target's state, tied ones once, then those of the source alone.
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
        known = [(g.follows, g.covered) for g in self.groups if g.follows is not None]
        covered = sum(weights for _, weights in known)
        return sum(follows * weights for follows, weights in known) / covered if known else None

    def of_status(self, status: str) -> list[TensorRow]:
        """List the tensors of a status."""
        return [row for row in self.tensors if row.status == status]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        totals = {name: getattr(self, name) for name in _TOTALS}
        return dict(version=VERSION, **totals, signs=signs(self), **dataclasses.asdict(self))


def signs(report: CoverageReport) -> list[str]:
    """Say in words by what a random-weight, random-mask or mismatched ticket is known."""
    found = [_training_of(report), _order_of(report), _groups_without(report), _foreign(report)]
    return [sign for sign in found if sign]


def _training_of(report: CoverageReport) -> str:
    """Say whether the values come from a training."""
    if not report.norms:
        return ''
    touched = report.norms - report.untouched_norms
    if not touched:
        return (f"the source's values are untrained: all its {report.norms} normalisation layers "
                'hold mean 0 and variance 1')
    return (f"the source's values come from a training: {touched} of {report.norms} normalisation "
            'layers hold statistics')


def _order_of(report: CoverageReport) -> str:
    """Say whether the mask knows the values."""
    if report.follows is None:
        return ''
    how = 'does not follow' if report.follows < _CHANCE else 'follows'
    return (f"the mask {how} the source's |w|: a kept weight is larger than a pruned one with "
            f'chance {report.follows:.2f} (0.50: a random mask, or other weights than it was made '
            'from)')


def _groups_without(report: CoverageReport) -> str:
    empty = [each.group for each in report.groups if not each.covered]
    return f'groups of the target that take nothing: {", ".join(empty)}' if empty else ''


def _foreign(report: CoverageReport) -> str:
    """Name the groups that the source alone has, as far as it tells its groups."""
    mine = {row.group for row in report.tensors if row.status != 'surplus'}
    theirs = {row.group for row in report.of_status('surplus')}
    foreign = sorted(theirs - mine - {UNKNOWN})
    return f"the source's own groups, left behind: {', '.join(foreign)}" if foreign else ''
