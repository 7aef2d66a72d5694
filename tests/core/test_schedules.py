"""Density of every round."""
import math
from itertools import pairwise, product

import pytest

from mmlth.core.schedules import SCHEDULES, explicit, geometric, linear


@pytest.mark.parametrize('schedule, target, rounds, expected', [
    pytest.param(geometric, 0.75, 2, (1, 0.5, 0.25), id='half of what is left, twice'),
    pytest.param(geometric, 0.875, 3, (1, 0.5, 0.25, 0.125), id='half of what is left, thrice'),
    pytest.param(geometric, 0.8, 1, (1, 0.2), id='one shot'),
    pytest.param(geometric, 0.8, 0, (1, ), id='the dense net alone'),
    pytest.param(linear, 0.8, 0, (1, ), id='the dense net alone, linear'),
    pytest.param(linear, 0.75, 3, (1, 0.75, 0.5, 0.25), id='a quarter of all, thrice'),
    pytest.param(linear, 0.8, 1, (1, 0.2), id='one shot, linear'),
    pytest.param(linear, 0.5, 2, (1, 0.75, 0.5), id='a quarter of all, twice'),
])
def test_densities(schedule, target, rounds, expected):
    assert schedule(target, rounds) == pytest.approx(expected)


def test_geometric_prunes_the_same_share_of_what_is_left():
    densities = geometric(0.8, 4)
    shares = [b / a for a, b in pairwise(densities)]
    assert shares == pytest.approx([0.2**0.25] * 4)


def test_linear_prunes_the_same_number():
    densities = linear(0.8, 4)
    assert [a - b for a, b in pairwise(densities)] == pytest.approx([0.2] * 4)


@pytest.mark.parametrize('name', SCHEDULES)
def test_every_schedule_falls_from_one_to_exactly_the_target(name):
    for target, rounds in product((0.1, 0.3, 0.8, 0.9, 0.99), (1, 2, 3, 7, 20)):
        case = f'target={target}, rounds={rounds}'
        densities = SCHEDULES[name](target, rounds)
        assert len(densities) == rounds + 1, case
        assert (densities[0], densities[-1]) == (1.0, 1 - target), case
        assert all(a > b for a, b in pairwise(densities)), case


def test_explicit_takes_the_sparsities_of_the_rounds():
    assert explicit([0.5]) == (1.0, 0.5)
    assert explicit((0.25, 0.5, 0.75)) == (1.0, 0.75, 0.5, 0.25)


@pytest.mark.parametrize('name', SCHEDULES)
@pytest.mark.parametrize('target, rounds, message', [
    pytest.param(0.0, 4, r'target_sparsity=0\.0 must be in \(0, 1\)', id='nothing pruned'),
    pytest.param(1.0, 4, r'target_sparsity=1\.0', id='everything pruned'),
    pytest.param(-0.1, 4, r'target_sparsity=-0\.1', id='negative'),
    pytest.param(80, 4, r'target_sparsity=80 ', id='per cent'),
    pytest.param(math.nan, 4, r'target_sparsity=nan', id='NaN'),
    pytest.param(0.8, -1, r'rounds=-1 must be a whole number of prunings, at least 1',
                 id='less than no round'),
    pytest.param(0.8, 10**12, r'rounds=1000000000000 .* at most 99', id='a list that fills memory'),
    pytest.param(0.8, 1.5, r'rounds=1\.5', id='one and a half rounds'),
])
def test_bad_targets_and_rounds(name, target, rounds, message):
    with pytest.raises(ValueError, match=message):
        SCHEDULES[name](target, rounds)


@pytest.mark.parametrize('sparsities, message', [
    pytest.param([], 'at least one sparsity', id='empty'),
    pytest.param([0.5, 1.0], r'each in \(0, 1\)', id='everything pruned'),
    pytest.param([0.0, 0.5], r'each in \(0, 1\)', id='nothing pruned'),
    pytest.param([math.nan], r'each in \(0, 1\)', id='NaN'),
    pytest.param([0.5, 0.5], r'schedule=\[0\.5, 0\.5\].*sparser', id='the same twice'),
    pytest.param([0.8, 0.5], 'a pruned weight never comes back', id='falling'),
])
def test_bad_lists(sparsities, message):
    with pytest.raises(ValueError, match=message):
        explicit(sparsities)
