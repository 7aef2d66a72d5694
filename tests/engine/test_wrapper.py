"""The wrapper masks weights, gradients and states, and is otherwise the plain model."""
import copy

import pytest
import torch
from mmengine.model import is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import nn
from torch.nn.utils import clip_grad_norm_
from toy_training import NoisySGD

from mmlth.engine import wrapper
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap


def small_net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Linear(4 * 4, 3))


def half_masks(net):
    return {n: torch.arange(p.numel()).reshape(p.shape) % 2 == 0
            for n, p in net.named_parameters() if p.ndim > 1}


INPUT = torch.linspace(-1, 1, 4 * 2 * 4 * 4).reshape(4, 2, 4, 4)
TARGET = torch.tensor([0, 1, 2, 0])


def loss_of(net):
    return nn.functional.cross_entropy(net(INPUT), TARGET)


@pytest.mark.parametrize('optimizer', [
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.1),
    lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.9),
    lambda p: NoisySGD(p, 0.1)], ids=['sgd', 'adam', 'adamw', 'rmsprop', 'moves everything'])
def test_pruned_weights_stay_zero_whatever_the_optimizer_does(optimizer):
    net = small_net()
    masks = half_masks(net)
    model = PrunedModelWrapper(net, masks)
    opt = model.guard(optimizer(model.parameters()))
    for _ in range(5):
        opt.zero_grad()
        loss_of(model).backward()
        opt.step()
        for name, mask in masks.items():
            weight = net.get_parameter(name)
            assert (weight[~mask] == 0).all() and not torch.signbit(weight[~mask]).any()
            assert (weight[mask] != 0).any()


def test_trains_exactly_like_a_multiplication_in_forward():
    # The outside oracle is torch's own pruning: f(x; m * w) through a forward product.
    from torch.nn.utils import prune
    net, reference = small_net(), small_net()
    masks = half_masks(net)
    for name, mask in masks.items():
        prune.custom_from_mask(reference.get_submodule(name.split('.')[0]), 'weight', mask)
    model = PrunedModelWrapper(net, masks)
    a = model.guard(torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))
    b = torch.optim.SGD(reference.parameters(), 0.1, momentum=0.9)
    for _ in range(5):
        norms = []
        for m, opt in ((model, a), (reference, b)):
            opt.zero_grad()
            loss_of(m).backward()
            norms.append(clip_grad_norm_(m.parameters(), 0.5))
            opt.step()
        torch.testing.assert_close(norms[0], norms[1])
        for i in (0, 4):
            expected = reference[i].weight_orig * reference[i].weight_mask
            torch.testing.assert_close(net[i].weight, expected)


def test_clipping_sees_only_gradients_of_kept_weights():
    net = small_net()
    masks = half_masks(net)
    model = PrunedModelWrapper(net, masks)
    loss_of(model).backward()
    for name, mask in masks.items():
        grad = net.get_parameter(name).grad
        assert (grad[~mask] == 0).all() and (grad[mask] != 0).any()
    with_dense = small_net()
    with_dense.load_state_dict(net.state_dict())
    loss_of(with_dense).backward()
    dense_norm = clip_grad_norm_(with_dense.parameters(), 1e9)
    assert dense_norm > clip_grad_norm_(net.parameters(), 1e9) * 1.05


def test_a_layer_called_five_times_is_masked_once_and_right(monkeypatch):
    conv = nn.Conv2d(2, 2, 1, bias=False)
    model = PrunedModelWrapper(nn.Sequential(conv), {'0.weight': torch.tensor([[1, 0], [0, 1]])
                                                     .bool().reshape(2, 2, 1, 1)})
    x = torch.ones(1, 2, 1, 1)
    for _ in range(5):
        x = model(x)
    calls, masking = [], wrapper._and
    monkeypatch.setattr(wrapper, '_and', lambda *args: calls.append(args) or masking(*args))
    x.sum().backward()
    assert len(calls) == 1
    a, b = conv.weight[0, 0, 0, 0].item(), conv.weight[1, 1, 0, 0].item()
    expected = torch.tensor([[5 * a**4, 0], [0, 5 * b**4]])
    torch.testing.assert_close(conv.weight.grad.reshape(2, 2), expected)


def test_gradient_accumulation_keeps_zeros_and_sums_the_rest():
    net = nn.Linear(2, 1, bias=False)
    model = PrunedModelWrapper(net, {'weight': torch.tensor([[True, False]])})
    for _ in range(3):
        model(torch.ones(1, 2)).sum().backward()
    assert net.weight.grad.tolist() == [[3, 0]]


