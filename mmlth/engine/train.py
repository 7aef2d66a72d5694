"""Run one round as one ordinary MMEngine training, and leave nothing of it in memory."""
import errno
import gc
from collections.abc import Iterable
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import RUNNERS, DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmlth.core.files import free_bytes
from mmlth.core.training import Outcome
from mmlth.engine.hooks import ProgressHook


def train(cfg: Config, progress: ProgressHook) -> Outcome:
    """Train (or go on training) and evaluate the final weights.

    A round that was killed between its last step and its evaluation is only evaluated.

    Args:
        cfg: Of one training; :func:`mmlth.engine.round_config.round_config`.
        progress: Collects the outcome.

    Raises:
        OSError: The disk is full; names it and says how to go on.
    """
    runner = None
    try:
        runner = Runner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
        runner.register_hook(progress)
        runner.train()
        return progress.outcome()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        free = free_bytes(cfg.work_dir) >> 20
        raise OSError(error.errno, f'the disk of {cfg.work_dir} is full ({free} MiB free). Free '
                      'some, then give the same command again: it goes on from the last whole '
                      'checkpoint') from error
    finally:
        del runner
        _forget(cfg.experiment_name)


def _forget(experiment: str) -> None:
    """Drop what MMEngine keeps for ever by the name of an experiment, to which it adds the time."""
    for kind in (MMLogger, MessageHub, DefaultScope, *_all_subclasses(Visualizer)):
        for name in [name for name in kind._instance_dict if name.startswith(experiment)]:
            dropped = kind._instance_dict.pop(name)
            for handler in list(getattr(dropped, 'handlers', ())):  # of a logger
                handler.close()
                dropped.removeHandler(handler)
    gc.collect()  # runner, hooks and optimizer refer to each other


def _all_subclasses(kind: Any) -> Iterable[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all_subclasses(each)
