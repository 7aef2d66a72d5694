"""Scores: higher = kept."""
import math

import pytest
import torch
from mmengine.config import Config

from mmlth.core import criteria


def tensor(*values):
    return torch.tensor(values, dtype=torch.float32)


def score(criterion, weights, initial):
    """Score with costs of 1."""
    return criteria.score(criterion, weights, initial, costs=dict.fromkeys(weights, 1))


def like(weights):
    """Return initial weights of ones that fit ``weights``."""
    return {name: torch.ones(w.shape) for name, w in weights.items()}


@pytest.fixture
def registry(monkeypatch):
    """Give the test a registry of its own."""
    monkeypatch.setattr(criteria, 'CRITERIA', dict(criteria.CRITERIA))
    return criteria.CRITERIA


@pytest.mark.parametrize('weights, expected', [
    pytest.param([-3., 2., 0.], [3, 2, 0], id='the sign does not count'),
    pytest.param([-0., 0.], [0, 0], id='both zeros score zero'),
    pytest.param([7.], [7], id='one weight'),
])
def test_magnitude(weights, expected):
    weights = {'w': torch.tensor(weights)}
    assert criteria.score('magnitude', weights, like(weights))['w'].tolist() == expected


def test_magnitude_is_not_divided_by_anything_per_layer():
    scores = criteria.magnitude({'small': tensor(1, 1), 'large': tensor(100, 300)})
    assert torch.cat([*scores.values()]).tolist() == [1, 1, 100, 300]


@pytest.mark.parametrize('criterion, expected', [
    pytest.param('magnitude', [3, 1, 2, 0], id='what training ended with'),
    pytest.param('initial_magnitude', [1, 4, 2, 5], id='what it started from'),
    pytest.param('magnitude_increase', [2, -3, 0, -5], id='grown, shrunk, sign changed, gone'),
])
def test_criteria_that_look_at_the_initial_weights(criterion, expected):
    trained, initial = {'w': tensor(-3, 1, 2, 0)}, {'w': tensor(1, 4, -2, -5)}
    assert criteria.score(criterion, trained, initial)['w'].tolist() == expected


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
def test_initial_weights_are_found_by_name(criterion):
    trained, initial = {'a': tensor(1), 'b': tensor(10)}, {'a': tensor(2), 'b': tensor(50)}
    ordered = score(criterion, trained, initial)
    turned = score(criterion, trained, dict(reversed(initial.items())))
    assert [*ordered] == [*turned] == ['a', 'b']
    assert all(torch.equal(ordered[name], turned[name]) for name in trained)


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
def test_scores_are_new_float32_tensors_in_the_shape_of_the_weights(criterion):
    half = torch.ones(2, 3, dtype=torch.float16, requires_grad=True)
    double = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    weights = {'half': half, 'one': torch.ones(1)}
    initial = {'half': double, 'one': torch.ones(1)}
    scores = score(criterion, weights, initial)
    assert {name: (s.dtype, tuple(s.shape)) for name, s in scores.items()} == {
        'half': (torch.float32, (2, 3)), 'one': (torch.float32, (1, ))}
    for found in scores.values():
        assert not found.requires_grad
        found.fill_(9)
    assert weights['one'].tolist() == initial['one'].tolist() == [1]


def test_increases_of_half_weights_are_taken_in_float32():
    trained, initial = {'w': tensor(1000).half()}, {'w': tensor(0.125).half()}
    # float16 has no 999.875
    assert criteria.score('magnitude_increase', trained, initial)['w'].tolist() == [999.875]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_scores_of_any_float_come_back_detached_in_float32(registry, dtype):
    registry['mine'] = lambda weights, initial, seed: {name: 2 * w for name, w in weights.items()}
    weights = {'w': torch.ones(2, dtype=dtype, requires_grad=True)}
    found = criteria.score('mine', weights, weights)['w']
    assert (found.dtype, found.requires_grad, found.tolist()) == (torch.float32, False, [2, 2])


