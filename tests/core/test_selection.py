"""Which weights survive: exact counts, a fixed order of ties, nesting, and the collapse guard."""
import logging
import math
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from mmlth.core import ranking
from mmlth.core.allocations import ALLOCATIONS, erk, erk_densities, globally, layerwise, normalized
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


def tensors(**rows):
    return {name: torch.tensor(row, dtype=torch.float32) for name, row in rows.items()}


def masks(**texts):
    return {name: torch.tensor([c == '1' for c in text]) for name, text in texts.items()}


def texts(found):
    return {name: ''.join('01'[int(x)] for x in m.flatten()) for name, m in found.items()}


def naive(scores, old, count):
    """Rank what is kept by a stable sort, first tensors and positions first."""
    flat = np.concatenate([s.flatten().numpy() for s in scores.values()])
    alive = np.concatenate([m.flatten().numpy() for m in old.values()])
    order = [i for i in np.argsort(-flat, kind='stable') if alive[i]]
    chosen = np.zeros(len(flat), bool)
    chosen[order[:count]] = True
    parts = np.split(chosen, np.cumsum([s.numel() for s in scores.values()])[:-1])
    return {name: torch.from_numpy(part).reshape(old[name].shape) for name, part in zip(old, parts)}


def random_case(rng, ties=True):
    """Draw up to five tensors with small integer scores and old masks that keep about 70%."""
    shapes = [tuple(rng.integers(1, 5, rng.integers(1, 4))) for _ in range(rng.integers(1, 6))]
    scores, old = {}, {}
    for i, shape in enumerate(shapes):
        drawn = rng.integers(0, rng.integers(1, 5), shape) if ties else rng.random(shape)
        scores[f'layer{i}'] = torch.from_numpy(np.asarray(drawn, np.float32))
        old[f'layer{i}'] = torch.from_numpy(np.asarray(rng.random(shape) < 0.7))
    return scores, old


@pytest.mark.parametrize('scores, old, density, expected', [
    pytest.param(dict(a=[1, 2, 3, 4]), dict(a='1111'), 0.5, dict(a='0011'), id='the higher half stays'),
    pytest.param(dict(a=[4, 1], b=[3, 2]), dict(a='11', b='11'), 0.75, dict(a='10', b='11'),
                 id='tensors compete'),
    pytest.param(dict(a=[5, 5, 5, 5]), dict(a='1111'), 0.5, dict(a='1100'),
                 id='of equals the first stay'),
    pytest.param(dict(a=[5, 5], b=[5, 5]), dict(a='11', b='11'), 0.75, dict(a='11', b='10'),
                 id='of equals the first tensor stays'),
    pytest.param(dict(b=[5, 5], a=[5, 5]), dict(b='11', a='11'), 0.75, dict(b='11', a='10'),
                 id='the first tensor is the first given and not the first by name'),
    pytest.param(dict(a=[1, 5, 3, 5, 5]), dict(a='11111'), 0.4, dict(a='01010'),
                 id='ties at the threshold'),
    pytest.param(dict(a=[0, 0, 0, 1]), dict(a='1111'), 0.75, dict(a='1101'), id='ties at zero'),
    pytest.param(dict(a=[-1, -3, -2]), dict(a='111'), 2 / 3, dict(a='101'), id='negative scores'),
    pytest.param(dict(a=[1, 2, 9, 9]), dict(a='1100'), 0.25, dict(a='0100'),
                 id='the dead do not compete'),
    pytest.param(dict(a=[0, 0, 0, 0]), dict(a='0101'), 0.25, dict(a='0100'), id='the dead do not tie'),
    pytest.param(dict(a=[3, 1], b=[2, 4]), dict(a='11', b='11'), 1.0, dict(a='11', b='11'),
                 id='all stay'),
    pytest.param(dict(a=[3, 1, 2, 4]), dict(a='1010'), 0.5, dict(a='1010'), id='all that are left stay'),
    pytest.param(dict(a=[7]), dict(a='1'), 1.0, dict(a='1'), id='one weight stays'),
    pytest.param(dict(a=[7], b=[8]), dict(a='1', b='1'), 0.5, dict(a='0', b='1'),
                 id='one of two weights'),
    pytest.param(dict(a=[1, 2, 3, 4, 5]), dict(a='11111'), 0.5, dict(a='00011'), id='2.5 rounds to 2'),
])
def test_global_ranking(scores, old, density, expected):
    assert texts(globally(tensors(**scores), masks(**old), density)) == expected


