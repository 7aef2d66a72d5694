"""Two detectors of a few thousand weights and four images, for trainings of a second."""
import json
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import imwrite
from mmdet.models.backbones import ResNet
from mmdet.registry import MODELS
from torch import nn

CLASSES = ('square', 'bar')
SIDE = 32
_NORM = dict(type='BN', requires_grad=True)


@MODELS.register_module()
class TinyConvNeXt(ResNet):
    """MMDet's ResNet under the names of a ConvNeXt, for which layer-wise decay is made."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(depth=18, base_channels=8, num_stages=2, strides=(1, 2),
                         dilations=(1, 1), out_indices=(0, 1), **keywords)
        self.stages = nn.ModuleList(self._modules.pop(name) for name in self.res_layers)

    def __getattr__(self, name: str) -> Any:
        if name in ('layer1', 'layer2') and 'stages' in self._modules:
            return self.stages[int(name[-1]) - 1]
        return super().__getattr__(name)


def retinanet() -> dict[str, Any]:
    """Return the config of a RetinaNet with one shared tower and two levels."""
    head = dict(
        type='RetinaHead',
        num_classes=len(CLASSES),
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', scales=[2], ratios=[1.0],
                              strides=[4, 8]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss'),
    )
    assigner = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                    ignore_iof_thr=-1)
    return dict(
        type='RetinaNet',
        data_preprocessor=_preprocessor(),
        backbone=_backbone(),
        neck=dict(type='FPN', in_channels=[8, 16], out_channels=8, num_outs=2),
        bbox_head=head,
        train_cfg=dict(assigner=assigner, sampler=dict(type='PseudoSampler'), pos_weight=-1,
                       allowed_border=-1),
        test_cfg=_test_cfg(nms_pre=100, min_bbox_size=0, max_per_img=10),
    )


def yolox() -> dict[str, Any]:
    """Return the config of a YOLOX on the same backbone."""
    neck = dict(type='YOLOXPAFPN', in_channels=[8, 16], out_channels=8, num_csp_blocks=1)
    head = dict(type='YOLOXHead', num_classes=len(CLASSES), in_channels=8, feat_channels=8,
                stacked_convs=1, strides=(4, 8))
    return dict(
        type='YOLOX',
        data_preprocessor=_preprocessor(),
        backbone=_backbone(),
        neck=neck,
        bbox_head=head,
        train_cfg=dict(assigner=dict(type='SimOTAAssigner', center_radius=2.5)),
        test_cfg=_test_cfg(),
    )


def _preprocessor() -> dict[str, Any]:
    return dict(type='DetDataPreprocessor', mean=[127.0] * 3, std=[60.0] * 3, pad_size_divisor=8)


def _backbone() -> dict[str, Any]:
    return dict(type='TinyConvNeXt', norm_cfg=_NORM, norm_eval=False)


def _test_cfg(**keywords: Any) -> dict[str, Any]:
    # What an untrained net finds must reach the evaluators.
    return dict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), **keywords)


def write_images(folder: Path, count: int = 4) -> Path:
    """Write a COCO data set of small images, each with a bright box; return its annotation file."""
    path = folder / 'annotations.json'
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        picture = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        left, top = (int(v) for v in rng.integers(2, 14, 2))
        width, height = (12, 12) if i % 2 else (14, 6)
        picture[top:top + height, left:left + width] += 120
        imwrite(picture, str(folder / f'{i}.png'))
        images.append(dict(id=i, file_name=f'{i}.png', width=SIDE, height=SIDE))
        # The last image alone holds the second class too, for a sampler that balances.
        annotations.append(dict(
            id=i + 1, image_id=i, category_id=2 if i == count - 1 else 1,
            bbox=[left, top, width, height], area=width * height, iscrowd=0))
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
    path.write_text(json.dumps(dict(
        images=images, annotations=annotations, categories=categories)))
    return path
