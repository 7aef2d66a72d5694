"""Read config files, by path or as ``mmdet::...``, and move their data."""
import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from mmlth.engine.config_names import configs_of, similar_configs

MODULE2PACKAGE['mmlth'] = 'mmlth'  # `_base_ = 'mmlth::...'` is read as that of MMDet's configs
AMP_OPTIONS = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'}
_CONFIG_SUFFIXES = ('.py', '.json', '.yaml', '.yml')  # that MMEngine reads
_DATA_PARTS = (
    'train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator')


class MissingPackageError(ValueError):
    """A config needs a package that isn't installed."""


def load_config(name: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config file, or one that a package ships (``mmdet::faster_rcnn/NAME.py``).

    Args:
        name: Path, or ``package::path`` below that package's configs.
        options: ``--cfg-options``: dotted keys and values that override the config.

    Raises:
        FileNotFoundError: There is no such file or package; names what was looked for, and
            configs of similar names.
        ValueError: It is no config by its name, or an option would change nothing.
    """
    if 'data_root' in (options or {}):
        raise ValueError('cfg_options data_root=... would change nothing: by then the data sets '
                         'have copied its value. Use --data-root where there is one, or name the '
                         'data sets: train_dataloader.dataset.data_root=...')
    path = _packaged(name) if '::' in name else Path(name)
    if not path.is_file():
        similar = ' or '.join(similar_configs(name))
        hint = f'; did you mean {similar}?' if similar else ''
        raise FileNotFoundError(f'config {name!r} does not exist (looked for {path}){hint}')
    if path.suffix not in _CONFIG_SUFFIXES:
        raise ValueError(f'{name} is no config: the name of one ends in '
                         f'{", ".join(_CONFIG_SUFFIXES)}')
    try:
        cfg = Config.fromfile(str(path))
    except ImportError as error:  # a base in another package, or custom_imports
        raise MissingPackageError(
            f'config {name!r} needs what is not installed: {error}') from error
    cfg.merge_from_dict(options or {})
    return cfg


def set_data_root(cfg: Config, root: str) -> Config:
    """Move the data sets and evaluators to another folder.

    MMDet's configs spell their root out in every data set and evaluator, so that a new value of
    ``data_root`` alone changes nothing.

    Args:
        cfg: With a ``data_root`` at the top, as those of MMDet's data sets have; not changed.
        root: What takes its place at the start of every path: a folder, or ``s3://BUCKET``.

    Returns:
        A copy.

    Raises:
        ValueError: The config has no ``data_root``, or none of its data lies below it.
    """
    old = cfg.get('data_root')
    if not old:
        raise ValueError(f'--data-root {root}: {cfg.filename} has no data_root to replace. Set the '
                         'paths of its data sets one by one with --cfg-options')
    moved = copy.deepcopy(cfg)
    parts = moved._cfg_dict  # as they were written: reading one builds lazily imported types
    for key in _DATA_PARTS:
        if dict.get(parts, key) is not None:
            dict.__setitem__(parts, key, _below(
                dict.get(parts, key), old.rstrip('/'), root.rstrip('/')))
    unmoved = all(moved.get(key) == cfg.get(key) for key in _DATA_PARTS)
    if unmoved and root.rstrip('/') != old.rstrip('/'):
        raise ValueError(f'--data-root {root}: no data set or evaluator of {cfg.filename} lies '
                         f'below its data_root, {old!r}. Set their paths one by one with '
                         '--cfg-options')
    moved.data_root = root
    return moved


def _below(value: Any, old: str, new: str) -> Any:
    """Replace the folder ``old`` by ``new`` at the start of every text; dicts change in place."""
    if isinstance(value, dict):
        for key in value:
            dict.__setitem__(value, key, _below(dict.__getitem__(value, key), old, new))
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_below(v, old, new) for v in value)
    inside = isinstance(value, str) and f'{value}/'.startswith(f'{old}/')
    return new + value[len(old):] if inside else value


def use_amp(cfg: Config) -> None:
    """Turn on mixed precision, as the ``--amp`` flag of MMDet's ``tools/train.py`` does."""
    cfg.merge_from_dict(AMP_OPTIONS)


def _packaged(name: str) -> Path:
    package, _, path = name.partition('::')
    folder = configs_of(package)
    if folder is None:
        raise FileNotFoundError(f'config {name!r}: there is no installed package {package!r}')
    return folder / path
