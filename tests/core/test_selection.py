"""Selection: a subset of exact count by any allocation, the collapse guard, what is refused."""
import logging
import math
import signal

import numpy as np
import pytest
import torch
from rankings import masks, naive, random_case, tensors, texts

from mmlth.core.allocations import ALLOCATIONS
from mmlth.core.masks import count_kept, dense_masks, is_subset, kept, size
from mmlth.core.selection import check_allocation, select


@pytest.fixture(autouse=True)
def no_endless_loop():
    """Fail a test in which the guard never ends (the longest takes some seconds)."""
    def stop(*args):
        raise TimeoutError('the collapse guard goes round and round')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)


@pytest.mark.parametrize('allocation', ALLOCATIONS)
def test_inputs_stay_as_they_were(allocation):
    scores, old = tensors(a=[1, 2, 3, 3]), masks(a='1101')
    select(scores, old, 0.5, allocation=allocation)
    assert scores['a'].tolist() == [1, 2, 3, 3]
    assert texts(old) == dict(a='1101')


@pytest.mark.parametrize('allocation', ['global', 'layerwise', 'erk'])
def test_only_the_order_of_scores_counts_so_they_may_be_negative(allocation):
    for seed in range(20):
        scores, old = random_case(np.random.default_rng(seed))
        floor = sum(min(1, count_kept(m)) for m in old.values())
        lower = {name: s - 2 for name, s in scores.items()}  # below zero, zero and above
        for count in range(max(1, floor), kept(old) + 1, 5):
            density = count / size(old)
            found = select(lower, old, density, allocation=allocation)
            same = select(scores, old, density, allocation=allocation)
            assert texts(found) == texts(same), f'seed={seed}, count={count}'


@pytest.mark.parametrize('allocation', ALLOCATIONS)
def test_masks_of_all_rounds_are_nested_and_exact(allocation):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        current = {name: torch.ones_like(m) for name, m in random_case(rng)[1].items()}
        for density in (0.9, 0.7, 0.5, 0.35):
            scores = {n: torch.from_numpy(rng.integers(0, 4, m.shape).astype(np.float32))
                      for n, m in current.items()}  # new scores each round, as after a training
            found = select(scores, current, density, allocation=allocation, min_kept=0)
            assert is_subset(found, current), f'seed={seed}, density={density}'
            expected = round(density * size(current))
            assert kept(found) == expected, f'seed={seed}, density={density}'
            current = found


def test_collapse_guard_keeps_the_best_of_the_layer_and_names_it(caplog):
    scores = tensors(body=[9, 8, 7, 6], head=[1, 3, 2, 0])
    with caplog.at_level(logging.WARNING, logger='mmlth'):
        found = select(scores, dense_masks(scores), 0.5, min_kept=2)
    assert texts(found) == dict(body='1100', head='0110')
    assert len(caplog.records) == 1
    assert 'layer head would keep fewer than min_kept=2' in caplog.text


def test_without_a_guard_a_layer_may_go_empty(caplog):
    scores = tensors(body=[9, 8, 7, 6], head=[1, 3, 2, 0])
    found = select(scores, dense_masks(scores), 0.5, min_kept=0)
    assert texts(found) == dict(body='1111', head='0000')
    assert not caplog.records


@pytest.mark.parametrize('scores, old, min_kept, expected', [
    pytest.param(dict(a=[9, 9, 9], b=[1, 1, 1]), dict(a='111', b='111'), 1, dict(a='110', b='100'),
                 id='of equals the first is guarded'),
    pytest.param(dict(a=[9, 9, 9], b=[1, 5, 2]), dict(a='111', b='101'), 1, dict(a='110', b='001'),
                 id='a dead weight is not revived by the guard'),
    pytest.param(dict(a=[9, 9, 9], b=[1, 5, 2]), dict(a='111', b='001'), 2, dict(a='110', b='001'),
                 id='a layer with fewer left keeps what it has'),
    pytest.param(dict(a=[9, 9, 9], b=[1, 5, 2]), dict(a='111', b='000'), 2, dict(a='111', b='000'),
                 id='an empty layer stays empty'),
    pytest.param(dict(a=[-1, -1, -1], b=[-9, -5, -7]), dict(a='111', b='101'), 1,
                 dict(a='110', b='001'),
                 id='negative scores are guarded alike'),
    pytest.param(dict(a=[9, 9, 9, 9], b=[1, 2, 3, 4]), dict(a='1111', b='1111'), 0.26,
                 dict(a='1100', b='0011'), id='a share is rounded up'),
    pytest.param(dict(a=[9, 9, 9, 9], b=[2], c=[1]), dict(a='1111', b='1', c='1'), 1,
                 dict(a='1000', b='1', c='1'), id='one-weight layers'),
])
def test_collapse_guard(scores, old, min_kept, expected):
    assert texts(select(tensors(**scores), masks(**old), 0.5, min_kept=min_kept)) == expected


