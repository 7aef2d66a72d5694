"""Means over seeds count a seed once, and are unknown if a seed is."""

import math

import pytest
from made_rows import BOX, dense_row, row

from mmlth.analysis.averages import aggregate, by_seed


def test_an_unknown_y_is_named():
    with pytest.raises(ValueError, match="y='loss': allowed are metric, change, difference"):
        aggregate([], BOX, 'loss')


@pytest.mark.parametrize('y, mean', [('metric', 0.5), ('change', 25), ('difference', 0.1)])
def test_mean_over_seeds(y, mean):
    """0.4 and 0.6 against a dense 0.4: s = sqrt(0.02), so s / sqrt(2) = 0.1 and t = 12.706."""
    (group,) = aggregate([row(0.4, 0.4), row(0.6, 0.4, seed=1)], BOX, y)
    assert group.mean == pytest.approx(mean) and group.n == 2
    assert group.ci == pytest.approx(12.706 * (25 if y == 'change' else 0.1), rel=1e-4)
    assert (group.sparsity, group.network_sparsity, group.dense) == (0.8, 0.75, False)
    assert group.lost_seeds == ()


def test_groups_keep_the_order_of_the_rows():
    groups = aggregate(
        [
            row(0.1, x=90.0),
            row(0.2, x=10.0),
            row(0.3, x=90.0, control='random'),
            row(0.4, x=90.0, line='b'),
            row(0.5, x=90.0, label='p'),
            row(0.6, x=90.0, config='d'),
            dense_row(0.7, x=90.0),
            row(0.3, x=90.0, seed=1),
        ],
        BOX,
    )
    assert [g.mean for g in groups] == pytest.approx([0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert [g.n for g in groups] == [2, 1, 1, 1, 1, 1, 1]
    assert [g.ci is None for g in groups] == [False] + [True] * 6


def test_a_dense_net_that_jobs_share_counts_once():
    rows = [dense_row(0.5, job='a'), dense_row(0.5, job='b'), dense_row(0.7, seed=1)]
    (group,) = aggregate(rows, BOX)
    assert group.n == 2 and group.mean == pytest.approx(0.6)
    assert group.ci == pytest.approx(1.2706, rel=1e-4)


def test_a_seed_of_several_jobs_is_their_mean():
    rows = [row(0.4, seed=0), row(0.2, seed=0), row(0.5, seed=1)]
    assert by_seed(rows, lambda each: each['metrics'][BOX]) == {0: pytest.approx(0.3), 1: 0.5}


def test_a_control_of_round_zero_is_no_dense_net():
    groups = aggregate([dense_row(0.5), dense_row(0.25, control='rewound')], BOX)
    assert [g.dense for g in groups] == [True, False]


@pytest.mark.parametrize('y', ['metric', 'change', 'difference'])
def test_a_seed_that_detected_nothing_makes_the_mean_unknown(y):
    (group,) = aggregate([row(0.4), row(None, seed=1), row(0.4, seed=2)], BOX, y)
    assert math.isnan(group.mean) and group.n == 3 and group.lost_seeds == (1,)
