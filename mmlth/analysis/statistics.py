"""Paired differences between trainings of equal seeds: intervals, p-values, corrections."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats is slow to import

Scores = Mapping[int, float]  # seed -> metric of the training with that seed
Interval = tuple[float, float]

LEVEL = 0.95
MOST_SEEDS = 1000  # beyond which nobody asks how many more


def paired(ours: Scores, theirs: Scores) -> list[float]:
    """Return ours - theirs for every seed that both have, by seed."""
    return [ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))]


def half_width(values: Sequence[float], level: float = LEVEL) -> float | None:
    """Return half of the confidence interval of the mean, by Student's t: t * s / sqrt(n).

    Args:
        values: Independent ones, such as differences of seeds.
        level: Share of such intervals that hold the true mean, in (0, 1).

    Returns:
        None for fewer than two values, NaN where any value is.
    """
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    return _t(len(values), level) * stdev(values) / math.sqrt(len(values))


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the interval of the mean; all numbers where the values say nothing of it."""
    half = half_width(values, level)
    if half is None or math.isnan(half):
        return -math.inf, math.inf
    mean = fmean(values)
    return mean - half, mean + half


def p_below(values: Sequence[float], bound: float) -> float:
    """Return how likely a mean this low is, or a lower one, if the true mean were ``bound``.

    One-sided t test; 1 for fewer than two values or any that isn't finite.
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return 1.0
    distance, spread = fmean(values) - bound, stdev(values)
    if spread == 0:
        return 0.0 if distance < 0 else 1.0
    return float(stdtr(len(values) - 1, distance / spread * math.sqrt(len(values))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of comparisons (Holm, 1979), in their order.

    Rejecting those of at most a makes any false rejection at most as likely as a.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        factor = len(p_values) - rank
        largest = max(largest, min(1.0, factor * p_values[index]))
        corrected[index] = largest
    return corrected


def seeds_needed(values: Sequence[float], bound: float, level: float = LEVEL) -> int | None:
    """Return with how many seeds the interval would leave out ``bound``.

    Mean and deviation are taken to stay as they are in ``values``.

    Returns:
        At least the number of values; None where that can't be told: fewer than two values, one
        that isn't finite, or more than :data:`MOST_SEEDS`.
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    distance, spread = abs(fmean(values) - bound), stdev(values)
    numbers = np.arange(len(values), MOST_SEEDS + 1)
    widths = _quantiles(level)[numbers - 2] * spread / np.sqrt(numbers)
    enough = numbers[widths < distance]
    return int(enough[0]) if len(enough) else None


def bootstrap(
    metric: Callable[[np.ndarray], float], images: int, *, draws: int = 1000, seed: int = 0,
) -> np.ndarray:
    """Return a metric over images drawn with replacement: float64 (draws).

    Their spread says how sure a number is for one trained net; seeds are another matter. Calls of
    equal ``images``, ``draws`` and ``seed`` draw the same images, so that differences are paired.

    Args:
        metric: Of how often each image was drawn: int64 (images), which sum to ``images``.
        images: How many there are.
        draws: How often as many are drawn.
        seed: Of the draws.

    Raises:
        ValueError: No image, or no draw.
    """
    if images < 1 or draws < 1:
        raise ValueError(f'images={images}, draws={draws}: both must be at least 1')
    generator = np.random.default_rng(seed)
    return np.array([metric(np.bincount(generator.integers(images, size=images), minlength=images))
                     for _ in range(draws)], dtype=np.float64)


def percentiles(values: np.ndarray, level: float = LEVEL) -> Interval:
    """Return between which values the middle ``level`` of them lie; NaN where any is."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _t(n: int, level: float) -> float:
    return float(stdtrit(n - 1, (1 + level) / 2))


@cache
def _quantiles(level: float) -> np.ndarray:
    """Return those of Student's t for 2 to MOST_SEEDS values."""
    return np.asarray(stdtrit(np.arange(1, MOST_SEEDS), (1 + level) / 2))
