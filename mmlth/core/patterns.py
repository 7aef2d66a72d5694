"""N:M sparsity: of every M weights in a row along the input dimension exactly N are kept.

The input dimension is dimension 1, as in the weights of linear layers (O, I) and of convolutions
(O, I, kh, kw); each output and each kernel position has its own groups. Stored channels-last,
(O, kh, kw, I), the groups of a convolution lie next to each other, as sparse tensor cores read
the matrix (O, kh * kw * I).

Dimension 1 of a transposed convolution (I, O, kh, kw) is its outputs, which a tensor's name and
shape don't tell. It is grouped along them all the same: its counts are right, but its groups are
of no use to such hardware. Leave it out with ``exclude`` where that matters.

Source: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021; NVIDIA's
apex.contrib.sparsity groups the same dimension.
"""
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, count_kept, floor_count

MOST = 16  # largest M


@dataclass(frozen=True)
class Pattern:
    """N:M, with 0 < N < M <= 16.

    Attributes:
        kept: N, weights that every group keeps in the end.
        group: M, weights in a group.

    Raises:
        ValueError: Other numbers.

    >>> str(Pattern(kept=2, group=4))
    '2:4'
    """

    kept: int
    group: int

    def __post_init__(self) -> None:
        if not 0 < self.kept < self.group <= MOST:
            raise ValueError(f'{self._told()}: a pattern N:M needs 0 < N < M <= {MOST}, '
                             'as in "2:4"')

    @classmethod
    def parse(cls, allocation: object) -> 'Pattern | None':
        """Read an allocation; return None if it isn't written 'N:M'.

        Raises:
            ValueError: Not 0 < N < M <= 16.

        >>> Pattern.parse('2:4'), Pattern.parse('global')
        (Pattern(kept=2, group=4), None)
        """
        if not isinstance(allocation, str):
            return None
        found = re.fullmatch('([0-9]+):([0-9]+)', allocation)
        if found is None:
            return None
        kept, group = map(int, found.groups())
        return cls(kept, group)

    def __str__(self) -> str:
        return f'{self.kept}:{self.group}'

    def count_at(self, density: float) -> int | None:
        """Return how many weights each group keeps, or None if that isn't one of N, ..., M.

        >>> Pattern(2, 4).count_at(0.75), Pattern(2, 4).count_at(0.7)
        (3, None)
        """
        exact = density * self.group
        count = round(exact)
        possible = self.kept <= count <= self.group
        return count if possible and abs(exact - count) < 1e-9 else None

    def check_densities(self, densities: Sequence[float]) -> None:
        """Raise ValueError unless groups can keep each of these, and N of M at the last.

        Args:
            densities: Of every round from 1.0 down.
        """
        for number, density in enumerate(densities):
            if self.count_at(density) is None:
                fault = self.cannot_keep(density, f'round {number}')
                raise ValueError(f'{fault}. Set {self._plan()}')
        last = densities[-1]
        if self.count_at(last) != self.kept:
            raise ValueError(f'{self._told()}: the last round keeps {last:.6g} of the weights, but '
                             f'the pattern keeps {self.kept}/{self.group}. Set {self._plan()}')

    def check_shapes(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Raise ValueError unless dimension 1 of every shape is a multiple of M; names the rest."""
        narrow = {name: tuple(shape)
                  for name, shape in shapes.items()
                  if len(shape) < 2 or shape[1] % self.group}
        if not narrow:
            return
        told = ', '.join(f'{name} {shape}' for name, shape in narrow.items())
        exclude = [f'^{name}$' for name in narrow]
        raise ValueError(f'{self._told()} groups {self.group} weights along the input dimension '
                         f'(dimension 1), which is no multiple of {self.group} in: {told}. '
                         f'Leave them out: exclude={exclude}')

    def check_floor(self, name: str, count: int, floor: int) -> None:
        """Raise ValueError if a tensor of that name keeps fewer than ``floor`` weights."""
        if count < floor:
            exclude = [f'^{name}$']
            raise ValueError(f'{self._told()} keeps {count} weights of {name!r}, fewer than the '
                             f'{floor} that min_kept asks for: lower min_kept or set '
                             f'exclude={exclude}')

    def cannot_keep(self, density: float, who: str) -> str:
        """Say that ``who`` keeps a density at which no whole number of a group is kept."""
        counts = range(self.kept, self.group + 1)
        *others, last = [f'{count}/{self.group}' for count in counts]
        return (f'{self._told()}: {who} keeps {density:.6g} of the weights, but only '
                f'{", ".join(others)} or {last} of them can be kept')

    def _told(self) -> str:
        return f'allocation={str(self)!r}'

    def _plan(self) -> str:
        """Name settings that reach the pattern: in two steps where there are two, and at once."""
        most = self.group - self.kept
        pruned = sorted({(most + 1) // 2, most})
        schedule = [count / self.group for count in pruned]
        return f'schedule={schedule} or rounds=1, target_sparsity={schedule[-1]}'


def check_pattern(
    allocation: str,
    densities: Sequence[float],
    shapes: Mapping[str, Sequence[int]],
    min_kept: float = 0,
) -> None:
    """Raise ValueError unless a pattern fits the plan; do nothing for other allocations.

    Args:
        allocation: 'N:M', or any other allocation, which always passes.
        densities: Of every round from 1.0 down; multiples of 1/M of which the last is N/M.
        shapes: name -> shape of every tensor in the scope; dimension 1 a multiple of M.
        min_kept: Weights that every tensor has to keep.

    >>> check_pattern('2:4', (1.0, 0.75, 0.5), {'conv.weight': (8, 4, 3, 3)})
    >>> check_pattern('2:4', (1.0, 0.7, 0.5), {})
    Traceback (most recent call last):
    ValueError: allocation='2:4': round 1 keeps 0.7 of the weights, but only 2/4, 3/4 or 4/4 of \
them can be kept. Set schedule=[0.25, 0.5] or rounds=1, target_sparsity=0.5
    """
    pattern = Pattern.parse(allocation)
    if pattern is None:
        return
    pattern.check_densities(densities)
    pattern.check_shapes(shapes)
    for name, shape in shapes.items():
        weights = torch.Size(shape).numel()
        count = weights * pattern.kept // pattern.group
        pattern.check_floor(name, count, floor_count(min_kept, weights))


def best_of_groups(pattern: Pattern, scores: Tensors, masks: Tensors,
                   density: float, min_kept: float = 0) -> Masks:
    """Keep the ``density * M`` highest scores of every group of M; of equal ones the first.

    Args:
        pattern: N:M.
        scores: name -> float tensor, finite, higher = kept; ranked in float32.
        masks: Old masks; what they prune stays pruned.
        density: Kept share of every group: one of N/M, (N + 1)/M, ..., 1.
        min_kept: Weights that every tensor has to keep.

    Raises:
        ValueError: Another density, an input dimension that is no multiple of M, a group of the
            old masks that keeps too few, a tensor that would keep fewer than ``min_kept``, or
            scores that are NaN or infinite; names the tensor.

    >>> row = torch.tensor([[1., 4., 2., 3., -1., -2., -2., -2.]])
    >>> best_of_groups(Pattern(2, 4), {'w': row}, {'w': row > -9}, 0.5)['w'].int().tolist()
    [[0, 1, 0, 1, 1, 1, 0, 0]]
    """
    count = pattern.count_at(density)
    if count is None:
        raise ValueError(pattern.cannot_keep(density, 'selection'))
    shapes = {name: mask.shape for name, mask in masks.items()}
    pattern.check_shapes(shapes)
    chosen = {}
    for name, mask in masks.items():
        kept = mask.numel() * count // pattern.group
        floor = min(floor_count(min_kept, mask.numel()), count_kept(mask))
        pattern.check_floor(name, kept, floor)
        chosen[name] = _best_of_one(name, scores[name], mask, count, pattern.group)
    return chosen


def _best_of_one(
    name: str,
    scores: Tensor,
    mask: Tensor,
    count: int,
    group: int,
) -> Tensor:
    alive = torch.where(mask, scores.float(), -torch.inf)
    finite = torch.isfinite(torch.where(mask, alive, 0))
    if not finite.all():
        raise ValueError(f'scores of {name!r} are NaN or infinite')
    positions = mask[0, 0].numel()
    members = alive.reshape(len(mask), -1, group, positions).unbind(2)
    wins = [ahead < count for ahead in _count_ahead(members)]
    chosen = torch.stack(wins, dim=2).reshape(mask.shape)
    if (chosen & ~mask).any():
        raise ValueError(f'{count} of every {group} weights of {name!r} cannot be kept: some '
                         'groups of the old masks keep fewer and a pruned weight never comes '
                         f'back. Start from dense masks or from those of a pattern of {group}')
    return chosen


def _count_ahead(members: Sequence[Tensor]) -> list[Tensor]:
    """Count, for each member of all groups at once, the members of its group ranked before it."""
    ahead = [torch.zeros_like(each, dtype=torch.uint8) for each in members]
    for later in range(len(members)):
        for earlier in range(later):
            wins = members[earlier] >= members[later]  # of equal ones the first
            ahead[later] += wins
            ahead[earlier] += ~wins
    return ahead
