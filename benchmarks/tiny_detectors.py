"""MMDet's stock configs made tiny: one of each kind of detector, for minutes on a processor.

A table of widths, and one walk over the config that makes images, data, schedule and thresholds
small whatever the detector. What is not named here stays as MMDet ships it: losses, assigners,
optimizers, hooks, loops.
"""
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from pycocotools.coco import COCO

from mmlth.datasets.digit_scenes import CLASSES, generate
from mmlth.engine.config_files import load_config

SIDE = 128  # pixels of an image
_IMAGES = 'VOC2007/JPEGImages/'
_RESNET = {'model.backbone.depth': 18, 'model.backbone.base_channels': 8}
_PYRAMID = {'model.neck.in_channels': [8, 16, 32, 64], 'model.neck.out_channels': 32}
_DENSE_HEAD = {'model.bbox_head.in_channels': 32, 'model.bbox_head.feat_channels': 32}
_ROI_HEAD = {
    'model.rpn_head.in_channels': 32, 'model.rpn_head.feat_channels': 32,
    'model.roi_head.bbox_roi_extractor.out_channels': 32,
    'model.roi_head.bbox_head.in_channels': 32,
    'model.roi_head.bbox_head.fc_out_channels': 64,
}
_MASK_HEAD = {
    'model.roi_head.mask_roi_extractor.out_channels': 32,
    'model.roi_head.mask_head.in_channels': 32,
    'model.roi_head.mask_head.conv_out_channels': 32,
}
_MAKE_TRAINABLE = {  # nothing is pretrained
    'model.backbone.frozen_stages': -1,
    'model.backbone.norm_eval': False,
    'model.backbone.norm_cfg': dict(type='BN', requires_grad=True),
}


def _below(prefix: str, options: dict[str, Any]) -> dict[str, Any]:
    return {key.replace('model.', prefix, 1): value for key, value in options.items()}


def _attention(part: str, layers: int = 1) -> dict[str, Any]:
    """Narrow an encoder or decoder to 32 channels, and leave so many layers."""
    return {f'{part}.num_layers': layers, f'{part}.layer_cfg.self_attn_cfg.embed_dims': 32,
            f'{part}.layer_cfg.ffn_cfg.embed_dims': 32,
            f'{part}.layer_cfg.ffn_cfg.feedforward_channels': 64}


_DETR = {
    **_RESNET, **_MAKE_TRAINABLE,
    'model.neck.in_channels': [16, 32, 64], 'model.neck.out_channels': 32,
    **_attention('model.encoder'), **_attention('model.decoder', 2),  # whose heads are tied
    'model.decoder.layer_cfg.cross_attn_cfg.embed_dims': 32,
    'model.positional_encoding.num_feats': 16,
    'model.bbox_head.embed_dims': 32, 'model.num_queries': 50,
}
_MASKFORMER = {
    **_RESNET, **_MAKE_TRAINABLE,
    'model.panoptic_head.in_channels': [8, 16, 32, 64],
    'model.panoptic_head.feat_channels': 32, 'model.panoptic_head.out_channels': 32,
    'model.panoptic_head.num_queries': 20,
    **_attention('model.panoptic_head.pixel_decoder.encoder'),
    'model.panoptic_head.pixel_decoder.positional_encoding.num_feats': 16,
    'model.panoptic_head.positional_encoding.num_feats': 16,
    **_attention('model.panoptic_head.transformer_decoder'),
    'model.panoptic_head.transformer_decoder.layer_cfg.cross_attn_cfg.embed_dims': 32,
    'model.panoptic_head.loss_cls.class_weight': [1.0] * (len(CLASSES) + 1) + [0.1],
    'model.test_cfg.instance_on': True,  # panoptic quality needs the package panopticapi
}
_SOLO = {
    **_RESNET, **_MAKE_TRAINABLE, **_PYRAMID,
    'model.mask_head.in_channels': 32, 'model.mask_head.feat_channels': 32,
    'model.mask_head.mask_feature_head.feat_channels': 16,
    'model.mask_head.mask_feature_head.out_channels': 16,
    'model.mask_head.mask_feature_head.norm_cfg.num_groups': 4,
    'model.mask_head.scale_ranges': ((1, 24), (12, 48), (24, 96), (48, 192), (96, 512)),
    'model.mask_head.num_grids': [20, 18, 12, 8, 6],
}
_SWIN = {
    'model.backbone.embed_dims': 24, 'model.backbone.depths': [1, 1, 2, 1],
    'model.backbone.num_heads': [1, 2, 4, 8],
    **_PYRAMID, **_ROI_HEAD, **_MASK_HEAD,
    'model.neck.in_channels': [24, 48, 96, 192],
}
_CONVNEXT = {
    'model.backbone.arch': dict(_delete_=True, depths=[1, 1, 2, 1], channels=[16, 32, 64, 128]),
    **_PYRAMID, **_ROI_HEAD, **_MASK_HEAD,
    'model.neck.in_channels': [16, 32, 64, 128],
    'optim_wrapper.type': 'OptimWrapper',  # its mixed precision needs a GPU
}
_EFFICIENTNET = {
    'model.backbone.arch': 'b0', **_PYRAMID, **_DENSE_HEAD,
    'model.neck.in_channels': [40, 112, 320],
}
_TEACHER = {
    **_below('model.detector.', {**_RESNET, **_MAKE_TRAINABLE, **_PYRAMID, **_ROI_HEAD}),
    # Its pretrained weights want pixels that are not scaled.
    'model.detector.data_preprocessor.std': [58.0, 57.0, 57.0],
    'model.data_preprocessor.data_preprocessor.std': [58.0, 57.0, 57.0],
}
_CSP = {'model.backbone.widen_factor': 0.125, 'model.neck.in_channels': [32, 64, 128],
        'model.neck.out_channels': 32, **_DENSE_HEAD}