@pytest.mark.parametrize('allocation', ALLOCATIONS)
def test_inputs_stay_as_they_were(allocation):
    scores, old = tensors(a=[1, 2, 3, 3]), masks(a='1101')
    select(scores, old, 0.5, allocation=allocation)
    assert scores['a'].tolist() == [1, 2, 3, 3]
    assert texts(old) == dict(a='1101')


def test_global_ranking_is_that_of_a_stable_sort():
    for seed in range(300):
        scores, old = random_case(np.random.default_rng(seed))
        for count in range(1, kept(old) + 1):
            found = globally(scores, old, count / size(old))
            expected = naive(scores, old, count)
            assert texts(found) == texts(expected), f'seed={seed}, count={count}'


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


# score / norm of the tensor: 30 and 40 have the norm 50, 3 and 4 the norm 5


def naive_normalized(scores, old, count):
    """Rank by a stable sort of scores divided in float64."""
    norms = {n: np.linalg.norm(s.double()[old[n]].numpy()) for n, s in scores.items()}
    return naive({n: s.double() / (norms[n] or 1) for n, s in scores.items()}, old, count)


@pytest.mark.parametrize('scores, old, density, expected', [
    pytest.param(dict(a=[30, 40], b=[4, 3]), dict(a='11', b='11'), 0.5, dict(a='01', b='10'),
                 id='the higher of each tensor'),
    pytest.param(dict(a=[30, 40], b=[4, 3]), dict(a='11', b='11'), 0.75, dict(a='11', b='10'),
                 id='of equals the first tensor stays'),
    pytest.param(dict(a=[3, 4], b=[1, 0]), dict(a='11', b='11'), 0.25, dict(a='00', b='10'),
                 id='1 of 1 is more than 4 of 5'),
    pytest.param(dict(a=[3, 4, 99], b=[3, 4]), dict(a='110', b='11'), 0.6, dict(a='110', b='01'),
                 id='the dead do not count in the norm'),
    pytest.param(dict(a=[math.nan, 3, 4], b=[30, 40]), dict(a='011', b='11'), 0.4, dict(a='001', b='01'),
                 id='the dead may be NaN'),
    pytest.param(dict(a=[0, 0], b=[3, 4]), dict(a='11', b='11'), 0.5, dict(a='00', b='11'),
                 id='a tensor of zeros stays at zero'),
    pytest.param(dict(a=[0, 0], b=[-3, 4]), dict(a='11', b='11'), 0.75, dict(a='11', b='01'),
                 id='negative is below zero'),
    pytest.param(dict(a=[-30, -40], b=[-4, -3]), dict(a='11', b='11'), 0.5, dict(a='10', b='01'),
                 id='all negative'),
    pytest.param(dict(a=[5]), dict(a='1'), 1.0, dict(a='1'), id='one weight'),
])
def test_normalized_ranking(scores, old, density, expected):
    assert texts(normalized(tensors(**scores), masks(**old), density)) == expected


def test_normalized_ranking_is_that_of_a_stable_sort_of_quotients():
    for seed in range(40):
        scores, old = random_case(np.random.default_rng(seed), ties=False)
        scores = {name: (s - 0.3) * 10**i for i, (name, s) in enumerate(scores.items())}
        for count in range(1, kept(old) + 1):
            found = normalized(scores, old, count / size(old))
            expected = naive_normalized(scores, old, count)
            assert texts(found) == texts(expected), f'seed={seed}, count={count}'


