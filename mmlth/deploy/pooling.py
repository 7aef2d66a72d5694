"""Pooling on the CPU, a register of positions or channels at a time: for inference, in float32."""
from typing import Any

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from mmlth.deploy.kernel import operators
from mmlth.deploy.layers_of import places


class FastRoIAlign(nn.Module):
    """What MMCV's RoIAlign computes, up to rounding. Gives no gradients.

    Args:
        given: That pools by the mean (:meth:`serves`).
    """

    def __init__(self, given: Any):
        super().__init__()
        self.output_size = given.output_size
        self.spatial_scale, self.sampling_ratio = given.spatial_scale, given.sampling_ratio
        self.aligned = given.aligned

    @staticmethod
    def serves(module: Any) -> bool:
        """Tell whether it can take over for a module."""
        return (type(module) is RoIAlign and module.pool_mode == 'avg'
                and not module.use_torchvision)

    @torch.no_grad()
    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        """Return R x C x rows x columns.

        Args:
            x: N x C x H x W, float32.
            rois: R x 5, float32: image and corners of each region.

        Raises:
            RuntimeError: Another type, device or shape, or a region of an image that isn't there.
        """
        pooled: Tensor = operators().roi_align(
            x, rois, self.spatial_scale, *self.output_size, self.sampling_ratio, self.aligned)
        return pooled


class FastMaxPool2d(nn.Module):
    """What ``nn.MaxPool2d`` computes, bit for bit. Gives no gradients.

    Args:
        given: Without dilation, indices and ``ceil_mode`` (:meth:`serves`).
    """

    def __init__(self, given: Any):
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            _pair(value) for value in (given.kernel_size, given.stride, given.padding))

    @staticmethod
    def serves(module: Any) -> bool:
        """Tell whether it can take over for a module."""
        return (type(module) is nn.MaxPool2d and _pair(module.dilation) == (1, 1)
                and not module.ceil_mode and not module.return_indices)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return N x C x H' x W' of N x C x H x W, float32; raises RuntimeError for others."""
        pooled: Tensor = operators().max_pool2d(x, self.kernel_size, self.stride, self.padding)
        return pooled


def replace(model: nn.Module, kind: type[FastRoIAlign] | type[FastMaxPool2d]) -> int:
    """Replace every module that a kind of pooling serves; return in how many places."""
    found = [place for place in places(model) if kind.serves(place[2])]
    for parent, name, child in found:
        parent._modules[name] = kind(child)
    return len(found)


def replace_pooling(model: nn.Module) -> None:
    """Replace all pooling that is served."""
    for kind in (FastRoIAlign, FastMaxPool2d):
        replace(model, kind)