@pytest.mark.skipif(not hasattr(torch.amp, 'GradScaler'), reason='came with torch 2.3')
def test_amp_scaler_that_skips_a_step_leaves_zeros_zero():
    net = nn.Linear(2, 1, bias=False)
    model = PrunedModelWrapper(net, {'weight': torch.tensor([[True, False]])})
    opt = model.guard(NoisySGD(model.parameters(), 0.1))
    scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    for factor, moves in ((float('inf'), False), (1.0, True)):
        before = net.weight.clone()
        opt.zero_grad()
        scaler.scale((model(torch.ones(1, 2)) * factor).sum()).backward()
        scaler.step(opt)
        scaler.update()
        assert net.weight[0, 1] == 0
        assert bool(net.weight[0, 0] != before[0, 0]) == moves


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -0.0])
def test_even_nan_and_infinity_become_plus_zero(value):
    net = nn.Linear(2, 1, bias=False)
    model = PrunedModelWrapper(net, {'weight': torch.tensor([[True, False]])})
    net.weight.data[0, 1] = value
    if value != 0:
        assert model.nonzero_pruned() == ['weight']
    model.apply_masks()
    assert net.weight[0, 1] == 0 and not torch.signbit(net.weight[0, 1])
    assert model.nonzero_pruned() == []


class Scale(nn.Module):
    """Multiplies by its weight: what every torch can do on a CPU in float16 too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))

    def forward(self, inputs):
        return inputs * self.weight


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_work_even_after_a_move(dtype):
    net = Scale()
    model = PrunedModelWrapper(net, {'weight': torch.eye(2).bool()})
    model.to(dtype)
    opt = model.guard(NoisySGD(model.parameters(), 0.1))
    model(torch.ones(1, 2, dtype=dtype)).sum().backward()
    opt.step()
    assert (net.weight[~torch.eye(2).bool()] == 0).all() and net.weight.dtype == dtype


def test_names_keys_and_attributes_are_those_of_the_plain_model():
    net = small_net()
    keys, names = list(net.state_dict()), [n for n, _ in net.named_parameters()]
    net.cfg = 'the config that inference_detector reads'
    model = PrunedModelWrapper(net, half_masks(net))
    assert list(model.state_dict()) == keys
    assert [n for n, _ in net.named_parameters()] == names
    assert type(net[0]) is nn.Conv2d and isinstance(net[0].weight, nn.Parameter)
    assert model.cfg == net.cfg and model.module is net
    small_net().load_state_dict(model.state_dict(), strict=True)
    with pytest.raises(AttributeError, match='nothing_like_this'):
        _ = model.nothing_like_this


def test_loading_a_dense_state_is_masked_again():
    net = small_net()
    masks = half_masks(net)
    model = PrunedModelWrapper(net, masks)
    model.load_state_dict(small_net().state_dict())
    assert model.nonzero_pruned() == []


def test_deepcopy_keeps_masks_and_hooks_and_shares_nothing():
    net = small_net()
    model = PrunedModelWrapper(net, half_masks(net))
    twin = copy.deepcopy(model)
    twin.module[4].weight.data.add_(1)
    assert not torch.equal(twin.module[4].weight, net[4].weight)
    twin.apply_masks()
    loss_of(twin).backward()
    assert (twin.module[4].weight.grad[~twin.masks['4.weight']] == 0).all()
    assert net[4].weight.grad is None


def test_detach_gives_the_plain_model_back():
    net = small_net()
    model = PrunedModelWrapper(net, half_masks(net))
    opt = model.guard(NoisySGD(model.parameters(), 0.1))
    assert model.detach() is net
    loss_of(net).backward()
    assert (net[4].weight.grad != 0).all()
    opt.step()
    assert (net[4].weight != 0).all()


def test_frozen_parameters_are_masked_without_a_gradient_hook():
    net = small_net()
    net[0].weight.requires_grad_(False)
    model = PrunedModelWrapper(net, half_masks(net))
    assert (net[0].weight[~model.masks['0.weight']] == 0).all()
    loss_of(model).backward()
    assert net[0].weight.grad is None


@pytest.mark.parametrize('masks, message', [
    ({'5.weight': torch.ones(1)}, "'5.weight', which the model lack"),
    ({'4.weight': torch.ones(3, 15, dtype=torch.bool)},
     r"'4.weight' has shape \(3, 15\).*\(3, 16\)")])
def test_masks_that_do_not_fit_are_named(masks, message):
    with pytest.raises(ValueError, match=message):
        PrunedModelWrapper(small_net(), masks)


def test_masks_survive_the_round_trip_through_the_wrapper():
    net = small_net()
    masks = half_masks(net)
    assert all(torch.equal(m, masks[n]) for n, m in PrunedModelWrapper(net, masks).masks.items())


def test_is_a_registered_model_wrapper():
    model = PrunedModelWrapper(small_net(), {})
    assert is_model_wrapper(model)
    assert MODEL_WRAPPERS.get('PrunedModelWrapper') is PrunedModelWrapper
    assert unwrap(PrunedModelWrapper(model, {})) is model.module
