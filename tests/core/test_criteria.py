"""Scores: higher = kept."""
import math

import pytest
import torch

from mmlth.core import criteria


@pytest.mark.parametrize('weights, expected', [
    pytest.param([-3., 2., 0.], [3, 2, 0], id='the sign does not count'),
    pytest.param([-0., 0.], [0, 0], id='both zeros score zero'),
    pytest.param([7.], [7], id='one weight'),
])
def test_magnitude(weights, expected):
    assert criteria.score('magnitude', {'w': torch.tensor(weights)})['w'].tolist() == expected


def test_magnitude_is_not_divided_by_anything_per_layer():
    scores = criteria.magnitude({'small': torch.tensor([1., 1.]), 'large': torch.tensor([100., 300.])})
    assert torch.cat([*scores.values()]).tolist() == [1, 1, 100, 300]


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
def test_scores_are_new_float32_tensors_in_the_shape_of_the_weights(criterion):
    weights = {'half': torch.ones(2, 3, dtype=torch.float16, requires_grad=True), 'one': torch.ones(1)}
    scores = criteria.score(criterion, weights)
    assert {name: (s.dtype, tuple(s.shape)) for name, s in scores.items()} == {
        'half': (torch.float32, (2, 3)), 'one': (torch.float32, (1, ))}
    for tensor in scores.values():
        assert not tensor.requires_grad
        tensor.fill_(9)
    assert weights['one'].tolist() == [1]


def test_random_scores_depend_on_the_seed_alone():
    ones, twos = ({'a': torch.full((50, ), x), 'b': torch.full((50, ), x)} for x in (1., 2.))
    first, again, other = (criteria.score('random', weights, seed)
                           for weights, seed in ((ones, 3), (twos, 3), (ones, 4)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['a'], other['a'])
    assert not torch.equal(first['a'], first['b'])


def test_random_scores_are_uniform_and_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    scores = criteria.random({'w': torch.zeros(10_000)})['w']
    assert 0 <= scores.min() and scores.max() < 1
    assert [int(((scores * 4).int() == quarter).sum() / 250 + 0.5) for quarter in range(4)] == [10] * 4
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_diverged_weights_are_named(criterion, value):
    weights = {'fine.weight': torch.ones(2), 'bad.weight': torch.tensor([1., value])}
    with pytest.raises(ValueError, match=rf"'{criterion}': 'bad\.weight' holds NaN or infinite"):
        criteria.score(criterion, weights)


@pytest.mark.parametrize('wrong, message', [
    pytest.param(lambda w, seed: {}, "'w' is in the weights but not in the scores", id='no scores'),
    pytest.param(lambda w, seed: {'w': w['w'][:1]}, r"'w' has shape \(1,\) in the scores", id='too few'),
])
def test_a_criterion_must_score_every_weight(monkeypatch, wrong, message):
    monkeypatch.setitem(criteria.CRITERIA, 'wrong', wrong)
    with pytest.raises(ValueError, match=message):
        criteria.score('wrong', {'w': torch.ones(2)})
