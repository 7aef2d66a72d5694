"""Fold batch normalisation into the convolution before it; zeros stay zeros."""
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from mmdet.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_weights

from mmlth.deploy.layers_of import CONVOLUTIONS, follows, is_conv_module, uses


def fold(model: nn.Module) -> int:
    """Fold every batch norm that certainly follows a convolution; return how many.

    Certain are mmcv's ConvModule, the numbered pairs of MMDet's ResNets, and neighbours in a
    Sequential. A convolution or norm that stands in several places, such as those of tied towers,
    is left alone; so is everything else.

    Args:
        model: In evaluation mode; changed in place.
    """
    count = uses(model)
    folded = 0
    for parent, conv_name, norm_name in list(_pairs(model)):
        conv, norm = parent._modules[conv_name], parent._modules[norm_name]
        if _is_foldable(conv, norm) and count[id(conv)] == count[id(norm)] == 1:
            fold_pair(conv, norm)
            parent._modules[norm_name] = nn.Identity()
            folded += 1
    return folded


def fold_pair(conv: Any, norm: Any) -> None:
    """Give a convolution the weight and bias with which it does the work of both."""
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
        norm.bias)
    conv.weight, conv.bias = weight, bias
    conv.requires_grad_(False)


def _is_foldable(conv: nn.Module | None, norm: nn.Module | None) -> bool:
    return (type(conv) in CONVOLUTIONS and isinstance(norm, _BatchNorm)
            and norm.running_mean is not None and not norm.training)


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield (parent, name of a convolution in it, name of the norm after it)."""
    for module in model.modules():
        if is_conv_module(module):
            if module.with_norm and follows(module, 'conv', 'norm'):
                yield module, 'conv', str(module.norm_name)
        elif isinstance(module, (BasicBlock, Bottleneck, ResNet)):
            yield from _numbered(module)
        elif type(module).forward is nn.Sequential.forward:
            yield from ((module, *pair) for pair in pairwise(module._modules))


def _numbered(block: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield the pairs conv1 and norm1, ... of a residual block, or of a ResNet's stem."""
    for number in range(1, 4):
        conv, norm = f'conv{number}', f'norm{number}_name'
        if conv in block._modules and norm in vars(block) and vars(block)[norm] in block._modules:
            yield block, conv, vars(block)[norm]
