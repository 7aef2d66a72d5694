"""Find before training what it would find missing only later: parts of the config, files, disk."""
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS

from mmlth.core.files import free_bytes
from mmlth.core.training import Training
from mmlth.engine.config_parts import metrics_of, type_name
from mmlth.engine.round_config import checkpoint_limit
from mmlth.engine.trainer import check_trainer

_PARTS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'val_dataloader', 'val_cfg',
          'val_evaluator')
_OWN_HOOKS = ('TicketHook', 'CaptureHook', 'CaptureStateHook')
_STARTS_OF_ANOTHER = ('rewound', 'of parent')  # all others need a file of weights each


def check_config(cfg: Config) -> None:
    """Raise for what a training would find missing only later.

    Raises:
        ValueError: No training or validation part, or one that can't work here.
        FileNotFoundError: An annotation file, image folder or checkpoint of the config is
            missing; names the config's key, the path, and how to change it.
    """
    for part in _PARTS:
        if cfg.get(part) is None:
            raise ValueError(
                f'the config has no {part!r}: IMP trains and evaluates every round, so the '
                'training and validation parts of an MMDet config are needed')
    check_trainer(cfg)
    given = [*(cfg.get('custom_hooks') or []), *(cfg.get('default_hooks') or {}).values()]
    hooks = [type_name(hook) for hook in given]
    for hook in _OWN_HOOKS:
        if hook in hooks:
            raise ValueError(f'the config has a {hook} among its hooks, which IMP adds itself; '
                             'remove it')
    if type_name(cfg.optim_wrapper) == 'AmpOptimWrapper' and get_device() == 'cpu':
        raise ValueError('mixed precision (--amp, AmpOptimWrapper) needs a GPU, and none is '
                         'visible')
    scaling = cfg.get('auto_scale_lr') or {}
    if scaling.get('enable') and 'base_batch_size' not in scaling:
        raise ValueError('--auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
    lost = [f'{key} = {path!r}' for key, path in files_of(cfg) if not os.path.exists(path)]
    if lost:
        first = lost[0].partition(' = ')[0]
        raise FileNotFoundError(
            '; '.join(f'{each} does not exist' for each in lost) + '. Lay the data out there, or '
            f'point to it: all of it with --data-root DIR, or one with --cfg-options {first}=PATH')


def metainfo(cfg: Config) -> dict[str, Any]:
    """Return what the training's checkpoints will say of its data set, without reading the data.

    Empty where the data set's class doesn't tell before it is built.
    """
    dataset = cfg.train_dataloader.dataset
    while True:  # RepeatDataset, ConcatDataset and the like hold others
        inner = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
        if inner is None:
            break
        dataset = inner
    own = dict(getattr(kind_of(dataset), 'METAINFO', {}))
    return {**own, **(dataset.get('metainfo') or {})}


def check_disk(
    work_dir: Path, parameters: int, trainings: tuple[Training, ...], cfg: Config,
) -> None:
    """Raise OSError if the disk of ``work_dir`` is too small for all that the job leaves there."""
    needed = needed_bytes(parameters, trainings, cfg)
    free = free_bytes(work_dir)
    if free < needed:
        raise OSError(
            f'the disk of {work_dir} has {free / 2**30:.1f} GiB free, but the job needs about '
            f'{needed / 2**30:.1f} GiB ({len(trainings)} trainings). Free some, choose another '
            '--work-dir, or leave less behind: keep="weights", a lower max_keep_ckpts')


def needed_bytes(parameters: int, trainings: tuple[Training, ...], cfg: Config) -> int:
    """Estimate the bytes that a job has on disk at most, weights in float32.

    One training at a time has checkpoints with optimizer state (and those of an average, where
    there is one); a finished one is reduced to its weights, unless all are kept.
    """
    weights = 4 * parameters
    sgd = cfg.optim_wrapper.get('optimizer', {}).get('type') == 'SGD'
    averaged = any('EMA' in str(hook.get('type')) for hook in cfg.get('custom_hooks') or [])
    whole = weights * ((2 if sgd else 3) + averaged)
    first, *others = trainings
    in_training = whole * checkpoint_limit(cfg, first)
    finished = in_training if first.keep == 'all' else weights
    starts = sum(training.start not in _STARTS_OF_ANOTHER for training in trainings)
    captured = 1 + len(first.captures)
    states = whole * len(first.states)
    return in_training + finished * len(others) + weights * (starts + captured) + states


def files_of(cfg: Config) -> Iterator[tuple[str, str]]:
    """Yield (config key, path) of every local file or folder that the config reads."""
    for loader in ('train_dataloader', 'val_dataloader'):
        for key, dataset in leaf_datasets(cfg[loader].dataset, f'{loader}.dataset'):
            yield from _dataset_files(dataset, key)
    for key, metric in metrics_of(cfg.val_evaluator, 'val_evaluator'):
        path = metric.get('ann_file')
        if path and '://' not in path and is_local(metric):
            yield f'{key}.ann_file', path
    if cfg.get('load_from') and '://' not in cfg.load_from:
        yield 'load_from', cfg.load_from


def kind_of(dataset: Any) -> Any:
    """Return the class of a data set's config in the current scope, or None."""
    kind = dataset.get('type')
    if not isinstance(kind, str):
        return kind
    with DATASETS.switch_scope_and_registry(None) as registry:
        return registry.get(kind)


def leaf_datasets(dataset: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (config key, config) of every data set that reads files itself."""
    inner = dataset.get('dataset')  # RepeatDataset, ClassBalancedDataset, MultiImageMixDataset
    parts = dataset.get('datasets') or []  # ConcatDataset
    if inner is not None:
        yield from leaf_datasets(inner, f'{key}.dataset')
    for i, part in enumerate(parts):
        yield from leaf_datasets(part, f'{key}.datasets.{i}')
    if inner is None and not parts:
        yield key, dataset


def is_local(reader: Any) -> bool:
    """Tell whether a data set or evaluator reads files of this machine."""
    backend = (reader.get('backend_args') or {}).get('backend', 'local')
    places = (reader.get(key) for key in ('data_root', 'ann_file'))
    return backend == 'local' and not any('://' in place for place in places if place)


def _dataset_files(dataset: Any, key: str) -> Iterator[tuple[str, str]]:
    if not is_local(dataset):
        return
    root = dataset.get('data_root') or ''
    prefixes = {f'data_prefix.{k}': v for k, v in (dataset.get('data_prefix') or {}).items()}
    for name, path in dict(prefixes, ann_file=dataset.get('ann_file')).items():
        if isinstance(path, str) and path and '://' not in path + root:
            yield f'{key}.{name}', os.path.join(root, path)
