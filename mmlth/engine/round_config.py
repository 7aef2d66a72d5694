"""Derive the config of one training from the user's: one that MMDet's own tools could run."""
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmlth.core.layout import Layout
from mmlth.core.moment import Moment
from mmlth.core.training import Training
from mmlth.engine import hooks
from mmlth.engine.config_parts import as_list, type_name
from mmlth.engine.stretch import stretch

Hook = dict[str, Any]

_OF_TRAINING = ('imp', 'work_dir', 'experiment_name', 'load_from', 'resume', 'launcher',
                'model_wrapper_cfg')


def round_config(
    cfg: Config, training: Training, layout: Layout, *, resume: Path | None = None,
    names: Sequence[str] = (), learning_rates: Path | None = None,
) -> Config:
    """Return the config of one training.

    Args:
        cfg: The user's config; not changed.
        training: Which one.
        layout: Files of the job.
        resume: Checkpoint of this training to go on from, or None to begin.
        names: Tensors of the scope; an early-bird hook needs them in the dense round.
        learning_rates: Checkpoint whose last rates hold, where the schedule says so.

    Returns:
        A copy with its own work directory, experiment and visualizer name, seed, and hooks.
    """
    cfg = copy.deepcopy(cfg)
    cfg.pop('imp', None)
    _call_it_by(cfg, layout.round_dir(*training.key))
    cfg.randomness = {**cfg.get('randomness', {}), 'seed': training.runner_seed}
    cfg.custom_imports = _with_mmlth(cfg.get('custom_imports'))
    cfg.custom_hooks = [
        *(cfg.get('custom_hooks') or []),
        *_captures(training, layout),
        *_ticket(training, layout, learning_rates),
        *_step_seeds(training),
        *_early_bird(training, layout, names),
        *_evaluation_state(cfg, resume),
    ]
    _keep_checkpoints(cfg, training)
    if training.stretch > 1:
        stretch(cfg, training.stretch)
    if training.exact_resume:
        cfg.train_dataloader.persistent_workers = False
    if training.schedule == 'last rate':
        cfg.param_scheduler = None  # TicketHook holds the last learning rate
    start = resume or (layout.state if training.schedule == 'continue' else None)
    cfg.resume = start is not None
    if cfg.resume:  # else a load_from of the user's holds
        cfg.load_from = str(start)
    return cfg


def plain_config(values: dict[str, Any]) -> dict[str, Any]:
    """Return a round's config without mmlth and without what belongs to that one training.

    What MMDet's inference and ``tools/test.py`` read stays; so do models that mmlth registers.
    """
    plain = {key: value for key, value in values.items() if key not in _OF_TRAINING}
    others = [hook for hook in plain.get('custom_hooks') or [] if not _is_ours(hook)]
    if plain.get('default_hooks'):
        plain['default_hooks'] = {
            name: hook for name, hook in plain['default_hooks'].items() if not _is_ours(hook)}
    imports = plain.get('custom_imports') or {}
    names = [name for name in as_list(imports.get('imports')) if name != 'mmlth']
    for key, value in (('custom_hooks', others), ('custom_imports', names)):
        plain.pop(key, None)
        if value:
            plain[key] = value if key == 'custom_hooks' else {**imports, 'imports': value}
    return plain


def _is_ours(hook: Hook | None) -> bool:
    return type_name(hook) in hooks.__all__


def _call_it_by(cfg: Config, folder: Path) -> None:
    """Work in a folder under its name: with one for all, all would share one visualizer."""
    stem = Path(cfg.filename).stem if cfg.filename else 'imp'
    cfg.work_dir = str(folder)
    cfg.experiment_name = f'{stem}_{folder.name}'
    if cfg.get('visualizer'):
        cfg.visualizer.name = cfg.experiment_name


def _with_mmlth(imports: dict[str, Any] | None) -> dict[str, Any]:
    given = imports or {}
    names = as_list(given.get('imports'))
    if 'mmlth' not in names:
        names.append('mmlth')
    return {**given, 'imports': names}


