"""Rows and columns of the matrix of trainers.py: optimizers, and what else a config may ask for."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from trainer_detectors import CLASSES, SIDE, retinanet, write_images, yolox

Feature = Callable[[Config], None]
_LOAD = dict(type='LoadImageFromFile')
_RESIZE = dict(type='Resize', scale=(SIDE, SIDE), keep_ratio=True)
_BOXES = dict(type='LoadAnnotations', with_bbox=True)
_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
_PACK = dict(type='PackDetInputs', meta_keys=_KEYS)

OPTIMIZERS: dict[str, dict[str, Any]] = {
    'SGD, momentum': dict(
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.01)),
    'SGD, Nesterov': dict(
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.01, nesterov=True)),
    'Adam': dict(optimizer=dict(type='Adam', lr=0.001, weight_decay=0.01)),
    'AdamW': dict(optimizer=dict(type='AdamW', lr=0.001, weight_decay=0.1)),
    'NAdam, decoupled': dict(
        optimizer=dict(type='NAdam', lr=0.001, weight_decay=0.1, decoupled_weight_decay=True)),
    'SGD, paramwise_cfg': dict(
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.01),
        paramwise_cfg=dict(
            norm_decay_mult=0.0,
            bias_lr_mult=2.0,
            bias_decay_mult=0.0,
            custom_keys={'backbone': dict(lr_mult=0.1)},
        )),
    'AdamW, layer-wise decay': dict(
        optimizer=dict(type='AdamW', lr=0.001, weight_decay=0.1),
        constructor='LearningRateDecayOptimizerConstructor',
        paramwise_cfg=dict(decay_rate=0.7, decay_type='layer_wise', num_layers=6)),
}


def base_config(folder: Path, optimizer: dict[str, Any]) -> Config:
    """Return two epochs of two steps on four images, which are written to ``folder``."""
    ann_file = str(write_images(folder))
    flip = dict(type='RandomFlip', prob=0.5)
    dataset = dict(type='CocoDataset', ann_file=ann_file, data_prefix=dict(img=str(folder)),
                   metainfo=dict(classes=CLASSES))
    loader = dict(batch_size=2, num_workers=0)
    order = dict(type='DefaultSampler', shuffle=True)
    train = dict(dataset, pipeline=[_LOAD, _BOXES, flip, _PACK])
    val = dict(dataset, test_mode=True, indices=2, pipeline=[_LOAD, _RESIZE, _BOXES, _PACK])
    return Config(dict(
        default_scope='mmdet',
        model=retinanet(),
        train_dataloader=dict(loader, dataset=train, sampler=order),
        val_dataloader=dict(loader, dataset=val, sampler=dict(order, shuffle=False)),
        val_evaluator=dict(type='CocoMetric', metric='bbox', ann_file=ann_file),
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        val_cfg=dict(),
        optim_wrapper=optimizer,
        param_scheduler=dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='StepSeedHook')],
        log_level='ERROR',
    ))


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """The autocast of MMEngine's AmpOptimWrapper, which refuses a CPU; bfloat16 needs no scaler.

    Without the cache of cast weights: it serves leaves alone, which w is and the reference's m * w
    is not, so that it would add the gradients of a shared head in bfloat16 on one side only.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast(
                'cpu', torch.bfloat16, cache_enabled=False):
            yield


