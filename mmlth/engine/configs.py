"""Configs: find one by path or ``mmdet::...``, and derive the config of every round from it."""
import copy
import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Sequence

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import init_dist, is_distributed

from mmlth.core.layout import Layout
from mmlth.core.rewind import capture_name, capture_point
from mmlth.core.ticket import weights_step
from mmlth.engine.checkpoints import latest_checkpoint
from mmlth.engine.config import IMPConfig

AMP_OPTIONS = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'}
_DATA_PARTS = ('train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator')


def load_config(name: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config file, or one that a package ships (``mmdet::faster_rcnn/NAME.py``).

    Args:
        name: Path, or ``package::path`` below that package's configs.
        options: ``--cfg-options``: dotted keys and values that override the config.

    Raises:
        FileNotFoundError: There is no such file or package; names what was looked for.
    """
    path = _packaged(name) if '::' in name else Path(name)
    if not path.is_file():
        raise FileNotFoundError(f'config {name!r} does not exist (looked for {path})')
    try:
        cfg = Config.fromfile(str(path))
    except ImportError as error:  # a base in another package, or custom_imports
        raise ValueError(f'config {name!r} needs what is not installed: {error}') from error
    cfg.merge_from_dict(options or {})
    return cfg


def set_data_root(cfg: Config, root: str) -> Config:
    """Move the data sets and evaluators to another folder.

    MMDet's configs spell their root out in every data set and evaluator, so that a new value of
    ``data_root`` alone changes nothing.

    Args:
        cfg: Config with a ``data_root`` at the top, as those of MMDet's data sets have; not changed.
        root: What takes its place at the start of every path: a folder, or an address as ``s3://BUCKET``.

    Returns:
        A copy.

    Raises:
        ValueError: The config has no ``data_root``, or none of its data lies below it.
    """
    old = cfg.get('data_root')
    if not old:
        raise ValueError(f'--data-root {root}: {cfg.filename} has no data_root to replace. Set the paths of '
                         'its data sets one by one with --cfg-options')
    moved = copy.deepcopy(cfg)
    for key in _DATA_PARTS:
        if cfg.get(key) is not None:
            moved[key] = _below(cfg[key], old.rstrip('/'), root.rstrip('/'))
    if root.rstrip('/') != old.rstrip('/') and all(moved.get(k) == cfg.get(k) for k in _DATA_PARTS):
        raise ValueError(f'--data-root {root}: no data set or evaluator of {cfg.filename} lies below its '
                         f'data_root, {old!r}. Set their paths one by one with --cfg-options')
    moved.data_root = root
    return moved


def _below(value: Any, old: str, new: str) -> Any:
    """Replace the folder ``old`` by ``new`` at the start of every text in nested dicts and lists."""
    if isinstance(value, dict):
        return {k: _below(v, old, new) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_below(v, old, new) for v in value)
    inside = isinstance(value, str) and f'{value}/'.startswith(f'{old}/')
    return new + value[len(old):] if inside else value


def use_amp(cfg: Config) -> None:
    """Turn on mixed precision, as the ``--amp`` flag of MMDet's ``tools/train.py`` does."""
    cfg.merge_from_dict(AMP_OPTIONS)


def round_config(cfg: Config, settings: IMPConfig, layout: Layout, number: int, control: str = '',
                 names: Sequence[str] = ()) -> Config:
    """Return the config of one round: an ordinary training that MMDet's own tools could run.

    Args:
        cfg: The user's config; not changed.
        settings: Of the job.
        layout: Files of the job.
        number: Round, 0 = dense.
        control: Name of the control that is trained in place of the round's ticket, or ''.
        names: Tensors of the scope; the early-bird hook needs them.

    Returns:
        A copy with its own work directory, experiment and visualizer name, seed, the hooks of the
        round, and a resume from the newest whole checkpoint of this round if there is one.
    """
    cfg = copy.deepcopy(cfg)
    cfg.pop('imp', None)
    folder = layout.round_dir(number, control)
    name = f'{Path(cfg.filename).stem if cfg.filename else "imp"}_{folder.name}'
    cfg.work_dir = str(folder)
    cfg.experiment_name = name
    if cfg.get('visualizer'):  # one name would give every round the first one's visualizer
        cfg.visualizer.name = name
    cfg.randomness = {**cfg.get('randomness', {}), 'seed': settings.seed}
    cfg.custom_imports = _with_mmlth(cfg.get('custom_imports'))
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *_hooks(settings, layout, number, control),
                        *_early_bird(settings, layout, number, control, names)]
    _keep_checkpoints(cfg, settings)
    if settings.exact_resume:
        cfg.train_dataloader.persistent_workers = False
    if number > 0 and settings.rewind == 'none':
        cfg.param_scheduler = None  # TicketHook holds the last learning rate
    checkpoint = latest_checkpoint(cfg.work_dir) or (
        layout.state if number > 0 and settings.lr_schedule == 'continue' else None)
    cfg.resume = checkpoint is not None
    if checkpoint:
        cfg.load_from = str(checkpoint)
    return cfg


