"""What decides the numbers of a job, apart from where its data lies and what it runs on."""
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size

from mmlth.core.criteria import takes
from mmlth.settings.imp_config import IMPConfig

# What a Runner reads of a config that decides weights or metrics. All else is environment: logs,
# visualizers, checkpoints' intervals, test settings, variables that the file only used itself.
_DECIDING = (
    'model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'val_evaluator',
    'train_cfg', 'val_cfg', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'custom_hooks',
    'default_hooks', 'randomness', 'load_from', 'default_scope', 'custom_imports', 'runner_type',
    'sync_bn')
_DEFAULT_HOOKS_ASIDE = ('logger', 'timer', 'visualization', 'checkpoint')
# How a loader works, not what it loads. The number of TRAINING workers decides random numbers.
_LOADING = ('pin_memory', 'persistent_workers', 'prefetch_factor', 'timeout', 'pin_memory_device',
            'multiprocessing_context')
_PLACES = ('data_root', 'backend_args', 'file_client_args', 'outfile_prefix', 'format_only',
           'collect_dir')
# Settings of the job that may be changed without training anything again.
_FREE = ('controls', 'control_rounds', 'dense_from', 'keep', 'max_keep_ckpts')
# Those that say how sparse the rounds are, which identity holds round by round.
_SCHEDULE = ('target_sparsity', 'rounds', 'schedule')
_ROUND = 'imp.sparsity.'


def identity(cfg: Config, settings: IMPConfig) -> dict[str, Any]:
    """Return all that decides a job's result, as flat JSON: 'imp.seed', 'optim_wrapper...'.

    The schedule is there as the sparsity of each round, 'imp.sparsity.1', so that more rounds leave
    those before as they are. With early_bird a round is watched for the next one's mask, which is
    then part of what decides it. Paths count by what they name below the data's root, or by their
    last part: data may move.
    """
    aside = [*_FREE, *_SCHEDULE]
    if not takes(settings.criterion, 'cost_exponent'):
        aside.append('cost_exponent')
    if not settings.capture_states:
        aside.append('capture_states')  # unknown to jobs of before
    chosen = {f'imp.{k}': v for k, v in settings.as_dict().items() if k not in aside}
    return {**chosen, **_rounds(settings), **config_identity(cfg)}


def _rounds(settings: IMPConfig) -> dict[str, Any]:
    densities = settings.densities()
    found: dict[str, Any] = {}
    for number, density in enumerate(densities):
        found[f'{_ROUND}{number}'] = 1 - density
        if settings.early_bird is not None:
            after = densities[number + 1:number + 2]
            found[f'{_ROUND}{number}.watched'] = 1 - after[0] if after else None
    return found


def config_identity(cfg: Config) -> dict[str, Any]:
    """Return what of the config and of the number of processes decides the numbers."""
    whole = cfg.to_dict()
    roots = sorted(set(_roots(whole)), key=len, reverse=True)
    deciding = {key: value for key, value in whole.items() if key in _DECIDING}
    values: dict[str, Any] = {'world_size': get_world_size()}
    for key, value in _flatten(deciding):
        if not _is_environment(key):
            values[key] = _without_root(value, roots)
    return values


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Return key -> 'A there, B now' for all that differs, in order of the keys.

    A round that only one of them has is no difference: the other ended before it.
    """
    found = {}
    for key in sorted({*there, *now}):
        if key.startswith(_ROUND) and not (key in there and key in now):
            continue
        before, after = there.get(key), now.get(key)
        if before != after:
            found[key] = f'{before!r} there, {after!r} now'
    return found


def with_rounds_of(there: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity with the rounds beyond its own that were planned there before."""
    return {**{key: value for key, value in there.items() if key.startswith(_ROUND)}, **now}


def describe(found: Mapping[str, str]) -> str:
    """Name differences in one line, the first eight of them."""
    lines = [f'{key}: {text}' for key, text in found.items()]
    shown, more = '; '.join(lines[:8]), len(lines) - 8
    return f'{shown} and {more} more' if more > 0 else shown


def _is_environment(key: str) -> bool:
    first, *inner = key.split('.')
    part = inner[0] if inner else ''  # a part may be None
    if first == 'default_hooks' and part in _DEFAULT_HOOKS_ASIDE:
        return True
    if first.endswith('_dataloader') and part in _LOADING:
        return True
    if first == 'val_dataloader' and part == 'num_workers':
        return True
    return any(place in (first, *inner) for place in _PLACES)


def _roots(value: Any) -> Iterator[str]:
    """Yield every ``data_root`` in a config."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == 'data_root' and isinstance(inner, str) and inner:
                yield inner.rstrip('/') + '/'
            yield from _roots(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _roots(inner)


def _without_root(value: Any, roots: list[str]) -> Any:
    if not isinstance(value, str):
        return value
    root = next((root for root in roots if value.startswith(root)), None)
    if root is not None:
        return value[len(root):]
    return os.path.basename(value) if os.path.isabs(value) else value


def _flatten(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f'{prefix}.{key}' if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _flatten(inner, f'{prefix}.{i}')
    elif value is None or isinstance(value, (str, int, float)):
        yield prefix, value
    else:
        yield prefix, repr(value)