@MODELS.register_module('AllReduceBN')
class AllReduceBN(nn.BatchNorm2d):
    """Batch norm over all ranks, on a CPU too: torch's SyncBatchNorm is written for GPUs alone."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean = all_reduce(x.mean((0, 2, 3))) / dist.get_world_size()
        square = all_reduce(x.square().mean((0, 2, 3))) / dist.get_world_size()
        variance = square - mean.square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


def _set(**options: Any) -> Feature:
    """Return a feature that merges options, dots as two underscores, into a config."""
    flat = {key.replace('__', '.'): value for key, value in options.items()}
    return lambda cfg: cfg.merge_from_dict(flat)


def _hook(**hook: Any) -> Feature:
    return lambda cfg: cfg.custom_hooks.append(hook)


def _ema(kind: str, **keywords: Any) -> Feature:
    return _hook(type='EMAHook', ema_type=kind, **keywords)


def _by_iteration(cfg: Config) -> None:
    cfg.train_cfg = dict(by_epoch=False, max_iters=4, val_interval=2)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
    cfg.log_processor = dict(by_epoch=False)


def _switch_pipeline(cfg: Config) -> None:
    brightness = dict(type='PhotoMetricDistortion')
    pipeline = [_LOAD, _BOXES, brightness, _PACK]
    _hook(type='PipelineSwitchHook', switch_epoch=1, switch_pipeline=pipeline)(cfg)


def _switch_mode(cfg: Config) -> None:
    cfg.model = yolox()
    train = cfg.train_dataloader.dataset
    train.pipeline = [_LOAD, _BOXES]
    mixed = [
        dict(type='Mosaic', img_scale=(SIDE, SIDE), pad_val=114.0),
        dict(type='RandomAffine', scaling_ratio_range=(0.5, 1.5), border=(-SIDE // 2,) * 2),
        _RESIZE,
        _PACK,
    ]
    cfg.train_dataloader.dataset = dict(
        type='MultiImageMixDataset', dataset=train, pipeline=mixed)
    _hook(type='YOLOXModeSwitchHook', num_last_epochs=1)(cfg)


def _stop_early(cfg: Config) -> None:
    cfg.train_cfg.max_epochs = 4
    # No metric improves by 2, so that the second evaluation is the last.
    _hook(type='EarlyStoppingHook', monitor='coco/bbox_mAP', rule='greater', min_delta=2,
          patience=1)(cfg)


def _balance_classes(cfg: Config) -> None:
    cfg.train_dataloader.dataset = dict(
        type='ClassBalancedDataset', oversample_thr=0.5, dataset=cfg.train_dataloader.dataset)


def _evaluators(cfg: Config) -> None:
    by_class = dict(type='CocoMetric', metric='bbox', classwise=True, prefix='by_class',
                    ann_file=cfg.val_evaluator.ann_file)
    cfg.val_evaluator = [cfg.val_evaluator, by_class]


def _test_time_augmentation(cfg: Config) -> None:
    merge = dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=10)
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    augment = dict(type='TestTimeAug', transforms=[[_RESIZE], flips, [_BOXES], [_PACK]])
    cfg.tta_model = dict(type='DetTTAModel', tta_cfg=merge)
    cfg.tta_pipeline = [_LOAD, augment]


FEATURES: dict[str, Feature] = {
    'plain': lambda cfg: None,
    'clip_grad': _set(optim_wrapper__clip_grad=dict(max_norm=0.1)),
    'accumulation': _set(optim_wrapper__accumulative_counts=2),
    'bfloat16': _set(optim_wrapper__type='Bfloat16OptimWrapper'),
    'EMA': _ema('ExponentialMovingAverage', momentum=0.1, update_buffers=True),
    'EMA, annealed': _ema('MomentumAnnealingEMA', gamma=4),
    'EMA, SWA': _ema('StochasticWeightAverage'),
    'EMA of MMDet': _ema('ExpMomentumEMA', momentum=0.1, gamma=4),
    'EMA from iteration 3': _ema('ExponentialMovingAverage', begin_iter=3),
    'EMA from epoch 2': _ema('ExponentialMovingAverage', begin_epoch=2),
    'SyncBN, 2 ranks': _set(model__backbone__norm_cfg=dict(type='AllReduceBN')),
    'frozen BN': _set(model__backbone__norm_cfg=dict(type='BN', requires_grad=False),
                      model__backbone__norm_eval=True),
    'frozen stages': _set(model__backbone__frozen_stages=1),
    'norm_eval': _set(model__backbone__norm_eval=True),
    'torch.compile': _set(compile=dict(backend='aot_eager')),
    'with_cp': _set(model__backbone__with_cp=True),
    'activation_checkpointing': _set(activation_checkpointing=['backbone.stages.1']),
    'PipelineSwitchHook': _switch_pipeline,
    'YOLOXModeSwitchHook': _switch_mode,
    'EarlyStoppingHook': _stop_early,
    'save_best': _set(default_hooks__checkpoint__save_best='coco/bbox_mAP',
                      default_hooks__checkpoint__rule='greater'),
    'load_from': lambda cfg: None,
    'resume': lambda cfg: None,
    'by iteration': _by_iteration,
    'ClassBalancedDataset': _balance_classes,
    'several evaluators': _evaluators,
    'TTA at test': _test_time_augmentation,
}

# These take the root mean square of a whole weight into their steps, dead values included, so that
# only a reference that begins with zeros there does what m * w means.
OF_WHOLE_TENSORS = ('TorchAdafactor', )
# Largest difference to the reference, as a share of the largest weight of a tensor, and why.
TOLERANCES = {}

FURTHER_OPTIMIZERS: dict[str, dict[str, Any]] = {
    name: dict(optimizer=dict(type=name, lr=0.001, weight_decay=0.01))
    for name in ('ASGD', 'Adadelta', 'Adagrad', 'Adamax', 'RAdam', 'RMSprop', 'TorchAdafactor')
}
FURTHER_OPTIMIZERS['Rprop'] = dict(optimizer=dict(type='Rprop', lr=0.001))
