"""Nets between two nets: weights, whole numbers, shared names, zeros."""
import pytest
import torch
import toys

from mmlth.core.interpolation import interpolate, union
from mmlth.core.masks import apply, check_zeros, digest

A = {'w': torch.tensor([0.0, 4.0, -2.0]), 'seen': torch.tensor(10), 'on': torch.tensor([True])}
B = {'w': torch.tensor([8.0, 0.0, -2.0]), 'seen': torch.tensor(20), 'on': torch.tensor([False])}


@pytest.mark.parametrize('share, weights, seen, on', [
    (0, [0, 4, -2], 10, True), (0.25, [2, 3, -2], 10, True), (0.5, [4, 2, -2], 10, True),
    (0.75, [6, 1, -2], 20, False), (1, [8, 0, -2], 20, False)])
def test_weights_move_evenly_and_whole_numbers_come_from_the_nearer_net(share, weights, seen, on):
    found = interpolate(A, B, share)
    assert found['w'].tolist() == weights
    assert (found['seen'].item(), found['on'].item()) == (seen, on)
    assert found['seen'].dtype == torch.int64 and found['on'].dtype == torch.bool


def test_the_ends_are_copies_bit_for_bit():
    a, b = toys.TiedConvNet().state_dict(), toys.TiedConvNet().state_dict()
    a['head.fc.weight'][0, 0] = float('inf')  # which times 0 would be NaN
    assert digest(interpolate(a, b, 0)) == digest(a) and digest(interpolate(a, b, 1)) == digest(b)
    interpolate(a, b, 0)['head.fc.bias'].fill_(7)
    assert not (a['head.fc.bias'] == 7).any()


def test_tied_weights_stay_equal_under_all_names():
    found = interpolate(toys.TiedConvNet().state_dict(), toys.TiedConvNet().state_dict(), 0.3)
    assert torch.equal(found['backbone.conv2.weight'], found['backbone.again.conv.weight'])
    model = toys.TiedConvNet()
    model.load_state_dict(found, strict=True)
    assert digest(model.state_dict()) == digest(found)


def test_between_two_tickets_lies_their_union():
    nets = [toys.ToyNet().state_dict() for _ in range(2)]
    masks = [{name: torch.rand(nets[0][name].shape) > 0.5 for name in toys.NAMES} for _ in nets]
    tickets = [apply(m, net) for m, net in zip(masks, nets)]
    found, both = interpolate(*tickets, 0.4), union(*masks)
    check_zeros(both, found, 'the net between')
    assert all(found[name].count_nonzero() == both[name].sum() for name in toys.NAMES)


@pytest.mark.parametrize('other, message', [
    ({'w': torch.zeros(3)}, "'on' is in the first net but not in the second net"),
    ({**B, 'w': torch.zeros(2)}, r"'w' has shape \(3,\) in the first net but \(2,\)"),
    ({**B, 'w': torch.zeros(3).double()}, "'w' is torch.float32 in the first net, but"),
])
def test_nets_of_other_models_are_refused_by_name(other, message):
    with pytest.raises(ValueError, match=message):
        interpolate(A, other, 0.5)


@pytest.mark.parametrize('share', [-0.1, 1.1, float('nan')])
def test_a_share_outside_the_line_is_refused(share):
    with pytest.raises(ValueError, match=r'must be in \[0, 1\]'):
        interpolate(A, B, share)