def _captures(training: Training, layout: Layout) -> list[Hook]:
    """Keep w_k, and what else is asked for, in the dense round."""
    if training.number:
        return []
    hooks = [_capture(layout.rewind, training.moment)]
    hooks += [_capture(layout.captured(moment.name), moment) for moment in training.captures]
    for moment in training.states:
        path = layout.state_at(moment.name, training.moment.name)
        hooks.append(dict(_capture(path, moment), type='CaptureStateHook'))
    return hooks


def _capture(path: Path, moment: Moment) -> Hook:
    return dict(type='CaptureHook', path=str(path), moment=moment.text)


def _ticket(training: Training, layout: Layout, rates: Path | None) -> list[Hook]:
    if not training.number:
        return []
    hook: Hook = dict(type='TicketHook', ticket=str(layout.ticket(*training.key)))
    if training.needs_state:
        hook['state'] = str(layout.state)
        hook['optimizer'] = training.optimizer
        hook['continues'] = training.schedule == 'continue'
    if rates is not None:
        hook['learning_rates'] = str(rates)
    return [hook]


def _step_seeds(training: Training) -> list[Hook]:
    return [dict(type='StepSeedHook')] if training.exact_resume else []


def _early_bird(training: Training, layout: Layout, names: Sequence[str]) -> list[Hook]:
    """Watch the mask of the next round, if there is one."""
    if training.early_bird is None:
        return []
    hook: Hook = dict(
        type='EarlyBirdHook',
        folder=str(layout.early_bird(training.number)),
        density=training.next_density,
        rewind=str(layout.rewind),
        positions=str(layout.positions),
        criterion=training.criterion,
        cost_exponent=training.cost_exponent,
        allocation=training.allocation,
        min_kept=training.min_kept,
        seed=training.seed,
        **training.early_bird,
    )
    if training.number:
        return [dict(hook, begin='init', ticket=str(layout.ticket(*training.key)))]
    return [dict(hook, begin=training.moment.text, names=list(names))]


def _evaluation_state(cfg: Config, resume: Path | None) -> list[Hook]:
    """Keep over a resume what evaluations decided, where anything goes by them."""
    stops = any(type_name(hook).endswith('EarlyStoppingHook')
                for hook in cfg.get('custom_hooks') or [])
    saves_best = ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('save_best')
    waits = any('ReduceOnPlateau' in type_name(each)
                for each in as_list(cfg.get('param_scheduler')))
    if not (stops or saves_best or waits):
        return []
    return [dict(type='EvaluationStateHook', resumed=resume is not None)]


def _keep_checkpoints(cfg: Config, training: Training) -> None:
    """Keep the last checkpoint, and at least two while training: one may be half-written."""
    cfg.default_hooks = cfg.get('default_hooks') or ConfigDict()
    if cfg.default_hooks.get('checkpoint') is None:
        cfg.default_hooks.checkpoint = ConfigDict(type='CheckpointHook', interval=1)
    hook = cfg.default_hooks.checkpoint
    for name in ('out_dir', 'filename_tmpl'):  # a round is gone on with from its own folder
        hook.pop(name, None)
    if not hook.get('by_epoch', True) and _is_epoch_based(cfg):  # it would go on within an epoch,
        hook.update(by_epoch=True, interval=1)  # which MMEngine begins anew
    hook.save_last = hook.save_optimizer = hook.save_param_scheduler = True
    hook.max_keep_ckpts = checkpoint_limit(cfg, training)


def _is_epoch_based(cfg: Config) -> bool:
    loop = cfg.get('train_cfg') or {}
    return bool(loop.get('by_epoch')) or type_name(loop) == 'EpochBasedTrainLoop'


def checkpoint_limit(cfg: Config, training: Training) -> int:
    """Return how many checkpoints a training keeps: the config's limit, at least 2, or its own."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    limit = int(hook.get('max_keep_ckpts', -1))
    return max(2, limit) if limit > 0 else training.max_keep_ckpts