def start_launcher(cfg: Config, launcher: str) -> None:
    """Join the processes of a launcher; without a GPU, through gloo and a DDP that takes CPU tensors.

    MMEngine's own ``init_dist`` always selects a CUDA device.
    """
    cfg.launcher = launcher
    on_cpu = launcher == 'pytorch' and not torch.cuda.is_available()
    if on_cpu:
        cfg.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel', 'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
            **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
    if launcher == 'none' or is_distributed():
        return
    if on_cpu:
        torch.distributed.init_process_group('gloo')
    else:
        init_dist(launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {}))


def stop_launcher() -> None:
    """Leave the processes of a launcher; a gloo group that is left standing aborts now and then at exit."""
    if is_distributed():
        torch.distributed.destroy_process_group()


def _packaged(name: str) -> Path:
    package, _, path = name.partition('::')
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f'config {name!r}: there is no installed package {package!r}')
    return Path(spec.submodule_search_locations[0]) / '.mim' / 'configs' / path


def _with_mmlth(imports: dict[str, Any] | None) -> dict[str, Any]:
    names = (imports or {}).get('imports') or []
    names = [names] if isinstance(names, str) else list(names)
    return {**(imports or {}), 'imports': [*names, *(['mmlth'] if 'mmlth' not in names else [])]}


def start_step(settings: IMPConfig, layout: Layout, number: int) -> int:
    """Return the step at which a round begins: k if its schedule continues there, else 0."""
    return weights_step(layout.rewind) if number > 0 and settings.lr_schedule == 'continue' else 0


def _hooks(settings: IMPConfig, layout: Layout, number: int, control: str) -> list[dict[str, Any]]:
    hooks: list[dict[str, Any]] = []
    needs_state = 'rewound' == settings.optimizer or 'continue' == settings.lr_schedule
    if number == 0:
        point = capture_point(settings.rewind)
        hooks.append(dict(type='CaptureHook', path=str(layout.rewind), **point))
        hooks += [dict(type='CaptureHook', path=str(layout.captured(capture_name(k))), **capture_point(k))
                  for k in settings.capture]
        if needs_state:
            hooks.append(dict(type='CaptureStateHook', path=str(layout.state), **point))
    else:
        policy: dict[str, Any] = {}
        if needs_state:
            policy = dict(state=str(layout.state), optimizer=settings.optimizer,
                          start_step=start_step(settings, layout, number))
        elif settings.rewind == 'none':
            policy = dict(learning_rates=str(latest_checkpoint(layout.round_dir(number - 1))))
        hooks.append(dict(type='TicketHook', ticket=str(layout.ticket(number, control)), **policy))
    if settings.exact_resume:
        hooks.append(dict(type='StepSeedHook'))
    return hooks


def _early_bird(settings: IMPConfig, layout: Layout, number: int, control: str,
                names: Sequence[str]) -> list[dict[str, Any]]:
    """Watch the mask of the next round, if there is one."""
    densities = settings.densities()
    if settings.early_bird is None or control or number + 1 == len(densities):
        return []
    point = capture_point(settings.rewind) if number == 0 else {}
    masks = dict(names=list(names)) if number == 0 else dict(ticket=str(layout.ticket(number)))
    return [dict(type='EarlyBirdHook', folder=str(layout.early_bird(number)), density=densities[number + 1],
                 rewind=str(layout.rewind), begin=point.get('step', 0), begin_epoch=point.get('epoch', 0),
                 begin_share=point.get('share', 0.0),
                 criterion=settings.criterion, allocation=settings.allocation, min_kept=settings.min_kept,
                 seed=settings.seed, **masks, **dataclasses.asdict(settings.early_bird_settings()))]


def _keep_checkpoints(cfg: Config, settings: IMPConfig) -> None:
    """Keep the last checkpoint, and at least two while training: one may be half-written."""
    cfg.setdefault('default_hooks', ConfigDict())
    if cfg.default_hooks.get('checkpoint') is None:
        cfg.default_hooks.checkpoint = ConfigDict(type='CheckpointHook', interval=1)
    hook = cfg.default_hooks.checkpoint
    for name in ('out_dir', 'filename_tmpl'):  # a round is gone on with from its own folder
        hook.pop(name, None)
    hook.save_last = hook.save_optimizer = hook.save_param_scheduler = True
    limit = hook.get('max_keep_ckpts', -1)
    hook.max_keep_ckpts = max(2, limit) if limit > 0 else settings.max_keep_ckpts