def test_normalized_ranking_does_not_see_the_scale_of_a_tensor():
    scores, old = random_case(np.random.default_rng(1), ties=False)
    scaled = {name: s * 2.0**i for i, (name, s) in enumerate(scores.items())}
    count = kept(old) // 2
    assert len(scores) > 2
    for rank, same in ((normalized, True), (globally, False)):
        found, before = (rank(s, old, count / size(old)) for s in (scaled, scores))
        assert (texts(found) == texts(before)) is same


def test_scores_whose_quotients_round_to_a_tie_are_told_apart():
    low = torch.tensor(1.75)
    high = torch.nextafter(low, torch.tensor(2.))
    scores = {'a': torch.stack([low, high, torch.tensor(1.)])}
    norm = math.sqrt(sum(float(x)**2 for x in scores['a']))
    assert (scores['a'] / norm)[0] == (scores['a'] / norm)[1]
    assert texts(normalized(scores, masks(a='111'), 1 / 3)) == dict(a='010')


def test_the_norm_of_tiny_scores_does_not_vanish():
    scores = {'a': torch.tensor([3e-30, 4e-30]), 'b': torch.tensor([30., 40.])}  # squares are 0 in float32
    assert texts(normalized(scores, masks(a='11', b='11'), 0.5)) == dict(a='01', b='01')


def test_normalized_ranking_keeps_a_minimum_of_each_tensor(caplog):
    scores = tensors(a=[3, 4], b=[0, 0])
    with caplog.at_level(logging.WARNING, logger='mmlth'):
        found = select(scores, dense_masks(scores), 0.5, allocation='normalized')
    assert texts(found) == dict(a='01', b='10')
    assert 'layer b would keep fewer than min_kept=1' in caplog.text


def prune_by_torch(layers, allocation, sparsity):
    parameters = [(layer, 'weight') for layer in layers.values()]
    if allocation is globally:
        prune.global_unstructured(parameters, pruning_method=prune.L1Unstructured, amount=sparsity)
    for layer, name in parameters:
        if allocation is layerwise:
            prune.l1_unstructured(layer, name, amount=sparsity)
    return {name: layer.weight_mask for name, layer in layers.items()}


@pytest.mark.parametrize('allocation', [globally, layerwise])
def test_torch_prunes_the_same_weights(allocation):
    for sparsity in (0.1, 0.5, 0.8):
        torch.manual_seed(0)
        layers = dict(conv=nn.Conv2d(4, 1, 5), fc=nn.Linear(20, 10))  # 100 and 200 weights
        scores = {name: layer.weight.detach().abs() for name, layer in layers.items()}
        assert len(torch.cat([s.flatten() for s in scores.values()]).unique()) == 300  # no ties
        found = allocation(scores, dense_masks(scores), 1 - sparsity)
        expected = prune_by_torch(layers, allocation, sparsity)
        assert texts(found) == texts(expected), f'sparsity={sparsity}'


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


@pytest.mark.parametrize('scores, density, expected', [
    pytest.param(dict(a=[1, 2], b=[9, 8]), 0.5, dict(a='01', b='10'), id='half of each'),
    pytest.param(dict(a=[1, 1], b=[1, 1]), 0.5, dict(a='10', b='10'), id='the first of each'),
    pytest.param(dict(a=[1, 2, 3], b=[1]), 0.5, dict(a='011', b='0'),
                 id='one and a half and a half: 2 and 0'),
    pytest.param(dict(b=[1, 2, 3, 4], a=[1, 2, 3]), 0.3, dict(b='0001', a='001'),
                 id='1.2 and 0.9: 1 and 1'),
    pytest.param(dict(a=[1, 2], b=[9, 8]), 1.0, dict(a='11', b='11'), id='all stay'),
    pytest.param(dict(a=[7]), 1.0, dict(a='1'), id='one weight'),
])
def test_layerwise(scores, density, expected):
    scores = tensors(**scores)
    assert texts(layerwise(scores, dense_masks(scores), density)) == expected


