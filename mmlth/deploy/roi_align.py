"""MMCV's RoIAlign on the CPU, a register of channels at a time: for inference, in float32."""
from typing import Any

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn

from mmlth.deploy.kernel import operators
from mmlth.deploy.layers_of import places


class FastRoIAlign(nn.Module):
    """What MMCV's RoIAlign computes, up to rounding. Gives no gradients.

    Args:
        given: That pools by the mean (:func:`is_served`).
    """

    def __init__(self, given: Any):
        super().__init__()
        self.output_size = given.output_size
        self.spatial_scale, self.sampling_ratio = given.spatial_scale, given.sampling_ratio
        self.aligned = given.aligned

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


def is_served(module: Any) -> bool:
    """Tell whether :class:`FastRoIAlign` can take over for a module."""
    return (type(module) is RoIAlign and module.pool_mode == 'avg'
            and not module.use_torchvision)


def replace_roi_aligns(model: nn.Module) -> int:
    """Replace every RoIAlign that is served; return in how many places."""
    found = [place for place in places(model) if is_served(place[2])]
    for parent, name, child in found:
        parent._modules[name] = FastRoIAlign(child)
    return len(found)
