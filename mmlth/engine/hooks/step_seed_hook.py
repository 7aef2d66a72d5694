"""Make random numbers a function of (seed, rank, step), so that a resumed run draws the same."""
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner, set_random_seed

from mmlth.core.seeds import derive_seed

_DATA, _MODEL = 0, 1  # separate streams, so that loading can't shift the model's numbers


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed python, numpy and torch before every step from (seed, rank, step).

    A run that is killed and resumed then continues bit for bit where an uninterrupted run would,
    without storing random states: epochs are shuffled, images augmented and RoIs sampled alike.
    What limits this is listed in ``docs/resume.md``.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        if loader.num_workers and getattr(loader.worker_init_fn, 'func', None) is not _seed_worker:
            loader.worker_init_fn = partial(_seed_worker, inner=loader.worker_init_fn)
        _seed(runner, runner.iter, _DATA)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, runner.iter, _MODEL)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        _seed(runner, runner.iter + 1, _DATA)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        _seed(runner, runner.iter, _DATA)  # evaluation draws numbers too


def _seed(runner: Runner, step: int, stream: int) -> None:
    set_random_seed(derive_seed(runner.seed, get_rank(), step, stream))


def _seed_worker(worker_id: int, inner: Callable[[int], None] | None) -> None:
    """Seed a loader process from what the main process drew, not from a constant per worker."""
    if inner is not None:
        inner(worker_id)
    info: Any = torch.utils.data.get_worker_info()
    seed = info.seed % 2**32
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