def test_layerwise_keeps_the_best_of_each_layer_and_its_share_to_within_one():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores, _ = random_case(rng)
        dense, density = dense_masks(scores), float(rng.random())
        found = layerwise(scores, dense, density)
        assert kept(found) == round(density * size(dense)), f'seed={seed}'
        for name, m in found.items():
            count = count_kept(m)
            assert abs(count - density * m.numel()) < 1, f'seed={seed}, {name}'
            best = naive({name: scores[name]}, {name: dense[name]}, count)
            assert texts({name: m}) == texts(best), f'seed={seed}, {name}'


def test_a_layer_that_has_fewer_left_than_its_share_leaves_the_rest_to_others():
    found = layerwise(tensors(a=[4, 3, 2, 1], b=[4, 3, 2, 1]), masks(a='1000', b='1111'), 0.5)
    assert texts(found) == dict(a='1000', b='1110')


# Evci et al.: (2 + 2 + 1 + 1) / 4 = 1.5 and (4 + 4 + 1 + 1) / 16 = 0.625, so 6 and 10 weights x scale
SMALL_AND_LARGE = dict(a=torch.ones(2, 2, 1, 1), b=torch.ones(4, 4, 1, 1))


@pytest.mark.parametrize('density, expected', [
    # 10 of 20 weights: scale 10 / 16
    pytest.param(0.5, dict(a=1.5 * 0.625, b=0.625 * 0.625), id='in proportion'),
    # 16 of 20: scale 1 would keep 1.5 of a; so a is whole and 12 of the 16 of b stay
    pytest.param(0.8, dict(a=1.0, b=0.75), id='a layer is kept whole'),
])
def test_erk_densities_by_hand(density, expected):
    assert erk_densities(dense_masks(SMALL_AND_LARGE), density) == pytest.approx(expected)


@pytest.mark.parametrize('density, expected', [
    pytest.param(0.5, (4, 6), id='3.75 and 6.25'), pytest.param(0.8, (4, 12), id='whole and the rest')])
def test_erk_counts_by_hand(density, expected):
    found = erk(SMALL_AND_LARGE, dense_masks(SMALL_AND_LARGE), density)
    assert (count_kept(found['a']), count_kept(found['b'])) == expected


def test_collapse_guard_keeps_the_best_of_the_layer_and_names_it(caplog):
    scores = tensors(body=[9, 8, 7, 6], head=[1, 3, 2, 0])
    with caplog.at_level(logging.WARNING, logger='mmlth'):
        found = select(scores, dense_masks(scores), 0.5, min_kept=2)
    assert texts(found) == dict(body='1100', head='0110')
    assert len(caplog.records) == 1
    assert 'layer head would keep fewer than min_kept=2' in caplog.text


def test_without_a_guard_a_layer_may_go_empty(caplog):
    scores = tensors(body=[9, 8, 7, 6], head=[1, 3, 2, 0])
    assert texts(select(scores, dense_masks(scores), 0.5, min_kept=0)) == dict(body='1111', head='0000')
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
    pytest.param(dict(a=[-1, -1, -1], b=[-9, -5, -7]), dict(a='111', b='101'), 1, dict(a='110', b='001'),
                 id='negative scores are guarded alike'),
    pytest.param(dict(a=[9, 9, 9, 9], b=[2], c=[1]), dict(a='1111', b='1', c='1'), 1,
                 dict(a='1000', b='1', c='1'), id='one-weight layers'),
])
def test_collapse_guard(scores, old, min_kept, expected):
    assert texts(select(tensors(**scores), masks(**old), 0.5, min_kept=min_kept)) == expected


