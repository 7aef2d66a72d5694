"""Train several times as long as a config says, under its schedule stretched as much."""
from typing import Any

from mmengine.config import Config

from mmlth.engine.config_parts import as_list

_LENGTHS = ('begin', 'end', 'T_max', 'total_iters', 'total_steps', 'step_size', 'milestones',
            'periods')


def stretch(cfg: Config, factor: int) -> None:
    """Make a training ``factor`` times as long, in place: one schedule, not several in a row.

    Everything in a scheduler that is counted as the loop counts, in epochs or in iterations, grows
    by the factor; a warm-up in iterations of a training by epochs stays as it is. A hook that
    switches pipelines at an epoch does so as long before the end as it did.

    Args:
        cfg: With a ``train_cfg`` that has ``max_epochs`` or ``max_iters``.
        factor: At least 1.
    """
    loop = cfg.train_cfg
    by_epoch = loop.get('max_epochs') is not None
    key = 'max_epochs' if by_epoch else 'max_iters'
    added = loop[key] * (factor - 1)
    loop[key] += added
    for scheduler in as_list(cfg.get('param_scheduler')):
        if scheduler.get('by_epoch', True) == by_epoch:
            _stretch_one(scheduler, factor)
    for hook in cfg.get('custom_hooks') or []:
        if 'switch_epoch' in hook:
            hook['switch_epoch'] += added


def _stretch_one(scheduler: dict[str, Any], factor: int) -> None:
    for key in _LENGTHS:
        value = scheduler.get(key)
        if isinstance(value, (list, tuple)):
            scheduler[key] = [each * factor for each in value]
        elif isinstance(value, (int, float)) and value != float('inf'):
            scheduler[key] = value * factor