def test_the_guard_keeps_counts_exact_and_the_best_of_each_layer():
    for seed in range(40):
        scores, old = random_case(np.random.default_rng(seed))
        floor = sum(min(2, count_kept(m)) for m in old.values())
        for count in range(max(1, floor), kept(old) + 1):
            found = select(scores, old, count / size(old), min_kept=2)
            case = f'seed={seed}, count={count}'
            assert kept(found) == count, case
            for name, m in found.items():
                assert count_kept(m) >= min(2, count_kept(old[name])), f'{case}, {name}'
                best = naive({name: scores[name]}, {name: old[name]}, count_kept(m))
                assert texts({name: m}) == texts(best), f'{case}, {name}'


def test_a_guard_that_cannot_be_met_is_an_error():
    scores = tensors(a=[1, 2, 3, 4], b=[5, 6, 7, 8])
    with pytest.raises(ValueError, match=r'min_kept=3 in each of 2 tensors exceeds the 4 weights'):
        select(scores, dense_masks(scores), 0.5, min_kept=3)


def test_the_guard_keeps_the_shares_of_the_layers():
    scores = tensors(tiny=[1], low=[*range(8)], high=[*range(100, 108)])
    found = select(scores, dense_masks(scores), 0.5, allocation='layerwise')  # 8 of 17
    assert sorted(count_kept(m) for m in found.values()) == [1, 3, 4]


def test_normalized_ranking_keeps_a_minimum_of_each_tensor(caplog):
    scores = tensors(a=[3, 4], b=[0, 0])
    with caplog.at_level(logging.WARNING, logger='mmlth'):
        found = select(scores, dense_masks(scores), 0.5, allocation='normalized')
    assert texts(found) == dict(a='01', b='10')
    assert 'layer b would keep fewer than min_kept=1' in caplog.text


@pytest.mark.parametrize('allocation', ALLOCATIONS)
def test_density_may_not_rise(allocation):
    with pytest.raises(ValueError, match='cannot be kept'):
        select(tensors(a=[1, 2, 3, 4]), masks(a='1100'), 0.75, allocation=allocation)


@pytest.mark.parametrize('scores, message', [
    pytest.param(dict(b=[1]), "'a' is in the masks but not in the scores", id='a layer is missing'),
    pytest.param(dict(a=[1], b=[1]), r"'a' has shape \(1,\) in the scores", id='other shape'),
    pytest.param(dict(a=[1, 2], b=[1], c=[1]), "'c' is in the scores but not",
                 id='a layer too many'),
])
def test_scores_must_fit_the_masks(scores, message):
    with pytest.raises(ValueError, match=message):
        select(tensors(**scores), masks(a='11', b='1'), 0.5)


@pytest.mark.parametrize('bad', [
    pytest.param([math.nan, 1, 2], id='one NaN'),
    pytest.param([math.nan] * 3, id='all NaN'),
    pytest.param([math.nan, 4, 4], id='NaN beside ties'),
    pytest.param([math.inf, 1, 2], id='infinite'),
])
def test_scores_that_are_not_finite_are_named(bad):
    scores = tensors(**{'fine.weight': [3, 4, 5], 'bad.weight': bad})
    for allocation in ALLOCATIONS:
        with pytest.raises(ValueError) as caught:
            select(scores, dense_masks(scores), 0.5, allocation=allocation)
        assert str(caught.value) == "scores of 'bad.weight' are NaN or infinite", allocation


@pytest.mark.parametrize('name', [*ALLOCATIONS, '2:4', '4:8', '15:16', '1:2'])
def test_allocations_have_names(name):
    check_allocation(name)


@pytest.mark.parametrize('name', ['uniform', '', 'global ', '2:4:8', '2:', 24, None, ['global']])
def test_an_unknown_allocation_is_told_what_there_is(name):
    def select_by(bad):
        select(tensors(a=[1]), masks(a='1'), 1, allocation=bad)

    message = (f'allocation={name!r}: allowed are global, normalized, layerwise, erk, '
               'or a pattern N:M')
    for call in (check_allocation, select_by):
        with pytest.raises(ValueError) as caught:
            call(name)
        assert str(caught.value).startswith(message)
