"""Run one round as one ordinary MMEngine training, and leave nothing of it in memory."""
import errno
import gc
from typing import Any, Iterable

from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope, RUNNERS
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmlth.core.files import free_bytes
from mmlth.engine.hooks import ProgressHook


def train_round(cfg: Config, progress: ProgressHook) -> None:
    """Train (or go on training) and evaluate.

    Afterwards ``progress.metrics`` holds the metrics of the final weights. A round that was
    killed between its last step and its evaluation is only evaluated.

    Raises:
        OSError: The disk is full; names it and says how to go on.
    """
    runner = Runner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
    try:
        runner.register_hook(progress)
        runner.train()
        if progress.metrics_step != runner.iter:
            runner.val_loop.run()
        runner.visualizer.close()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(error.errno, f'the disk of {cfg.work_dir} is full ({free_bytes(cfg.work_dir) >> 20} '
                      'MiB free). Free some, then give the same command again: it goes on from the last '
                      'whole checkpoint') from error
    finally:
        name = runner.experiment_name
        visualizer = runner.visualizer.instance_name
        del runner
        _forget(name, visualizer)


def _forget(experiment: str, visualizer: str) -> None:
    """Drop what MMEngine keeps for ever per experiment name: message hub, logger, visualizer."""
    logger = MMLogger._instance_dict.pop(experiment, None)
    for handler in list(logger.handlers) if logger else ():
        handler.close()
        logger.removeHandler(handler)
    MessageHub._instance_dict.pop(experiment, None)
    DefaultScope._instance_dict.pop(experiment, None)
    for kind in _all_subclasses(Visualizer):
        kind._instance_dict.pop(visualizer, None)
    gc.collect()  # runner, hooks and optimizer refer to each other


def _all_subclasses(kind: Any) -> Iterable[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all_subclasses(each)
