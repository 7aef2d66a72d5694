"""N:M sparsity: of every M weights in a row along the input dimension exactly N are kept.

The input dimension is dimension 1, as in the weights of linear layers (O, I) and of convolutions
(O, I, kh, kw); each output and each kernel position has its own groups. Stored channels-last, (O, kh, kw, I),
the groups of a convolution lie next to each other, as sparse tensor cores read the matrix (O, kh * kw * I).

Dimension 1 of a transposed convolution (I, O, kh, kw) is its outputs, which a tensor's name and shape don't
tell. It is grouped along them all the same: its counts are right, but its groups are of no use to such
hardware. Leave it out with ``exclude`` where that matters.

Source: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021; NVIDIA's apex.contrib.sparsity groups
the same dimension.
"""
import re
from typing import Mapping, Sequence

import torch
from torch import Tensor

from mmlth.core.masks import Masks, count_kept, size

MOST = 16  # largest M


def parse(allocation: str) -> tuple[int, int] | None:
    """Return (N, M) of an allocation 'N:M', or None if it isn't written so.

    Raises:
        ValueError: Not 0 < N < M <= 16.

    >>> parse('2:4'), parse('global')
    ((2, 4), None)
    """
    found = re.fullmatch('([0-9]+):([0-9]+)', allocation) if isinstance(allocation, str) else None
    if not found:
        return None
    kept, group = int(found[1]), int(found[2])
    if not 0 < kept < group <= MOST:
        raise ValueError(f'allocation={allocation!r}: a pattern N:M needs 0 < N < M <= {MOST}, as in "2:4"')
    return kept, group


