"""Which weights survive: scores + old masks + density -> new masks, a subset, of exact count.

Ties are broken by a fixed order (order of the tensors, then of the flattened positions: earlier
ones are kept), so the same scores give the same masks on every machine and rank.
"""
import logging
from functools import partial
from typing import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mmlth.core import patterns
from mmlth.core.masks import Masks, check_same_tensors, count_kept, size
from mmlth.core.ranking import top

logger = logging.getLogger(__name__)


def globally(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float,
             min_kept: int = 0) -> Masks:
    """Keep the highest scores over all tensors at once.

    Args:
        scores: name -> float tensor, finite, higher = kept; ranked in float32.
        masks: Old masks; what they prune stays pruned.
        density: Kept share of ALL weights of the masks, in (0, 1].
        min_kept: Weights that every tensor keeps at least, its best ones.

    Returns:
        Masks that keep exactly ``round(density * size)`` weights.

    Raises:
        ValueError: The density exceeds that of ``masks``, or scores are NaN or infinite.

    >>> scores = {'a': torch.tensor([3., 1.]), 'b': torch.tensor([2., 1.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in globally(scores, old, 0.75).items()}  # of the tied 1s: first
    {'a': [True, True], 'b': [True, False]}
    """
    total = round(density * size(masks))
    chosen = top(scores, masks, total)
    floor = _floor(masks, min_kept)
    raised = dict(scores)
    while short := [name for name, m in chosen.items() if count_kept(m) < floor[name]]:
        for name in short:
            _warn(name, floor[name], density)
            raised[name] = _raise_best(scores[name], masks[name], floor[name])
        chosen = top(raised, masks, total, finite=False)
    return chosen


def normalized(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float,
               min_kept: int = 0) -> Masks:
    """Keep the highest of score / L2 norm of the scores of the tensor's kept weights, over all tensors.

    Then the scale of a tensor's weights doesn't matter, as between fresh heads and pretrained
    convolutions, but its size does: the squares sum to 1 in each tensor, so the many of a large one
    are small. Within a tensor the ranking is that of the scores. They keep their sign, so that a
    negative score stays low. A tensor whose kept scores are all zero stays at zero. See
    :func:`globally` for arguments and errors.

    >>> scores = {'large': torch.tensor([30., 40.]), 'small': torch.tensor([4., 3.])}  # norms 50 and 5
    >>> old = {'large': torch.tensor([True, True]), 'small': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in normalized(scores, old, 0.5).items()}
    {'large': [False, True], 'small': [True, False]}
    """
    shares = {name: s.float() / (_norm(s, masks[name]) or 1.0) for name, s in scores.items()}
    counts = {name: count_kept(m) for name, m in globally(shares, masks, density, min_kept).items()}
    # Rounded quotients may tie where scores don't, so each tensor's own are ranked once more.
    return _top_of_each(scores, masks, counts)


def layerwise(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float,
              min_kept: int = 0) -> Masks:
    """Keep the same share of every tensor; see :func:`globally` for arguments and errors.

    >>> scores = {'a': torch.tensor([3., 1.]), 'b': torch.tensor([5., 4.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in layerwise(scores, old, 0.5).items()}
    {'a': [True, False], 'b': [True, False]}
    """
    return _per_layer(scores, masks, {name: density for name in masks}, density, min_kept)


def erk(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float,
        min_kept: int = 0) -> Masks:
    """Keep shares in proportion to (sum of dimensions) / (product of dimensions) of each tensor.

    Source: Erdos-Renyi-Kernel, Evci et al., ICML 2020, section 3. Layers whose share would pass
    1 are kept whole and the rest is scaled so that the total is exact. See :func:`globally` for
    arguments and errors.
    """
    return _per_layer(scores, masks, erk_densities(masks, density), density, min_kept)


def erk_densities(masks: Mapping[str, Tensor], density: float) -> dict[str, float]:
    """Return the ERK density of each tensor, each in (0, 1], of total ``density``."""
    raw = {name: sum(m.shape) / m.numel() for name, m in masks.items()}
    whole: set[str] = set()
    while rest := [name for name in masks if name not in whole]:
        budget = density * size(masks) - sum(masks[name].numel() for name in whole)
        scale = budget / sum(raw[name] * masks[name].numel() for name in rest)
        over = {name for name in rest if scale * raw[name] > 1}
        if not over:
            break
        whole |= over
    return {name: 1.0 if name in whole else scale * raw[name] for name in masks}


ALLOCATIONS: dict[str, Callable[..., Masks]] = {
    'global': globally, 'normalized': normalized, 'layerwise': layerwise, 'erk': erk}