def test_the_guard_keeps_counts_exact_and_the_best_of_each_layer():
    for seed in range(100):
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


@pytest.mark.parametrize('allocation', ALLOCATIONS)
def test_density_may_not_rise(allocation):
    with pytest.raises(ValueError, match='cannot be kept'):
        select(tensors(a=[1, 2, 3, 4]), masks(a='1100'), 0.75, allocation=allocation)


@pytest.mark.parametrize('scores, density', [
    pytest.param(torch.arange(4.), 1.5, id='density above one'),
    pytest.param(torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), 0.5, id='float64 scores'),
])
def test_errors_do_not_blame_nan_where_there_is_none(scores, density):
    try:
        assert kept(globally({'w': scores}, masks(w='1111'), density)) == 2
    except ValueError as error:
        assert 'NaN' not in str(error)


def test_erk_of_density_one_keeps_everything():
    assert erk_densities({'w': torch.ones(1, 3, 6, 1)}, 1.0) == {'w': 1.0}


@pytest.mark.parametrize('scores, message', [
    pytest.param(dict(b=[1]), "'a' is in the masks but not in the scores", id='a layer is missing'),
    pytest.param(dict(a=[1], b=[1]), r"'a' has shape \(1,\) in the scores", id='other shape'),
    pytest.param(dict(a=[1, 2], b=[1], c=[1]), "'c' is in the scores but not", id='a layer too many'),
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
    message = f'allocation={name!r}: allowed are global, normalized, layerwise, erk, or a pattern N:M'
    for call in (check_allocation, lambda bad: select(tensors(a=[1]), masks(a='1'), 1, allocation=bad)):
        with pytest.raises(ValueError) as caught:
            call(name)
        assert str(caught.value).startswith(message)


def test_a_dead_weight_may_score_nan():
    assert texts(globally(tensors(a=[math.nan, 1, 2, 3]), masks(a='0111'), 0.5)) == dict(a='0011')


# the bracket that spares sorting everything


def best_by_stable_sort(scores, mask, count):
    """Stable sort of everything alive: the outside oracle."""
    order = np.argsort(-np.where(mask, scores, -np.inf), kind='stable')
    found = np.zeros(len(scores), bool)
    found[order[:count]] = True
    return found


def drawn(shape, n, rng):
    """Draw ``n`` scores of a kind that a sample sees well or badly."""
    kinds = {
        'random': rng.random(n),
        'ties': rng.integers(0, 4, n),
        'rising': np.arange(n),
        'periodic': np.where(np.arange(n) % 50, rng.random(n), 9),
        'negative': -rng.random(n),
        'one outlier': np.r_[1e30, rng.random(n - 1)],
        'of both signs': rng.integers(-2, 3, n),
    }
    return kinds[shape].astype(np.float32)


@pytest.mark.parametrize('shape', ['random', 'ties', 'rising', 'periodic', 'one outlier',
                                   'of both signs', 'negative'])
def test_a_sampled_bracket_changes_nothing(monkeypatch, shape):
    monkeypatch.setattr(ranking, '_SAMPLE', 40)
    monkeypatch.setattr(ranking, '_BLOCK', 17)
    rng = np.random.default_rng(5)
    n, cut = 2000, 700
    for case in range(60):
        values = drawn(shape, n, rng)
        mask = rng.random(n) < (1.0, 0.5)[case % 2]
        count = int(rng.integers(1, mask.sum() + 1))
        scores = {'a': torch.from_numpy(values[:cut]), 'b': torch.from_numpy(values[cut:])}
        old = {'a': torch.from_numpy(mask[:cut]), 'b': torch.from_numpy(mask[cut:])}
        found = globally(scores, old, count / n)
        found = np.r_[found['a'].numpy(), found['b'].numpy()]
        assert np.array_equal(found, best_by_stable_sort(values, mask, count)), f'case={case}'
