"""Allocations: how the kept weights are shared among tensors when each one's best stay.

All take ``(scores, masks, density, min_kept)``; see :func:`globally` for arguments and errors.
"""
import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, count_each, floor_count, size
from mmlth.core.ranking import top

logger = logging.getLogger(__name__)

Allocation = Callable[[Tensors, Tensors, float, float], Masks]


def globally(
    scores: Tensors,
    masks: Tensors,
    density: float,
    min_kept: float = 0,
) -> Masks:
    """Keep the highest scores over all tensors at once.

    Args:
        scores: name -> float tensor, finite, higher = kept; ranked in float32.
        masks: Old masks; what they prune stays pruned.
        density: Kept share of ALL weights of the masks, in (0, 1].
        min_kept: Weights that every tensor keeps at least, its best ones; or a share of it.

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
    floor = floor_of(masks, min_kept)
    chosen = top(scores, masks, total)
    raised = dict(scores)
    while short := _short_of(floor, chosen):
        for name in short:
            least = floor[name]
            _warn(name, least, density)
            raised[name] = _raise_best(scores[name], masks[name], least)
        chosen = top(raised, masks, total, finite=False)
    return chosen


def normalized(
    scores: Tensors,
    masks: Tensors,
    density: float,
    min_kept: float = 0,
) -> Masks:
    """Keep the highest of score / L2 norm of the scores of the tensor's kept weights.

    They compete over all tensors. Then the scale of a tensor's weights doesn't matter, as between
    fresh heads and pretrained convolutions, but its size does: the squares sum to 1 in each
    tensor, so the many of a large one are small. Within a tensor the ranking is that of the
    scores. They keep their sign, so that a negative score stays low. A tensor whose kept scores
    are all zero stays at zero.

    >>> scores = {'large': torch.tensor([30., 40.]), 'small': torch.tensor([4., 3.])}
    >>> old = {'large': torch.tensor([True, True]), 'small': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in normalized(scores, old, 0.5).items()}  # norms 50 and 5
    {'large': [False, True], 'small': [True, False]}
    """
    shares = {}
    for name, own in scores.items():
        norm = _norm(own, masks[name])
        shares[name] = own.float() / (norm or 1.0)
    found = globally(shares, masks, density, min_kept)
    counts = count_each(found)
    # Rounded quotients may tie where scores don't, so each tensor's own are ranked once more.
    return _top_of_each(scores, masks, counts)


def layerwise(
    scores: Tensors,
    masks: Tensors,
    density: float,
    min_kept: float = 0,
) -> Masks:
    """Keep the same share of every tensor.

    >>> scores = {'a': torch.tensor([3., 1.]), 'b': torch.tensor([5., 4.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, True])}
    >>> {k: v.tolist() for k, v in layerwise(scores, old, 0.5).items()}
    {'a': [True, False], 'b': [True, False]}
    """
    densities = dict.fromkeys(masks, density)
    return _per_layer(scores, masks, densities, density, min_kept)


def erk(
    scores: Tensors,
    masks: Tensors,
    density: float,
    min_kept: float = 0,
) -> Masks:
    """Keep shares in proportion to (sum of dimensions) / (product of dimensions) of each tensor.

    Source: Erdos-Renyi-Kernel, Evci et al., ICML 2020, section 3. Layers whose share would pass
    1 are kept whole and the rest is scaled so that the total is exact.
    """
    densities = erk_densities(masks, density)
    return _per_layer(scores, masks, densities, density, min_kept)


def erk_densities(masks: Tensors, density: float) -> dict[str, float]:
    """Return the ERK density of each tensor, each in (0, 1], of total ``density``."""
    sizes = {name: mask.numel() for name, mask in masks.items()}
    raw = {name: sum(mask.shape) / mask.numel()
           for name, mask in masks.items()}
    found = dict.fromkeys(masks, 1.0)
    rest = list(masks)
    while rest:
        whole = size(masks) - sum(sizes[name] for name in rest)
        budget = density * size(masks) - whole
        unscaled = sum(raw[name] * sizes[name] for name in rest)
        scale = budget / unscaled
        fitting = [name for name in rest if scale * raw[name] <= 1]
        if fitting == rest:
            break
        rest = fitting
    for name in rest:
        found[name] = scale * raw[name]
    return found


ALLOCATIONS: dict[str, Allocation] = {
    'global': globally,
    'normalized': normalized,
    'layerwise': layerwise,
    'erk': erk,
}


def floor_of(masks: Tensors, min_kept: float) -> dict[str, int]:
    """Return the least that each tensor keeps: ``min_kept``, or all that it has left."""
    if min_kept == 0:
        return dict.fromkeys(masks, 0)
    return {name: min(floor_count(min_kept, masks[name].numel()), count)
            for name, count in count_each(masks).items()}


def _short_of(floor: Mapping[str, int], masks: Tensors) -> list[str]:
    """List the tensors of which the masks keep fewer than the floor."""
    counts = count_each(masks)
    return [name for name in masks if counts[name] < floor[name]]


def _warn(name: str, floor: int, density: float) -> None:
    logger.warning('layer %s would keep fewer than min_kept=%d weights at density %.4g: '
                   'its %d best are kept instead', name, floor, density, floor)


def _raise_best(scores: Tensor, mask: Tensor, count: int) -> Tensor:
    """Return scores in which the ``count`` best kept positions are infinite, so that they stay."""
    best = top({'': scores}, {'': mask}, count, finite=False)
    return torch.where(best[''], torch.inf, scores)


def _norm(scores: Tensor, mask: Tensor) -> float:
    """Return the L2 norm of the scores of kept weights.

    It is summed in float64, in one order on every machine.
    """
    alive = torch.where(mask, scores.float(), 0)
    flat = alive.reshape(-1).numpy()
    squares = np.einsum('i,i', flat, flat, dtype=np.float64)
    return float(np.sqrt(squares))


def _per_layer(
    scores: Tensors,
    masks: Tensors,
    densities: Mapping[str, float],
    density: float,
    min_kept: float,
) -> Masks:
    """Apply one density per tensor within what is alive and the floor; the total stays exact."""
    total = round(density * size(masks))
    exact = {name: densities[name] * mask.numel()
             for name, mask in masks.items()}
    alive = count_each(masks)
    floor = floor_of(masks, min_kept)
    left = sum(alive.values())
    if total > left:
        raise ValueError(f'only {left} weights are left, {total} cannot be kept')
    counts = {}
    for name, share in exact.items():
        if round(share) < floor[name]:
            _warn(name, floor[name], density)
        whole = min(int(share), alive[name])
        counts[name] = max(floor[name], whole)
    counts = _settle(counts, exact, floor, alive, total)
    return _top_of_each(scores, masks, counts)


def _settle(
    counts: Mapping[str, int],
    exact: Mapping[str, float],
    low: Mapping[str, int],
    high: Mapping[str, int],
    total: int,
) -> dict[str, int]:
    """Raise or lower counts within their limits until they sum to ``total``.

    Those furthest from their exact share go first (largest remainders, ties in order).
    """
    counts = dict(counts)
    while missing := total - sum(counts.values()):
        sign = 1 if missing > 0 else -1
        limit = high if missing > 0 else low
        room = {name: sign * (limit[name] - count)
                for name, count in counts.items()}
        excess = {name: sign * (count - exact[name])
                  for name, count in counts.items()}
        free = [name for name in counts if room[name] > 0]
        free.sort(key=excess.__getitem__)
        step = max(1, abs(missing) // len(free))
        for name in free[:abs(missing)]:
            counts[name] += sign * min(step, room[name])
    return counts


def _top_of_each(scores: Tensors, masks: Tensors,
                 counts: Mapping[str, int]) -> Masks:
    found: Masks = {}
    for name, count in counts.items():
        own_scores = {name: scores[name]}
        own_mask = {name: masks[name]}
        found |= top(own_scores, own_mask, count)
    return found
