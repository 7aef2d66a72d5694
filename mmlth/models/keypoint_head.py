"""The head of Keypoint R-CNN: RoI features -> one heatmap per keypoint."""
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmlth.models.heatmaps import decode, encode


@MODELS.register_module()
class KeypointRCNNHead(BaseModule):
    """Predict one heatmap per keypoint: 3x3 convs, a stride-2 deconv to K maps, bilinear x2.

    Source: Mask R-CNN (He et al., ICCV 2017), section 5: RoI features of 14x14 become 56x56
    positions.

    Args:
        num_keypoints: K.
        num_convs: 3x3 convolutions before the deconvolution.
        in_channels: Channels of the RoI features.
        conv_out_channels: Channels of the convolutions.
        labels: Classes that have keypoints; None is all. Others get zeros and cost nothing.
        loss_weight: Factor of the loss.
        conv_cfg: Config of the convolutions, as in MMDet's mask heads.
        norm_cfg: Config of a normalisation after each, as in MMDet's mask heads.
        init_cfg: Initialisation; None is He's (fan out) for all layers.
    """

    def __init__(
        self,
        num_keypoints: int = 17,
        num_convs: int = 8,
        in_channels: int = 256,
        conv_out_channels: int = 512,
        labels: Sequence[int] | None = None,
        loss_weight: float = 1.0,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        init_cfg: Any = None,
    ) -> None:
        he = dict(
            type='Kaiming',
            layer=['Conv2d', 'ConvTranspose2d'],
            mode='fan_out',
            nonlinearity='relu',
        )
        super().__init__(init_cfg or he)
        channels = [in_channels] + num_convs * [conv_out_channels]
        settings = dict(padding=1, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        convs = [ConvModule(i, o, 3, **settings) for i, o in pairwise(channels)]
        self.convs = nn.Sequential(*convs)
        self.score_deconv = nn.ConvTranspose2d(
            channels[-1],
            num_keypoints,
            kernel_size=4,
            stride=2,
            padding=1,
        )
        self.num_keypoints = num_keypoints
        self.labels = None if labels is None else tuple(labels)
        self.loss_weight = loss_weight

    def forward(self, x: Tensor) -> Tensor:
        """Map RoI features (N, C, H, W) to logits (N, K, 4H, 4W)."""
        x = self.convs(x)
        x = self.score_deconv(x)
        return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)

    def loss(self, logits: Tensor, keypoints: Tensor, boxes: Tensor) -> Tensor:
        """Average the cross-entropy over the positions of every labelled keypoint in its box.

        Args:
            logits: (N, K, S, S) float.
            keypoints: (N, K, 3) float, the ground truth of each box in image coordinates.
            boxes: (N, 4) float, (x1, y1, x2, y2).

        Returns:
            Scalar; 0 (with a gradient) where no keypoint is labelled.
        """
        size = logits.shape[-1]
        cells, valid = encode(keypoints, boxes, size)
        if not valid.any():
            return logits.sum() * 0
        positions = logits.flatten(2)
        loss = F.cross_entropy(positions[valid], cells[valid], reduction='sum')
        return self.loss_weight * loss / valid.sum()

    def predict(self, logits: Tensor, boxes: Tensor) -> Tensor:
        """Return (N, K, 3): x, y in the boxes' coordinates and a score in [0, 1]."""
        return decode(logits, boxes)

    def has_keypoints(self, labels: Tensor) -> Tensor:
        """Tell (N,) bool which instances' classes have keypoints."""
        if self.labels is None:
            return torch.ones_like(labels, dtype=torch.bool)
        return torch.isin(labels, labels.new_tensor(self.labels))
