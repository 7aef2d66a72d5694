"""The bracket that spares sorting everything changes nothing."""
import numpy as np
import pytest
import torch

from mmlth.core import ranking
from mmlth.core.allocations import globally


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
