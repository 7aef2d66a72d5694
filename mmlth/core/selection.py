"""Which weights survive: scores + old masks + density -> new masks, a subset, of exact count.

Ties are broken by a fixed order (order of the tensors, then of the flattened positions: earlier
ones are kept), so the same scores give the same masks on every machine and rank.
"""
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mmlth.core.masks import Masks, check_same_tensors, count_kept, size

logger = logging.getLogger(__name__)

_SAMPLE = 1 << 18  # scores that bracket the threshold; fewer than twice as many are sorted whole
_BLOCK = 1 << 18  # scores looked at in one go, so that temporaries stay in the cache
_Flat = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> flat scores, flat mask


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
    """Keep exactly the ``count`` highest scores among the kept weights of ``masks``.

    A sample brackets the threshold; one pass keeps all above the bracket and collects the few
    inside, of which an exact partial sort takes the best. A bracket that missed is widened.
    """
    if count == 0:
        return {name: torch.zeros_like(m) for name, m in masks.items()}
    flat = {n: (scores[n].float().reshape(-1).numpy(), m.reshape(-1).numpy()) for n, m in masks.items()}
    for width in (3, 30, np.inf):
        low, high = _bracket(flat, count, width)
        chosen, above, inside = _scan(flat, low, high, finite)
        missing = count - above
        if 0 <= missing <= sum(len(values) for _, values in inside.values()):
            break
    else:
        raise ValueError(f'{count} of {size(masks)} weights cannot be kept: the old masks keep fewer and '
                         'a pruned weight never comes back. Densities must fall from round to round')
    _keep_best(chosen, inside, missing)
    return {name: torch.from_numpy(chosen[name]).reshape(m.shape) for name, m in masks.items()}


def _bracket(flat: _Flat, count: int, width: float) -> tuple[float, float]:
    """Return scores between which the ``count``-th highest lies, ``width`` deviations wide."""
    stride = sum(len(s) for s, _ in flat.values()) // _SAMPLE
    if stride < 2 or width == np.inf:
        return -np.inf, np.inf
    sample = np.concatenate([s[::stride][m[::stride]] for s, m in flat.values()])
    alive = sum(np.count_nonzero(m) for _, m in flat.values())
    rank, spread = len(sample) * (1 - count / max(1, alive)), width * len(sample)**0.5
    ranks = [int(rank - spread), int(rank + spread)]
    inner = [r for r in ranks if 0 <= r < len(sample)]
    ordered = np.partition(sample, inner) if inner else sample
    return (ordered[ranks[0]] if ranks[0] in inner else -np.inf,
            ordered[ranks[1]] if ranks[1] in inner else np.inf)


def _scan(flat: _Flat, low: float, high: float, finite: bool) -> tuple[dict, int, dict]:
    """Return masks of all above ``high``, their number, and (positions, scores) in [low, high]."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # numpy lets go of the interpreter
        found = dict(zip(flat, pool.map(lambda name: _scan_one(name, *flat[name], low, high, finite), flat)))
    chosen = {name: over for name, (over, _) in found.items()}
    inside = {name: (at, flat[name][0][at]) for name, (_, at) in found.items()}
    return chosen, sum(np.count_nonzero(over) for over in chosen.values()), inside


def _scan_one(name: str, scores: np.ndarray, alive: np.ndarray, low: float, high: float,
              finite: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of all above ``high`` and the positions of those in [low, high]."""
    chosen, inside = np.empty(len(scores), bool), []
    for start in range(0, len(scores), _BLOCK):
        part, mask = scores[start:start + _BLOCK], alive[start:start + _BLOCK]
        # NaN and infinity show in a sum; what is pruned already may hold them.
        if finite and not np.isfinite(part.sum()) and not np.isfinite(part[mask]).all():
            raise ValueError(f'scores of {name!r} are NaN or infinite')
        over, enough = np.greater(part, high, out=chosen[start:start + _BLOCK]), part >= low
        if not mask.all():
            over &= mask
            enough &= mask
        inside.append(start + np.flatnonzero(np.logical_xor(enough, over, out=enough)))
    return chosen, np.concatenate(inside)


def _keep_best(chosen: dict[str, np.ndarray], inside: dict, count: int) -> None:
    """Add the ``count`` best of those inside to the masks; of equal ones the first."""
    if count == 0:
        return
    values = np.concatenate([v for _, v in inside.values()])
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    kept_ones = values > threshold
    ties = np.flatnonzero(values == threshold)
    kept_ones[ties[:count - np.count_nonzero(kept_ones)]] = True
    start = 0
    for name, (positions, own) in inside.items():
        chosen[name][positions[kept_ones[start:start + len(own)]]] = True
        start += len(own)
