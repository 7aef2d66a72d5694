"""Which weights survive: scores + old masks + density -> new masks, a subset, of exact count.

Ties are broken by a fixed order (order of the tensors, then of the flattened positions: earlier
ones are kept), so the same scores give the same masks on every machine and rank.
"""
import logging
from typing import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mmlth.core.masks import Masks, check_same_tensors, count_kept, kept, size

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
    chosen = _top(scores, masks, total)
    floor = _floor(masks, min_kept)
    raised = dict(scores)
    while short := [name for name, m in chosen.items() if count_kept(m) < floor[name]]:
        for name in short:
            _warn(name, floor[name], density)
            raised[name] = _raise_best(scores[name], masks[name], floor[name])
        chosen = _top(raised, masks, total, finite=False)
    return chosen


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


ALLOCATIONS: dict[str, Callable[..., Masks]] = {'global': globally, 'layerwise': layerwise, 'erk': erk}


def select(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float, *,
           allocation: str = 'global', min_kept: int = 1) -> Masks:
    """Select new masks and guard against layer collapse.

    Args:
        scores: name -> float tensor, finite, higher = kept.
        masks: Old masks of the same names and shapes.
        density: Kept share of all weights of the masks, in (0, 1].
        allocation: Name in :data:`ALLOCATIONS`.
        min_kept: Weights that every tensor keeps at least (0 lets a layer go empty). A tensor
            that would keep fewer keeps its ``min_kept`` best and a warning names it; the total
            count stays exact.

    Raises:
        ValueError: The minimum can't be met at this density, names or shapes differ, scores are
            not finite, the density rises or isn't in (0, 1], or the allocation is unknown.
    """
    if allocation not in ALLOCATIONS:
        raise ValueError(f'allocation={allocation!r}: allowed are {", ".join(ALLOCATIONS)}')
    if not 0 < density <= 1:
        raise ValueError(f'density={density!r} must be in (0, 1]')
    check_same_tensors(scores, masks, 'scores', 'masks')
    if sum(_floor(masks, min_kept).values()) > round(density * size(masks)):
        raise ValueError(f'min_kept={min_kept} in each of {len(masks)} tensors exceeds the '
                         f'{round(density * size(masks))} weights kept at density {density:.4g}: '
                         'lower min_kept or the target sparsity')
    return ALLOCATIONS[allocation](scores, masks, density, min_kept)


def _floor(masks: Mapping[str, Tensor], min_kept: int) -> dict[str, int]:
    return {name: min(min_kept, count_kept(m)) if min_kept else 0 for name, m in masks.items()}


def _warn(name: str, floor: int, density: float) -> None:
    logger.warning('layer %s would keep fewer than min_kept=%d weights at density %.4g: its %d best are '
                   'kept instead', name, floor, density, floor)


def _raise_best(scores: Tensor, mask: Tensor, count: int) -> Tensor:
    """Return scores in which the ``count`` best kept positions are infinite, so that they stay."""
    best = torch.where(mask, scores, -torch.inf).flatten().argsort(descending=True, stable=True)
    return scores.flatten().index_fill(0, best[:count], torch.inf).reshape(scores.shape)


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
    return {name: _top({name: scores[name]}, {name: m}, counts[name])[name]
            for name, m in masks.items()}


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


def _top(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int, *,
         finite: bool = True) -> Masks:
    """Keep exactly the ``count`` highest scores among the kept weights of ``masks``."""
    if count == 0:
        return {name: torch.zeros_like(m) for name, m in masks.items()}
    scores = {name: scores[name].float() for name in masks}  # no copy of what is float32 already
    threshold = _threshold(scores, masks, count, finite)
    chosen = {name: scores[name] >= threshold for name in masks}
    for name, mask in masks.items():
        if not _all_kept(mask):
            chosen[name] &= mask
    return _drop_ties(chosen, scores, threshold, kept(chosen) - count)


def _threshold(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int,
               finite: bool) -> float:
    """Return the ``count``-th highest score among kept weights, by one partial sort of one copy."""
    buffer = np.empty(size(masks), np.float32)
    start = 0
    for name, mask in masks.items():
        part = torch.from_numpy(buffer[start:start + mask.numel()]).view(mask.shape)
        part.copy_(scores[name])
        if not _all_kept(mask):
            part.masked_fill_(~mask, -torch.inf)  # below every score
        start += mask.numel()
    buffer.partition(len(buffer) - count)
    threshold = float(buffer[len(buffer) - count])
    if finite and not np.isfinite(buffer[len(buffer) - count:].max()) and threshold != -np.inf:
        bad = [name for name, m in masks.items() if not torch.isfinite(scores[name][m]).all()]
        raise ValueError(f'scores of {bad} are NaN or infinite')
    if threshold == -np.inf:
        raise ValueError(f'{count} of {len(buffer)} weights cannot be kept: the old masks keep fewer '
                         'and a pruned weight never comes back. Densities must fall from round to '
                         'round')
    return threshold


def _all_kept(mask: Tensor) -> bool:
    return count_kept(mask) == mask.numel()


def _drop_ties(chosen: Masks, scores: Mapping[str, Tensor], threshold: float, surplus: int) -> Masks:
    """Drop ``surplus`` of the weights that score exactly ``threshold``, the last ones first."""
    for name in reversed(list(chosen)):
        if surplus == 0:
            break
        tied = np.flatnonzero((scores[name] == threshold).numpy())
        tied = tied[chosen[name].view(-1).numpy()[tied]]  # not those pruned before
        dropped = tied[max(0, len(tied) - surplus):]
        chosen[name].view(-1)[torch.from_numpy(dropped)] = False
        surplus -= len(dropped)
    return chosen
