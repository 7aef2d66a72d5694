"""The exact highest of many scores, found in one pass by way of a sample."""
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, size

_SAMPLE = 1 << 18  # scores that bracket the threshold; fewer than twice as many are sorted whole
_BLOCK = 1 << 18  # scores looked at in one go, so that temporaries stay in the cache
_WIDTHS = (3, 30, np.inf)  # of the bracket, in standard deviations; the last can't miss

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]


class _Flat(NamedTuple):
    """One tensor, flat: its scores and which of its weights are alive."""

    scores: Floats
    alive: Bools


class _Bracket(NamedTuple):
    """Scores between which the threshold should lie, both included."""

    low: float
    high: float


class _Scanned(NamedTuple):
    """One tensor: mask of all above the bracket, and the positions of those inside."""

    above: Bools
    inside: Positions


_EVERYTHING = _Bracket(-np.inf, np.inf)


def top(
    scores: Tensors,
    masks: Tensors,
    count: int,
    *,
    finite: bool = True,
) -> Masks:
    """Keep exactly the ``count`` highest scores among the kept weights of ``masks``.

    A sample brackets the threshold; one pass keeps all above the bracket and collects the few
    inside, of which an exact partial sort takes the best. A bracket that missed is widened.

    Args:
        scores: name -> float tensor, any sign; ranked in float32, ties by order of tensors and
            positions.
        masks: Old masks of the same names and shapes.
        count: Weights to keep, at least 0.
        finite: Whether to look for NaN and infinity; without, an infinite score is sure to stay.

    Raises:
        ValueError: Scores of kept weights are NaN or infinite, or ``masks`` keep fewer than
            ``count``.

    >>> scores = {'a': torch.tensor([3., -1.]), 'b': torch.tensor([-1., 9.])}
    >>> old = {'a': torch.tensor([True, True]), 'b': torch.tensor([True, False])}
    >>> {k: v.tolist() for k, v in top(scores, old, 2).items()}
    {'a': [True, True], 'b': [False, False]}
    """
    if count == 0:
        return {name: torch.zeros_like(mask) for name, mask in masks.items()}
    flat = {name: _flatten(scores[name], mask) for name, mask in masks.items()}
    for width in _WIDTHS:
        bracket = _find_bracket(flat, count, width)
        scanned = _scan(flat, bracket, finite)
        above = sum(np.count_nonzero(each.above) for each in scanned.values())
        inside = sum(len(each.inside) for each in scanned.values())
        if above <= count <= above + inside:
            break
    else:
        raise ValueError(f'{count} of {size(masks)} weights cannot be kept: the old masks keep '
                         'fewer and a pruned weight never comes back. Densities must fall from '
                         'round to round')
    _keep_best(flat, scanned, count - above)
    return {name: torch.from_numpy(scanned[name].above).reshape(mask.shape)
            for name, mask in masks.items()}


def _flatten(scores: Tensor, mask: Tensor) -> _Flat:
    flat_scores = scores.float().reshape(-1)
    flat_mask = mask.reshape(-1)
    return _Flat(flat_scores.numpy(), flat_mask.numpy())


def _find_bracket(flat: Mapping[str, _Flat], count: int, width: float) -> _Bracket:
    """Bracket the ``count``-th highest score, ``width`` standard deviations to either side."""
    total = sum(len(each.scores) for each in flat.values())
    stride = total // _SAMPLE
    if stride < 2 or width == np.inf:
        return _EVERYTHING
    sample = np.concatenate([_sample(each, stride) for each in flat.values()])
    alive = sum(np.count_nonzero(each.alive) for each in flat.values())
    rank = len(sample) * (1 - count / max(1, alive))
    spread = width * len(sample)**0.5
    lower = int(rank - spread)
    upper = int(rank + spread)
    inner = [at for at in (lower, upper) if 0 <= at < len(sample)]
    ordered = np.partition(sample, inner) if inner else sample
    low = ordered[lower] if lower in inner else -np.inf
    high = ordered[upper] if upper in inner else np.inf
    return _Bracket(low, high)


def _sample(flat: _Flat, stride: int) -> Floats:
    scores = flat.scores[::stride]
    alive = flat.alive[::stride]
    return scores[alive]


def _scan(
    flat: Mapping[str, _Flat],
    bracket: _Bracket,
    finite: bool,
) -> dict[str, _Scanned]:
    """Scan all tensors, in as many threads as torch has: numpy lets go of the interpreter."""
    def scan(name: str) -> _Scanned:
        return _scan_one(name, flat[name], bracket, finite)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return dict(zip(flat, pool.map(scan, flat), strict=True))


def _scan_one(
    name: str,
    flat: _Flat,
    bracket: _Bracket,
    finite: bool,
) -> _Scanned:
    above = np.empty(len(flat.scores), bool)
    inside = []
    for start in range(0, len(flat.scores), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = flat.scores[block]
        alive = flat.alive[block]
        if finite and not _is_finite(scores, alive):
            raise ValueError(f'scores of {name!r} are NaN or infinite')
        over = np.greater(scores, bracket.high, out=above[block])
        enough = scores >= bracket.low
        if not alive.all():
            over &= alive
            enough &= alive
        between = np.logical_xor(enough, over, out=enough)
        inside.append(start + np.flatnonzero(between))
    return _Scanned(above, np.concatenate(inside))


def _is_finite(scores: Floats, alive: Bools) -> bool:
    # NaN and infinity show in a sum; what is pruned already may hold them.
    if np.isfinite(scores.sum()):
        return True
    return bool(np.isfinite(scores[alive]).all())


def _keep_best(
    flat: Mapping[str, _Flat],
    scanned: Mapping[str, _Scanned],
    count: int,
) -> None:
    """Add the ``count`` best of those inside to the masks; of equal ones the first."""
    if count == 0:
        return
    values = [flat[name].scores[each.inside] for name, each in scanned.items()]
    best = _best(np.concatenate(values), count)
    start = 0
    for each in scanned.values():
        end = start + len(each.inside)
        chosen = each.inside[best[start:end]]
        each.above[chosen] = True
        start = end


def _best(values: Floats, count: int) -> Bools:
    """Return which of the values are the ``count`` highest; of equal ones the first."""
    rank = len(values) - count
    threshold = np.partition(values, rank)[rank]
    best: Bools = values > threshold
    ties = np.flatnonzero(values == threshold)
    room = count - np.count_nonzero(best)
    best[ties[:room]] = True
    return best