def check_pattern(allocation: str, densities: Sequence[float], shapes: Mapping[str, Sequence[int]],
                  min_kept: int = 0) -> None:
    """Raise ValueError unless a pattern fits the plan; do nothing for other allocations.

    Args:
        allocation: 'N:M', or any other allocation, which always passes.
        densities: Of every round from 1.0 down; multiples of 1/M of which the last is N/M.
        shapes: name -> shape of every tensor in the scope; dimension 1 a multiple of M.
        min_kept: Weights that every tensor has to keep.

    >>> check_pattern('2:4', (1.0, 0.75, 0.5), {'conv.weight': (8, 4, 3, 3)})
    >>> check_pattern('2:4', (1.0, 0.7, 0.5), {})
    Traceback (most recent call last):
    ValueError: allocation='2:4': round 1 keeps 0.7 of the weights, but only 2/4, 3/4 or 4/4 of them can be \
kept. Set schedule=[0.25, 0.5] or rounds=1, target_sparsity=0.5
    """
    pattern = parse(allocation)
    if pattern is None:
        return
    for number, density in enumerate(densities):
        if _kept_per_group(density, *pattern) is None:
            raise ValueError(f'{_cannot_keep(allocation, density, f"round {number}")}. Set {_plan(*pattern)}')
    if _kept_per_group(densities[-1], *pattern) != pattern[0]:
        raise ValueError(f'allocation={allocation!r}: the last round keeps {densities[-1]:.6g} of the '
                         f'weights, but the pattern keeps {pattern[0]}/{pattern[1]}. Set {_plan(*pattern)}')
    _check_shapes(allocation, shapes)
    for name, shape in shapes.items():
        weights = torch.Size(shape).numel()
        _check_floor(allocation, name, weights * pattern[0] // pattern[1], min(min_kept, weights))


def best_of_groups(allocation: str, scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float,
                   min_kept: int = 0) -> Masks:
    """Keep the ``density * M`` highest scores of every group of M; of equal ones the first.

    Args:
        allocation: 'N:M'.
        scores: name -> float tensor, finite, higher = kept; ranked in float32.
        masks: Old masks; what they prune stays pruned.
        density: Kept share of every group: one of N/M, (N + 1)/M, ..., 1.
        min_kept: Weights that every tensor has to keep.

    Raises:
        ValueError: Another density, an input dimension that is no multiple of M, a group of the old
            masks that keeps too few, a tensor that would keep fewer than ``min_kept``, or scores that are NaN
            or infinite; names the tensor.

    >>> row = torch.tensor([[1., 4., 2., 3., -1., -2., -2., -2.]])
    >>> best_of_groups('2:4', {'w': row}, {'w': row > -9}, 0.5)['w'].int().tolist()
    [[0, 1, 0, 1, 1, 1, 0, 0]]
    """
    pattern = parse(allocation)
    count = _kept_per_group(density, *pattern)
    if count is None:
        raise ValueError(_cannot_keep(allocation, density, 'selection'))
    _check_shapes(allocation, {name: m.shape for name, m in masks.items()})
    chosen = {}
    for name, mask in masks.items():
        floor = min(min_kept, count_kept(mask))
        _check_floor(allocation, name, size({name: mask}) * count // pattern[1], floor)
        chosen[name] = _best_of_one(name, scores[name], mask, count, pattern[1])
    return chosen


def _best_of_one(name: str, scores: Tensor, mask: Tensor, count: int, group: int) -> Tensor:
    alive = torch.where(mask, scores.float(), -torch.inf)
    if not torch.isfinite(torch.where(mask, alive, 0)).all():
        raise ValueError(f'scores of {name!r} are NaN or infinite')
    members = alive.reshape(len(mask), -1, group, mask[0, 0].numel()).unbind(2)
    before = [torch.zeros(members[0].shape, dtype=torch.uint8) for _ in members]  # how many of the group win
    for j in range(group):
        for i in range(j):
            wins = members[i] >= members[j]  # of equal ones the first
            before[j] += wins
            before[i] += ~wins
    chosen = torch.stack([wins < count for wins in before], dim=2).reshape(mask.shape)
    if (chosen & ~mask).any():
        raise ValueError(f'{count} of every {group} weights of {name!r} cannot be kept: some groups of the '
                         'old masks keep fewer and a pruned weight never comes back. Start from dense masks '
                         f'or from those of a pattern of {group}')
    return chosen


def _kept_per_group(density: float, kept: int, group: int) -> int | None:
    """Return the weights that each group keeps at this density, or None if that isn't N, ..., M."""
    count = round(density * group)
    return count if kept <= count <= group and abs(density * group - count) < 1e-9 else None


def _cannot_keep(allocation: str, density: float, who: str) -> str:
    kept, group = parse(allocation)
    shares = [f'{count}/{group}' for count in range(kept, group + 1)]
    return (f'allocation={allocation!r}: {who} keeps {density:.6g} of the weights, but only '
            f'{", ".join(shares[:-1])} or {shares[-1]} of them can be kept')


def _plan(kept: int, group: int) -> str:
    """Name settings that reach the pattern: in two steps where there are two, and at once."""
    pruned = sorted({(group - kept + 1) // 2, group - kept})
    return f'schedule={[n / group for n in pruned]} or rounds=1, target_sparsity={pruned[-1] / group}'


def _check_shapes(allocation: str, shapes: Mapping[str, Sequence[int]]) -> None:
    _, group = parse(allocation)
    narrow = {name: shape for name, shape in shapes.items() if len(shape) < 2 or shape[1] % group}
    if narrow:
        told = ', '.join(f'{name} {tuple(shape)}' for name, shape in narrow.items())
        raise ValueError(f'allocation={allocation!r} groups {group} weights along the input dimension '
                         f'(dimension 1), which is no multiple of {group} in: {told}. Leave them out: '
                         f'exclude={[f"^{name}$" for name in narrow]}')


def _check_floor(allocation: str, name: str, count: int, floor: int) -> None:
    if count < floor:
        raise ValueError(f'allocation={allocation!r} keeps {count} weights of {name!r}, fewer than the '
                         f'{floor} that min_kept asks for: lower min_kept or set exclude={[f"^{name}$"]}')
