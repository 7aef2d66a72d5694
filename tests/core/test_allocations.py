"""How each allocation ranks: tables, a stable sort, torch's own pruning, shares by hand."""
import math

import numpy as np
import pytest
import torch
from rankings import masks, naive, random_case, tensors, texts
from torch import nn
from torch.nn.utils import prune

from mmlth.core.allocations import erk, erk_densities, globally, layerwise, normalized
from mmlth.core.masks import count_kept, dense_masks, kept, size


@pytest.mark.parametrize('scores, old, density, expected', [
    pytest.param(dict(a=[1, 2, 3, 4]), dict(a='1111'), 0.5, dict(a='0011'),
                 id='the higher half stays'),
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
    pytest.param(dict(a=[0, 0, 0, 0]), dict(a='0101'), 0.25, dict(a='0100'),
                 id='the dead do not tie'),
    pytest.param(dict(a=[3, 1], b=[2, 4]), dict(a='11', b='11'), 1.0, dict(a='11', b='11'),
                 id='all stay'),
    pytest.param(dict(a=[3, 1, 2, 4]), dict(a='1010'), 0.5, dict(a='1010'),
                 id='all that are left stay'),
    pytest.param(dict(a=[7]), dict(a='1'), 1.0, dict(a='1'), id='one weight stays'),
    pytest.param(dict(a=[7], b=[8]), dict(a='1', b='1'), 0.5, dict(a='0', b='1'),
                 id='one of two weights'),
    pytest.param(dict(a=[1, 2, 3, 4, 5]), dict(a='11111'), 0.5, dict(a='00011'),
                 id='2.5 rounds to 2'),
])
def test_global_ranking(scores, old, density, expected):
    assert texts(globally(tensors(**scores), masks(**old), density)) == expected


def test_global_ranking_is_that_of_a_stable_sort():
    for seed in range(100):
        scores, old = random_case(np.random.default_rng(seed))
        for count in range(1, kept(old) + 1):
            found = globally(scores, old, count / size(old))
            expected = naive(scores, old, count)
            assert texts(found) == texts(expected), f'seed={seed}, count={count}'


def test_a_dead_weight_may_score_nan():
    assert texts(globally(tensors(a=[math.nan, 1, 2, 3]), masks(a='0111'), 0.5)) == dict(a='0011')


@pytest.mark.parametrize('scores, density', [
    pytest.param(torch.arange(4.), 1.5, id='density above one'),
    pytest.param(torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), 0.5, id='float64 scores'),
])
def test_errors_do_not_blame_nan_where_there_is_none(scores, density):
    try:
        assert kept(globally({'w': scores}, masks(w='1111'), density)) == 2
    except ValueError as error:
        assert 'NaN' not in str(error)


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
    pytest.param(dict(a=[math.nan, 3, 4], b=[30, 40]), dict(a='011', b='11'), 0.4,
                 dict(a='001', b='01'), id='the dead may be NaN'),
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
    scores = {
        'a': torch.tensor([3e-30, 4e-30]),  # squares are 0 in float32
        'b': torch.tensor([30., 40.]),
    }
    assert texts(normalized(scores, masks(a='11', b='11'), 0.5)) == dict(a='01', b='01')


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


# Evci et al.: (2 + 2 + 1 + 1) / 4 = 1.5 and (4 + 4 + 1 + 1) / 16 = 0.625,
# so 6 and 10 weights x scale
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
    pytest.param(0.5, (4, 6), id='3.75 and 6.25'), pytest.param(0.8, (4, 12),
                 id='whole and the rest')])
def test_erk_counts_by_hand(density, expected):
    found = erk(SMALL_AND_LARGE, dense_masks(SMALL_AND_LARGE), density)
    assert (count_kept(found['a']), count_kept(found['b'])) == expected


def test_erk_of_density_one_keeps_everything():
    assert erk_densities({'w': torch.ones(1, 3, 6, 1)}, 1.0) == {'w': 1.0}
