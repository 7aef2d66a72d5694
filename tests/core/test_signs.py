"""Signs of two sets of weights: counts of numpy, and what shuffling one of them gives."""
import numpy as np
import torch

from mmlth.core.signs import Signs, agreement, count_signs


def weights(generator, shape, zeros):
    drawn = generator.normal(0.3, 1, shape)
    drawn[generator.random(shape) < zeros] = 0
    return drawn


def test_kept_weights_that_are_not_zero_are_compared():
    generator = np.random.default_rng(0)
    for shape in ((7,), (5, 4), (3, 2, 3, 3)):
        a, b = weights(generator, shape, 0.2), weights(generator, shape, 0.1)
        mask = generator.random(shape) < 0.6
        found = count_signs(
            dict(w=torch.tensor(a)), dict(w=torch.tensor(b), other=torch.ones(1)),
            dict(w=torch.tensor(mask)))['w']
        where = mask & (a != 0) & (b != 0)
        assert found.compared == where.sum()
        assert found.equal == (np.sign(a[where]) == np.sign(b[where])).sum()


def test_chance_is_the_mean_over_shuffles_of_one_side():
    generator = np.random.default_rng(1)
    a, b = (torch.tensor(weights(generator, 40, 0)) for _ in range(2))
    mask = dict(w=torch.ones(40, dtype=torch.bool))
    expected = count_signs(dict(w=a), dict(w=b), mask)['w'].expected
    shuffled = [
        count_signs(dict(w=a), dict(w=b[torch.tensor(generator.permutation(40))]), mask)['w'].equal
        for _ in range(2000)
    ]
    assert abs(np.mean(shuffled) - expected) < 4 * np.std(shuffled) / 2000 ** 0.5


def test_tensors_are_added_up_and_nothing_compared_is_none():
    found = agreement(Signs(3, 4, 2.0), Signs(1, 6, 3.0))
    assert found == dict(equal=0.4, chance=0.5)
    assert agreement() is None and agreement(Signs(0, 0, 0.0)) is None
