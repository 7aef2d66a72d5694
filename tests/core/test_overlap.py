"""Overlap of masks: numbers one can add up in the head, beside what chance gives."""
import numpy as np
import pytest
import torch

from mmlth.core.overlap import Counts, count_overlap, describe, describe_each, overlap

NAMES = ('iou', 'hamming', 'chance_iou', 'chance_hamming', 'distance')


def mask(text):
    """Read '1101' as a bool tensor."""
    return torch.tensor([c == '1' for c in text], dtype=torch.bool)


@pytest.mark.parametrize('a, b, iou, hamming, chance', [
    # 4 and 2 kept of 8, 1 shared: 5 in either, 4 differ; by chance 4 * 2 / 8 = 1 shared
    pytest.param('11110000', '10001000', 1 / 5, 4 / 8, 1 / 5, id='one shared as chance has it'),
    # 2 and 2 kept of 4, 2 shared; by chance 1 shared and 3 in either
    pytest.param('1100', '1100', 1.0, 0.0, 1 / 3, id='the same masks'),
    pytest.param('1100', '0011', 0.0, 1.0, 1 / 3, id='nothing shared'),
    pytest.param('0000', '0000', 1.0, 0.0, 1.0, id='both keep nothing'),
    pytest.param('1111', '1111', 1.0, 0.0, 1.0, id='both dense'),
])
def test_overlap(a, b, iou, hamming, chance):
    found = overlap({'w': mask(a)}, {'w': mask(b)})
    assert [found[name] for name in NAMES[:3]] == pytest.approx([iou, hamming, chance])


@pytest.mark.parametrize('a, b, alive, expected', [
    pytest.param('1100', '1100', 4, (1, 0, 1 / 3, 1 / 2, 0), id='equal'),
    pytest.param('1100', '0011', 4, (0, 1, 1 / 3, 1 / 2, 2), id='opposite'),
    pytest.param('1100', '1010', 4, (1 / 3, 1 / 2, 1 / 3, 1 / 2, 1), id='as by chance'),
    pytest.param('1110', '1101', 4, (1 / 2, 1 / 2, 9 / 15, 3 / 8, 4 / 3), id='three of four'),
    # Two of three alive: by chance 4/3 are shared and 8/3 kept by either; they differ on 2 of 3.
    pytest.param('1100', '1010', 3, (1 / 3, 2 / 3, 1 / 2, 4 / 9, 3 / 2), id='one is dead'),
    pytest.param('11', '11', 2, (1, 0, 1, 0, 0), id='nothing pruned'),
    pytest.param('00', '00', 2, (1, 0, 1, 0, 0), id='nothing kept'),
    pytest.param('00', '00', 0, (1, 0, 1, 0, 0), id='nothing alive'),
    pytest.param('11', '00', 2, (0, 1, 0, 1, 1), id='all or nothing'),
])
def test_overlap_among_what_is_alive(a, b, alive, expected):
    a, b = {'w': mask(a)}, {'w': mask(b)}
    found = overlap(a, b, {'w': alive})
    assert [found[name] for name in NAMES] == pytest.approx(expected)
    assert describe_each(count_overlap(a, b, {'w': alive})) == {'w': found}


def test_overlap_counts_weights_not_tensors():
    a = {'big': mask('11110000'), 'small': mask('1')}
    b = {'big': mask('11110000'), 'small': mask('0')}
    assert overlap(a, b)['iou'] == 4 / 5


def test_counts_are_those_of_numpy_and_add_up():
    generator = torch.Generator().manual_seed(0)
    a, b = ({'u': torch.rand(3, 7, generator=generator) > 0.3,
             'v': torch.rand(1, 13, generator=generator) > 0.8} for _ in range(2))
    counts = count_overlap(a, b)
    for name in 'uv':
        x, y = a[name].numpy(), b[name].numpy()
        both = np.logical_and(x, y).sum()
        assert counts[name] == Counts(both, x.sum(), y.sum(), x.size)
        found = describe(counts[name])
        assert found['iou'] == both / np.logical_or(x, y).sum()
        assert found['hamming'] == pytest.approx((x != y).mean())
    x, y = (np.concatenate([m.flatten() for m in masks.values()]) for masks in (a, b))
    found = overlap(a, b)
    assert found == describe(counts['u'], counts['v'])
    assert found['iou'] == np.logical_and(x, y).sum() / np.logical_or(x, y).sum()
    assert found['hamming'] == pytest.approx((x != y).mean())


def test_counts_pass_what_a_byte_holds():
    ones = {'w': torch.ones(2400, dtype=torch.bool)}
    none = {'w': torch.zeros(2400, dtype=torch.bool)}
    assert count_overlap(ones, ones) == {'w': Counts(2400, 2400, 2400, 2400)}
    assert overlap(ones, none)['hamming'] == 1


@pytest.mark.parametrize('b, message', [
    pytest.param({'v': mask('1')}, "'v' is in the second masks but not", id='other names'),
    pytest.param({'w': mask('11')}, r"'w' has shape \(1,\) in the first masks but \(2,\)",
                 id='other shapes'),
])
def test_masks_of_other_models_are_refused(b, message):
    with pytest.raises(ValueError, match=message):
        overlap({'w': mask('1')}, b)
