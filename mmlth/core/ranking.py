"""The exact highest of many scores, found in one pass by way of a sample."""
from concurrent.futures import ThreadPoolExecutor
from typing import Mapping

import numpy as np
import torch
from torch import Tensor

from mmlth.core.masks import Masks, size

_SAMPLE = 1 << 18  # scores that bracket the threshold; fewer than twice as many are sorted whole
_BLOCK = 1 << 18  # scores looked at in one go, so that temporaries stay in the cache
_Flat = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> flat scores, flat mask


def top(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int, *,
        finite: bool = True) -> Masks:
    """Keep exactly the ``count`` highest scores among the kept weights of ``masks``.

    A sample brackets the threshold; one pass keeps all above the bracket and collects the few
    inside, of which an exact partial sort takes the best. A bracket that missed is widened.

    Args:
        scores: name -> float tensor, any sign; ranked in float32, ties by order of tensors and positions.
        masks: Old masks of the same names and shapes.
        count: Weights to keep, at least 0.
        finite: Whether to look for NaN and infinity; without, an infinite score is sure to stay.

    Raises:
        ValueError: Scores of kept weights are NaN or infinite, or ``masks`` keep fewer than ``count``.

    >>> scores = {'a': torch.tensor([3., -1.]), 'b': torch.tensor([-1., 9.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, False])}
    >>> {k: v.tolist() for k, v in top(scores, old, 2).items()}
    {'a': [True, True], 'b': [False, False]}
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
