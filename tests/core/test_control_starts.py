"""Start weights of controls: signs, magnitudes and scales."""
import pytest
import torch

from mmlth.core.control_starts import rescaled, with_magnitudes, with_signs
from mmlth.core.controls import largest_masks

MASKS = dict(a=torch.tensor([[True, False], [True, True]]), b=torch.tensor([True, False]))


def drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator)
            for name, shape in dict(a=(2, 2), b=(2, ), bn=(3, )).items()}


def test_signs_and_magnitudes_are_two_halves_of_a_weight():
    start, other = drawn(0), drawn(1)
    signs, magnitudes = with_signs(start, other, MASKS), with_magnitudes(start, other, MASKS)
    for name in MASKS:
        assert torch.equal(signs[name].sign(), start[name].sign())
        assert torch.equal(signs[name].abs(), other[name].abs())
        assert torch.equal(magnitudes[name].sign(), other[name].sign())
        assert torch.equal(magnitudes[name].abs(), start[name].abs())
    assert torch.equal(signs['bn'], start['bn']) and torch.equal(magnitudes['bn'], start['bn'])


def test_a_rescaled_layer_has_the_root_mean_square_of_what_the_other_keeps():
    start, like = drawn(0), drawn(1)
    own = dict(a=~MASKS['a'], b=~MASKS['b'])
    found = rescaled(start, own, like, MASKS)
    for name in MASKS:
        wanted = like[name][MASKS[name]].square().mean().sqrt()
        assert found[name][own[name]].square().mean().sqrt() == pytest.approx(float(wanted))
        assert torch.equal(found[name].sign(), start[name].sign())
    assert torch.equal(found['bn'], start['bn'])


@pytest.mark.parametrize('own, other', [('00', '11'), ('11', '00')])
def test_a_layer_that_keeps_nothing_stays_as_it_is(own, other):
    own, other = ({'b': torch.tensor([bit == '1' for bit in bits])} for bits in (own, other))
    start = dict(b=torch.tensor([1., -2.]))
    assert torch.equal(rescaled(start, own, dict(b=torch.tensor([3., 4.])), other)['b'], start['b'])


def test_the_largest_are_as_many_in_every_layer_and_none_that_is_left_out_is_larger():
    weights = drawn(3)
    found = largest_masks(MASKS, weights)
    for name, mask in found.items():
        assert mask.sum() == MASKS[name].sum() and mask.shape == MASKS[name].shape
        assert weights[name][mask].abs().min() >= weights[name][~mask].abs().max()