def check_allocation(name: str) -> None:
    """Raise ValueError, with all that is allowed, unless this is a name in ALLOCATIONS or a pattern N:M."""
    if name not in tuple(ALLOCATIONS) and patterns.parse(name) is None:
        raise ValueError(f'allocation={name!r}: allowed are {", ".join(ALLOCATIONS)}, or a pattern N:M with '
                         f'0 < N < M <= {patterns.MOST}, such as "2:4"')


def select(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float, *,
           allocation: str = 'global', min_kept: int = 1) -> Masks:
    """Select new masks and guard against layer collapse.

    Args:
        scores: name -> float tensor, finite, higher = kept.
        masks: Old masks of the same names and shapes.
        density: Kept share of all weights of the masks, in (0, 1].
        allocation: Name in :data:`ALLOCATIONS`, or a pattern such as '2:4' (:mod:`mmlth.core.patterns`).
        min_kept: Weights that every tensor keeps at least (0 lets a layer go empty). A tensor
            that would keep fewer keeps its ``min_kept`` best and a warning names it; the total
            count stays exact. With a pattern, whose counts are fixed, it is an error.

    Returns:
        Masks that keep exactly ``round(density * size)`` weights, a subset of ``masks``.

    Raises:
        ValueError: The minimum can't be met at this density, names or shapes differ, scores are
            not finite, the density rises or isn't in (0, 1], or the allocation is unknown or a
            pattern that density, shapes or old masks don't allow.
    """
    check_allocation(allocation)
    if not 0 < density <= 1:
        raise ValueError(f'density={density!r} must be in (0, 1]')
    check_same_tensors(scores, masks, 'scores', 'masks')
    if sum(_floor(masks, min_kept).values()) > round(density * size(masks)):
        raise ValueError(f'min_kept={min_kept} in each of {len(masks)} tensors exceeds the '
                         f'{round(density * size(masks))} weights kept at density {density:.4g}: '
                         'lower min_kept or the target sparsity')
    rank = ALLOCATIONS.get(allocation) or partial(patterns.best_of_groups, allocation)
    return rank(scores, masks, density, min_kept)


def _floor(masks: Mapping[str, Tensor], min_kept: int) -> dict[str, int]:
    return {name: min(min_kept, count_kept(m)) if min_kept else 0 for name, m in masks.items()}


def _warn(name: str, floor: int, density: float) -> None:
    logger.warning('layer %s would keep fewer than min_kept=%d weights at density %.4g: its %d best are '
                   'kept instead', name, floor, density, floor)


def _raise_best(scores: Tensor, mask: Tensor, count: int) -> Tensor:
    """Return scores in which the ``count`` best kept positions are infinite, so that they stay."""
    best = top({'': scores}, {'': mask}, count, finite=False)['']
    return torch.where(best, torch.inf, scores)


def _per_layer(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor],
               densities: Mapping[str, float], density: float, min_kept: int) -> Masks:
    """Apply one density per tensor within what is alive and the floor; the total stays exact."""
    total = round(density * size(masks))
    exact = {name: densities[name] * m.numel() for name, m in masks.items()}
    alive = {name: count_kept(m) for name, m in masks.items()}
    if total > sum(alive.values()):
        raise ValueError(f'only {sum(alive.values())} weights are left, {total} cannot be kept')
    floor = _floor(masks, min_kept)
    for name in masks:
        if round(exact[name]) < floor[name]:
            _warn(name, floor[name], density)
    counts = {name: max(floor[name], min(int(exact[name]), alive[name])) for name in masks}
    counts = _settle(counts, exact, floor, alive, total)
    return _top_of_each(scores, masks, counts)


def _top_of_each(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor],
                 counts: Mapping[str, int]) -> Masks:
    return {name: top({name: scores[name]}, {name: m}, counts[name])[name] for name, m in masks.items()}


def _norm(scores: Tensor, mask: Tensor) -> float:
    """Return the L2 norm of the scores of kept weights; summed in float64, in one order on every machine."""
    alive = torch.where(mask, scores.float(), 0).reshape(-1).numpy()
    return float(np.sqrt(np.einsum('i,i', alive, alive, dtype=np.float64)))


def _settle(counts: dict[str, int], exact: Mapping[str, float], low: Mapping[str, int],
            high: Mapping[str, int], total: int) -> dict[str, int]:
    """Raise or lower counts within their limits until they sum to ``total``.

    Those furthest from their exact share go first (largest remainders, ties in order).
    """
    counts = dict(counts)
    while missing := total - sum(counts.values()):
        sign = 1 if missing > 0 else -1
        free = [n for n in counts if (counts[n] < high[n] if sign > 0 else counts[n] > low[n])]
        free.sort(key=lambda n: sign * (counts[n] - exact[n]))
        step = max(1, abs(missing) // len(free))
        for name in free[:abs(missing)]:
            room = high[name] - counts[name] if sign > 0 else counts[name] - low[name]
            counts[name] += sign * min(step, room)
    return counts