def test_random_scores_depend_on_the_seed_alone():
    ones, twos = ({'a': torch.full((50, ), x), 'b': torch.full((50, ), x)} for x in (1., 2.))
    first, again, other = (criteria.score('random', weights, ones, seed)
                           for weights, seed in ((ones, 3), (twos, 3), (ones, 4)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['a'], other['a'])
    assert not torch.equal(first['a'], first['b'])


def test_random_scores_are_uniform_and_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    scores = criteria.random({'w': torch.zeros(10_000)}, 0)['w']
    assert scores.min() >= 0 and scores.max() < 1
    counts = torch.bincount((scores * 4).int())
    assert [int(count / 250 + 0.5) for count in counts] == [10] * 4
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_diverged_weights_are_named(criterion, value):
    weights = {'fine.weight': torch.ones(2), 'bad.weight': tensor(1, value)}
    with pytest.raises(ValueError, match=rf"'{criterion}': 'bad\.weight' holds NaN or infinite"):
        criteria.score(criterion, weights, like(weights))


@pytest.mark.parametrize('criterion', criteria.CRITERIA)
def test_initial_weights_that_are_not_finite_are_named_and_not_called_diverged(criterion):
    weights = {'fine.weight': torch.ones(2), 'bad.weight': torch.ones(2)}
    initial = {**weights, 'bad.weight': tensor(1, math.nan)}
    message = rf"'{criterion}': initial weights: 'bad\.weight'"
    with pytest.raises(ValueError, match=message) as caught:
        criteria.score(criterion, weights, initial)
    assert 'diverged' not in str(caught.value)


def test_large_weights_whose_sum_overflows_are_finite():
    weights = {'w': torch.full((4, ), 3e38)}
    assert torch.equal(criteria.score('magnitude', weights, weights)['w'], weights['w'])


@pytest.mark.parametrize('weights, initial, message', [
    pytest.param({'w': torch.ones(2)}, {},
                 "'w' is in the weights but not in the initial weights of "
                 "criterion 'magnitude'", id='no initial weights'),
    pytest.param({'w': torch.ones(2)}, {'w': torch.ones(3)},
                 r"'w' has shape \(3,\) in the initial weights "
                 r"of criterion 'magnitude' but \(2,\) in the weights", id='other shape'),
    pytest.param({'w': torch.ones(2).int()}, {'w': torch.ones(2)},
                 "criterion 'magnitude': weights: 'w' is torch.int32", id='integer weights'),
    pytest.param({'w': torch.ones(2)}, {'w': torch.ones(2) > 0},
                 "criterion 'magnitude': initial weights: 'w' is torch.bool",
                 id='bool initial weights'),
    pytest.param({'w': torch.tensor([1e300], dtype=torch.float64)}, {'w': torch.ones(1)},
                 "scores of criterion 'magnitude': 'w' holds NaN or infinity in float32",
                 id='too large'),
])
def test_weights_must_be_floats_that_fit(weights, initial, message):
    with pytest.raises(ValueError, match=message):
        criteria.score('magnitude', weights, initial)


@pytest.mark.parametrize('wrong, message', [
    pytest.param(lambda w: {}, "'w' is in the weights but not in the scores of criterion 'wrong'",
                 id='no scores'),
    pytest.param(lambda w: {'w': w['w'][:1]},
                 r"'w' has shape \(1,\) in the scores of criterion 'wrong' but "
                 r'\(2,\) in the weights', id='too few'),
    pytest.param(lambda w: {**w, 'v': w['w']}, "'v' is in the scores of criterion 'wrong' but not",
                 id='more'),
    pytest.param(lambda w: {'w': w['w'].int()}, "'wrong': 'w' is torch.int32, .*float",
                 id='integers'),
    pytest.param(lambda w: {'w': [1., 2.]}, "'wrong': 'w' is list, .*float tensor", id='a list'),
    pytest.param(lambda w: None, "'wrong' are NoneType, but must be a dict", id='forgot to return'),
    pytest.param(lambda w: {'w': w['w'] * math.nan}, "'wrong': 'w' holds NaN or infinity",
                 id='NaN'),
    pytest.param(lambda w: {'w': w['w'] / 0}, "'wrong': 'w' holds NaN or infinity", id='infinite'),
])
def test_a_criterion_must_score_every_weight(registry, wrong, message):
    registry['wrong'] = lambda weights, initial, seed: wrong(weights)
    with pytest.raises(ValueError, match=message):
        criteria.score('wrong', {'w': torch.ones(2)}, {'w': torch.ones(2)})


def test_an_unknown_criterion_is_told_what_there_is():
    message = (r"criterion='size': allowed are magnitude, magnitude_per_cost, "
               r'initial_magnitude, magnitude_increase, random.*register.*custom_imports')
    with pytest.raises(ValueError, match=message):
        criteria.score('size', {}, {})
    with pytest.raises(ValueError, match=r"criterion=\['magnitude'\]: allowed are"):
        criteria.check_criterion(['magnitude'])


# a criterion of the user's own


def test_a_config_brings_its_own_criterion(registry, tmp_path, monkeypatch):
    (tmp_path / 'pruning_of_mine.py').write_text("""
from mmlth.core.criteria import register

@register
def shrinkage(weights, initial, seed):
    return {name: initial[name] - w + seed for name, w in weights.items()}
""")
    (tmp_path / 'config.py').write_text("""
custom_imports = dict(imports=['pruning_of_mine'])
imp = dict(criterion='shrinkage')
""")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config.fromfile(tmp_path / 'config.py')
    scores = criteria.score(cfg.imp.criterion, {'w': tensor(1, 5)}, {'w': tensor(4, 4)}, 10)
    assert scores['w'].tolist() == [13, 9]


def test_register_returns_the_function_and_takes_it_twice(registry):
    def mine(weights, initial, seed):
        return weights

    assert criteria.register(mine) is criteria.register(mine) is registry['mine'] is mine


def test_another_function_of_the_same_name_is_refused_and_both_are_named(registry):
    def magnitude(weights, initial, seed):
        return weights

    with pytest.raises(ValueError, match=r"criterion 'magnitude': .*<locals>\.magnitude cannot be "
                       r'registered, mmlth\.core\.criteria\.magnitude has this name'):
        criteria.register(magnitude)
    assert registry['magnitude'] is criteria.magnitude


def test_a_criterion_is_given_what_it_names(registry):
    registry['mine'] = lambda costs, weights, power=2: {
        name: w.abs()**power * costs[name] for name, w in weights.items()}
    weights = {'w': tensor(2, 3)}
    assert criteria.score('mine', weights, weights, costs={'w': 10})['w'].tolist() == [40, 90]
    assert criteria.takes('mine', 'costs') and not criteria.takes('mine', 'initial')


@pytest.mark.parametrize('wrong', [
    pytest.param(lambda weights, initial, seed, scale: weights, id='something unknown'),
    pytest.param(lambda w, w0, seed: w, id='other names'),
    pytest.param(lambda weights, initial, /, seed: weights, id='by position alone'),
])
def test_a_function_of_other_arguments_is_refused(registry, wrong):
    wrong.__name__ = 'wrong'
    message = (r"criterion 'wrong': .* must take some of weights, initial, seed, costs, "
               'cost_exponent, by these names')
    with pytest.raises(ValueError, match=message):
        criteria.register(wrong)
    assert 'wrong' not in registry


# weights that cost more


def test_per_cost_is_magnitude_at_exponent_0_and_a_ratio_at_1():
    weights, costs = {'a': tensor(-6, 2), 'b': tensor(3)}, dict(a=4, b=1)
    found = [criteria.score('magnitude_per_cost', weights, weights, costs=costs, cost_exponent=a)
             for a in (0, 1)]
    assert [torch.cat([*each.values()]).tolist() for each in found] == [[6, 2, 3], [1.5, 0.5, 3]]


def test_the_default_exponent_keeps_the_most_of_w_squared_for_its_multiply_adds():
    weights, costs = {'a': torch.randn(5), 'b': torch.randn(4)}, dict(a=7, b=2)
    scores = criteria.score('magnitude_per_cost', weights, weights, costs=costs)
    order = torch.cat([scores['a'], scores['b']]).argsort(descending=True)
    values = torch.cat([weights['a'], weights['b']]).double()**2
    prices = torch.tensor([costs['a']] * 5 + [costs['b']] * 4)
    subsets = torch.tensor([[number >> bit & 1 for bit in range(9)] for number in range(2**9)])
    for count in range(1, 10):
        kept = order[:count]
        affordable = subsets[(subsets * prices).sum(1) <= prices[kept].sum()]
        assert values[kept].sum() >= (affordable * values).sum(1).max() - 1e-9


@pytest.mark.parametrize('costs', [None, {}, dict(w=0), dict(w=math.nan), dict(v=1)])
def test_costs_must_be_there_for_a_criterion_that_takes_them(costs):
    weights = {'w': tensor(1)}
    with pytest.raises(ValueError, match=r"'magnitude_per_cost' takes costs, .*\['w'\] \(1 tensor"):
        criteria.score('magnitude_per_cost', weights, weights, costs=costs)
    assert criteria.score('magnitude', weights, weights, costs=costs)['w'].tolist() == [1]
