"""Intervals, p-values and corrections against scipy and against their definitions."""

import math

import numpy as np
import pytest
from scipy import stats

from mmlth.analysis.statistics import (
    bootstrap,
    half_width,
    holm,
    p_below,
    paired,
    percentiles,
    seeds_needed,
    t_interval,
)


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def test_pairs_are_of_equal_seeds():
    assert paired({0: 0.5, 2: 0.75, 7: 1.0}, {2: 0.5, 0: 0.25, 5: 0.0}) == [0.25, 0.25]
    assert paired({0: 0.5}, {1: 0.5}) == []


def test_intervals_are_those_of_scipy(draw):
    for n in (2, 3, 5, 40):
        values = draw.normal(0.5, 0.02, n).tolist()
        for level in (0.5, 0.95, 0.99):
            known = stats.t.interval(level, n - 1, np.mean(values), stats.sem(values))
            assert t_interval(values, level) == pytest.approx(known)


def test_what_says_nothing_leaves_all_open():
    assert half_width([0.5]) is None
    assert math.isnan(half_width([0.5, math.nan]))
    for values in ([], [0.5], [0.5, math.nan, 0.5]):
        assert t_interval(values) == (-math.inf, math.inf)
        assert p_below(values, 0.9) == 1.0
        assert seeds_needed(values, 0.9) is None


def test_p_is_that_of_a_paired_t_test(draw):
    ours, theirs = draw.normal(0.50, 0.02, 5), draw.normal(0.52, 0.02, 5)
    known = stats.ttest_rel(ours, theirs, alternative='less').pvalue
    assert p_below((ours - theirs).tolist(), 0.0) == pytest.approx(known)


def test_equal_differences_are_certain():
    assert p_below([-0.5, -0.5], 0.0) == 0.0
    assert p_below([0.0, 0.0], 0.0) == p_below([0.5, 0.5], 0.0) == 1.0
    assert seeds_needed([0.5, 0.5], 0.0) == 2
    assert seeds_needed([0.5, 0.5], 0.5) is None


def test_holm_rejects_as_its_steps_say(draw):
    for _ in range(200):
        found = draw.uniform(0, 0.1, draw.integers(1, 7)).tolist()
        rejected = set()
        for rank, index in enumerate(np.argsort(found)):  # step down until the first that stands
            if found[index] > 0.05 / (len(found) - rank):
                break
            rejected.add(int(index))
        assert {i for i, p in enumerate(holm(found)) if p <= 0.05} == rejected


def test_the_seeds_needed_are_the_first_that_suffice():
    values = [0.01, 0.03, -0.01]
    n = seeds_needed(values, 0.0)
    spread = np.std(values, ddof=1)
    t = [stats.t.ppf(0.975, k - 1) * spread / math.sqrt(k) for k in (n - 1, n)]
    assert t[0] >= 0.01 > t[1]


def test_a_bootstrap_of_a_mean_is_as_wide_as_the_mean_is_uncertain(draw):
    values = draw.normal(0, 1, 400)
    found = bootstrap(lambda times: (times * values).sum() / 400, 400)
    low, high = percentiles(found)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * stats.sem(values), rel=0.1)


def test_bootstraps_draw_the_same_images(draw):
    values = draw.normal(0, 1, 40)
    first, second = (bootstrap(lambda times, add=add: (times * (values + add)).sum() / 40, 40)
                     for add in (0, 1))
    assert np.allclose(second - first, 1, atol=1e-12) and np.std(first) > 0.1


@pytest.mark.parametrize('images, draws', [(0, 10), (10, 0)])
def test_a_bootstrap_of_nothing_is_refused(images, draws):
    with pytest.raises(ValueError, match='must be at least 1'):
        bootstrap(np.sum, images, draws=draws)
