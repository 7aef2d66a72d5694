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


def globally(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float) -> Masks:
    """Keep the highest scores over all tensors at once.

    Args:
        scores: name -> float tensor, higher = kept.
        masks: Old masks; what they prune stays pruned.
        density: Kept share of ALL weights of the masks, in (0, 1].

    Returns:
        Masks that keep exactly ``round(density * size)`` weights.

    Raises:
        ValueError: The density exceeds that of ``masks``, or scores are NaN or infinite.

    >>> scores = {'a': torch.tensor([3., 1.]), 'b': torch.tensor([2., 1.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in globally(scores, old, 0.75).items()}  # of the tied 1s: first
    {'a': [True, True], 'b': [True, False]}
    """
    total = size(masks)
    return _top(scores, masks, round(density * total))


def layerwise(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float) -> Masks:
    """Keep the same share of every tensor; see :func:`globally` for arguments and errors.

    >>> scores = {'a': torch.tensor([3., 1.]), 'b': torch.tensor([5., 4.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in layerwise(scores, old, 0.5).items()}
    {'a': [True, False], 'b': [True, False]}
    """
    return _per_layer(scores, masks, {name: density for name in masks}, round(density * size(masks)))


def erk(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float) -> Masks:
    """Keep shares in proportion to (sum of dimensions) / (product of dimensions) of each tensor.

    Source: Erdos-Renyi-Kernel, Evci et al., ICML 2020, section 3. Layers whose share would pass
    1 are kept whole and the rest is scaled so that the total is exact. See :func:`globally` for
    arguments and errors.
    """
    return _per_layer(scores, masks, erk_densities(masks, density), round(density * size(masks)))


def erk_densities(masks: Mapping[str, Tensor], density: float) -> dict[str, float]:
    """Return the ERK density of each tensor, each in (0, 1], of total ``density``."""
    raw = {name: sum(m.shape) / m.numel() for name, m in masks.items()}
    whole: set[str] = set()
    while True:
        rest = [name for name in masks if name not in whole]
        budget = density * size(masks) - sum(masks[name].numel() for name in whole)
        scale = budget / sum(raw[name] * masks[name].numel() for name in rest)
        over = {name for name in rest if scale * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in whole else scale * raw[name] for name in masks}
        whole |= over


ALLOCATIONS: dict[str, Callable[..., Masks]] = {'global': globally, 'layerwise': layerwise, 'erk': erk}


def select(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float, *,
           allocation: str = 'global', min_kept: int = 1) -> Masks:
    """Select new masks and guard against layer collapse.

    Args:
        scores: name -> float tensor, higher = kept.
        masks: Old masks of the same names and shapes.
        density: Kept share of all weights of the masks, in (0, 1].
        allocation: Name in :data:`ALLOCATIONS`.
        min_kept: Weights that every tensor keeps at least (0 lets a layer go empty). A tensor
            that falls below keeps its ``min_kept`` best and a warning names it; the total count
            stays exact.

    Raises:
        ValueError: The minimum can't be met at this density, names or shapes differ, scores are
            not finite or the density rises.
    """
    check_same_tensors(scores, masks, 'scores', 'masks')
    floor = {name: min(min_kept, count_kept(m)) for name, m in masks.items()}
    if sum(floor.values()) > round(density * size(masks)):
        raise ValueError(f'min_kept={min_kept} in each of {len(masks)} tensors exceeds the '
                         f'{round(density * size(masks))} weights kept at density {density:.4g}: '
                         'lower min_kept or the target sparsity')
    chosen = ALLOCATIONS[allocation](scores, masks, density)
    short = [name for name, m in chosen.items() if count_kept(m) < floor[name]]
    protected = dict(scores)
    while short:
        for name in short:
            logger.warning('layer %s would keep fewer than min_kept=%d weights at density %.4g: its '
                           '%d best are kept instead', name, min_kept, density, floor[name])
            protected[name] = _raise_best(scores[name], masks[name], floor[name])
        chosen = _top(protected, masks, round(density * size(masks)))
        short = [name for name, m in chosen.items() if count_kept(m) < floor[name]]
    return chosen


def _raise_best(scores: Tensor, mask: Tensor, count: int) -> Tensor:
    """Return scores in which the ``count`` best kept positions are infinite, so that they stay."""
    best = torch.where(mask, scores, -torch.inf).flatten().argsort(descending=True, stable=True)
    return scores.flatten().index_fill(0, best[:count], torch.inf).reshape(scores.shape)


def _per_layer(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor],
               densities: Mapping[str, float], total: int) -> Masks:
    """Apply one density per tensor; what rounding leaves over goes to the largest remainders."""
    exact = {name: densities[name] * m.numel() for name, m in masks.items()}
    alive = {name: count_kept(m) for name, m in masks.items()}
    counts = {name: min(int(e), alive[name]) for name, e in exact.items()}
    order = sorted(masks, key=lambda name: counts[name] - exact[name])
    while sum(counts.values()) < total:
        growing = [name for name in order if counts[name] < alive[name]]
        if not growing:
            raise ValueError(f'only {sum(alive.values())} weights are left, {total} cannot be kept')
        for name in growing[:total - sum(counts.values())]:
            counts[name] += 1
    return {name: _top({name: scores[name]}, {name: m}, counts[name])[name]
            for name, m in masks.items()}


def _top(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int) -> Masks:
    """Keep exactly the ``count`` highest scores among the kept weights of ``masks``."""
    if count == 0:
        return {name: torch.zeros_like(m) for name, m in masks.items()}
    threshold = _threshold(scores, masks, count)
    chosen = {name: scores[name] >= threshold for name in masks}
    for name, mask in masks.items():
        if not _all_kept(mask):
            chosen[name] &= mask
    surplus = kept(chosen) - count
    if surplus < 0:  # NaN compares false
        bad = [name for name in masks if torch.isnan(scores[name]).any()]
        raise ValueError(f'scores of {bad} are NaN')
    return _drop_ties(chosen, scores, threshold, surplus)


def _threshold(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int) -> float:
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
        tied = np.flatnonzero((chosen[name] & (scores[name] == threshold)).numpy())
        dropped = tied[max(0, len(tied) - surplus):]
        chosen[name].view(-1)[torch.from_numpy(dropped)] = False
        surplus -= len(dropped)
    return chosen