# kind -> (config that MMDet ships, what makes it narrow)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    'two-stage': ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
                  {**_RESNET, **_MAKE_TRAINABLE, **_PYRAMID, **_ROI_HEAD}),
    'single-stage, anchors': (
        'retinanet/retinanet_r18_fpn_1x_coco.py',
        {**_RESNET, **_MAKE_TRAINABLE, **_PYRAMID, **_DENSE_HEAD}),
    'anchor-free, tied heads': ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', _CSP),
    'queries': ('deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', _DETR),
    'instances': ('solov2/solov2_r50_fpn_1x_coco.py', _SOLO),
    'panoptic': ('maskformer/maskformer_r50_ms-16xb1-75e_coco.py', _MASKFORMER),
    'Swin': ('swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py', _SWIN),
    'ConvNeXt': ('convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py', _CONVNEXT),
    'depthwise convolutions': ('efficientnet/retinanet_effb3_fpn_8xb4-crop896-1x_coco.py',
                               _EFFICIENTNET),
    'semi-supervised': ('soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py',
                        _TEACHER),
    'mode switch': ('yolox/yolox_tiny_8xb8-300e_coco.py', _CSP),
}


def tiny_config(kind: str, data: Path, epochs: int = 3) -> Config:
    """Return the config of a kind, tiny, for the DigitScenes in ``data``.

    Args:
        kind: One of :data:`KINDS`.
        data: Folder from :func:`make_data`.
        epochs: Of every training, at least 2; a loop of iterations runs four for each.

    Raises:
        ValueError: The config needs a package that isn't here.
    """
    name, options = KINDS[kind]
    cfg = load_config(f'mmdet::{name}')
    found = _small(cfg.to_dict(), '', data)
    for key in ('train', 'val', 'test'):
        found[f'{key}_dataloader'].update(num_workers=0, persistent_workers=False)
        found[f'{key}_dataloader'].pop('pin_memory', None)
    sampler = found['train_dataloader']['sampler']
    found['train_dataloader'].update(batch_size=sampler.get('batch_size', 4))
    _short(found, epochs)
    small = Config(found)
    small.merge_from_dict(options)
    return small


def write_config(cfg: Config, path: Path) -> Path:
    """Write a config as a file without bases; return the path."""
    path.write_text(''.join(f'{key} = {value!r}\n' for key, value in cfg.to_dict().items()))
    return path


def make_data(folder: Path) -> Path:
    """Write a DigitScenes of 16 + 8 images with maps of classes for panoptic models."""
    generate(folder, seed=0, train=16, val=8)
    for part in ('train', 'val'):
        _draw_classes(COCO(str(folder / _annotations(part))), folder / 'classes')
    return folder


