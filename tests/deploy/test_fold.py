"""Batch norms are folded where they certainly follow a convolution, and only there."""
import pytest
import torch
from mmcv.cnn import ConvModule
from mmdet.models.backbones.resnet import ResNet
from torch import nn

from mmlth.deploy.fold import fold
from mmlth.deploy.layers import SparseConv2d
from mmlth.deploy.plan import LayerPlan, follow

BN = dict(type='BN')


def with_statistics(model):
    """Give batch norms statistics that matter, and go into evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, *module.parameters()):
                nn.init.uniform_(tensor, 0.5, 1.5)
    model.eval()  # that of MMDet's ResNet returns None
    return model


class Tied(nn.Module):
    """A convolution with a norm for each of two levels, as towers of RTMDet have."""

    def __init__(self):
        super().__init__()
        self.levels = nn.ModuleList(ConvModule(4, 4, 3, norm_cfg=BN) for _ in range(2))
        self.levels[1].conv = self.levels[0].conv

    def forward(self, x):
        return sum(level(x) for level in self.levels)


@pytest.mark.parametrize('model, folded', [
    (ConvModule(4, 4, 3, norm_cfg=BN), 1),
    (ConvModule(4, 4, 3, norm_cfg=BN, order=('norm', 'conv', 'act')), 0),
    (ConvModule(4, 4, 3, norm_cfg=BN, order=('conv', 'act', 'norm')), 0),
    (ConvModule(4, 4, 3, norm_cfg=dict(type='GN', num_groups=2)), 0),
    (nn.Sequential(nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4)), 1),
    (nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 0),
    (Tied(), 0),
], ids=str)
@torch.no_grad()
def test_what_is_folded_computes_the_same(model, folded):
    with_statistics(model)
    x = torch.randn(2, 4, 9, 9)
    expected = model(x)
    assert fold(model) == folded
    assert torch.allclose(model(x), expected, atol=1e-5)


@pytest.mark.parametrize('keywords, norms', [
    (dict(depth=18), 20), (dict(depth=50), 53), (dict(depth=18, deep_stem=True), 22),
    (dict(depth=18, avg_down=True), 20)])
@torch.no_grad()
def test_a_resnet_keeps_no_norm(keywords, norms):
    model = with_statistics(ResNet(base_channels=8, **keywords))
    x = torch.randn(1, 3, 64, 64)
    expected = model(x)
    assert fold(model) == norms
    for found, wanted in zip(model(x), expected):
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max())


@torch.no_grad()
def test_zeros_stay_zeros():
    model = with_statistics(ConvModule(4, 4, 3, norm_cfg=BN))
    model.conv.weight[:, 1] = 0
    fold(model)
    assert not model.conv.weight[:, 1].any() and model.conv.weight.count_nonzero() == 4 * 3 * 9


@pytest.mark.parametrize('keywords, fused', [
    (dict(norm_cfg=BN), True), (dict(), True), (dict(act_cfg=dict(type='LeakyReLU')), False),
    (dict(norm_cfg=dict(type='GN', num_groups=2)), False),
    (dict(order=('act', 'conv', 'norm')), False)])
@torch.no_grad()
def test_a_relu_that_follows_becomes_part_of_the_layer(keywords, fused):
    from mmlth.deploy import kernel
    if not kernel.is_available():
        pytest.skip('no compiler')
    model = with_statistics(ConvModule(4, 4, 3, **keywords))
    x = torch.randn(1, 4, 9, 9)
    expected = model(x)
    fold(model)
    layer = LayerPlan(kept=0, weights=0, shapes=(), torch_ms=0, sparse_ms=0, tile=2, block=4,
                      sparse=True)
    assert follow(model, {'conv': layer}) == 1
    assert isinstance(model.conv, SparseConv2d) and model.conv.relu == fused
    assert torch.allclose(model(x), expected, atol=1e-5)


def test_a_plan_of_another_model_is_refused():
    layer = LayerPlan(kept=0, weights=0, shapes=(), torch_ms=0, sparse_ms=0, tile=2, block=4,
                      sparse=True)
    with pytest.raises(ValueError, match='lacks'):
        follow(nn.Sequential(), {'conv': layer})