def _annotations(part: str) -> str:
    return f'annotations/instances_{part}.json'


def _draw_classes(coco: COCO, folder: Path) -> None:
    """Draw a map of classes for every image; what is no object is the one stuff class."""
    folder.mkdir(exist_ok=True)
    labels = {category: label for label, category in enumerate(sorted(coco.cats))}
    for number, image in coco.imgs.items():
        drawn = np.full((image['height'], image['width']), len(CLASSES), np.uint8)
        for record in coco.imgToAnns[number]:
            drawn[coco.annToMask(record) > 0] = labels[record['category_id']]
        cv2.imwrite(str(folder / Path(image['file_name']).with_suffix('.png').name), drawn)


def _small(value: Any, key: str, data: Path) -> Any:
    """Make a part of a config small, by what its keys mean in every config of MMDet."""
    if key in _VALUES:
        return _VALUES[key]
    if key == 'init_cfg' and isinstance(value, dict) and 'checkpoint' in value:
        return None
    if isinstance(value, dict):
        if 'ann_file' in value and 'data_prefix' in value:
            value = _digit_scenes(value, data)
        elif str(value.get('type')).endswith('Metric'):
            value = _metric(value, data)
        elif value.get('type') == 'LoadPanopticAnnotations':
            value = dict(type='LoadAnnotations', with_bbox=True, with_mask=True, with_seg=True)
        return {inner: _small(each, inner, data) for inner, each in value.items()}
    if key in ('scale', 'img_scale', 'size', 'crop_size', 'scales', 'random_size_range'):
        return _small_size(value, key)
    if isinstance(value, (list, tuple)):
        return type(value)(_small(each, '', data) for each in value)
    return value


_VALUES: dict[str, Any] = dict(
    num_classes=len(CLASSES), num_things_classes=len(CLASSES), num_stuff_classes=1,
    score_thr=0.0, load_from=None, border=(-SIDE // 2, -SIDE // 2))


def _small_size(value: Any, key: str) -> Any:
    """Replace sizes in pixels; scales that are factors stay."""
    if key == 'scales' or isinstance(value, list):
        return [(SIDE, SIDE)] * min(2, len(value))
    pixels = isinstance(value, tuple) and all(isinstance(x, int) and x > 8 for x in value)
    return (SIDE, SIDE) if pixels else value


def _digit_scenes(dataset: dict[str, Any], data: Path) -> dict[str, Any]:
    part = 'val' if dataset.get('test_mode') else 'train'
    prefix = dict(img=_IMAGES)
    if 'seg' in dataset['data_prefix']:
        prefix['seg'] = 'classes/'
    return {**dataset, 'type': 'CocoDataset', 'data_root': f'{data}/', 'data_prefix': prefix,
            'ann_file': _annotations(part), 'metainfo': dict(classes=CLASSES)}


def _metric(evaluator: dict[str, Any], data: Path) -> dict[str, Any]:
    """Count recall beside precision, which is zero for long in a net as small as these."""
    metric = evaluator.get('metric', ['segm'])
    return {'type': 'CocoMetric', 'ann_file': str(data / _annotations('val')), 'metric': metric,
            'metric_items': ['mAP', 'mAP_50', 'AR@100']}


def _short(cfg: dict[str, Any], epochs: int) -> None:
    """Train briefly, with the mode switches before the last epoch."""
    loop = cfg['train_cfg']
    loop.pop('dynamic_intervals', None)
    by_epoch = 'max_iters' not in loop
    if by_epoch:
        loop.update(max_epochs=epochs, val_interval=epochs)
    else:
        loop.update(max_iters=4 * epochs, val_interval=4 * epochs)
    cfg['param_scheduler'] = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4)]
    cfg['default_hooks']['checkpoint'].update(interval=1 if by_epoch else 4, by_epoch=by_epoch)
    cfg['default_hooks']['logger'].update(interval=4)
    for hook in cfg.get('custom_hooks') or []:
        if 'switch_epoch' in hook:
            hook['switch_epoch'] = epochs - 1
        if 'num_last_epochs' in hook:
            hook['num_last_epochs'] = 1
