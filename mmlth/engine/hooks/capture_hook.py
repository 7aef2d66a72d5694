"""Capture w_k, the weights that every later round is rewound to, and the state of its training."""
import os
from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmlth.core.ticket import save_weights
from mmlth.engine.wrapper import unwrap


@HOOKS.register_module()
class CaptureHook(Hook):
    """Save a copy of the model after ``step`` optimizer steps of the dense round.

    Args:
        path: File to write (safetensors): all parameters and buffers.
        step: k, 0 for the weights before the first step (after ``init_weights`` and
            ``load_from``).
        epoch: K, instead of ``step``: k is the step that ends epoch K.
        share: Of the training, in (0, 1], instead of ``step``; k is rounded to a whole step.

    Raises:
        ValueError: The training ends before step k; raised before its first step.
    """

    # After the optimizer's step and before hooks that might look at the file.
    priority = 'VERY_HIGH'

    def __init__(self, path: str, step: int = 0, epoch: int = 0, share: float = 0.0) -> None:
        self.path = Path(path)
        self.step = step
        self.epoch = epoch
        self.share = share

    def before_train(self, runner: Runner) -> None:
        self.step = _step(runner, self.step, self.epoch, self.share)
        if self.step > runner.max_iters:
            raise ValueError(f'rewind to step {self.step} is later than the training, which has '
                             f'{runner.max_iters} steps; choose a smaller step')
        # before_run would be too early: weights are initialised and loaded after it.
        if self.step == 0 and runner.iter == 0:
            self._save(runner)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        if runner.iter + 1 == self.step:  # runner.iter counts this step only later
            self._save(runner)

    def _save(self, runner: Runner) -> None:
        if is_main_process():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            digest = save_weights(unwrap(runner.model).state_dict(), self.path, step=self.step)
            runner.logger.info(f'w_{self.step} saved to {self.path} (digest {digest[:12]})')
        barrier()


@HOOKS.register_module()
class CaptureStateHook(Hook):
    """Save a whole checkpoint at step k of the dense round: optimizer and schedule beside the weights.

    Args:
        path: File to write (``.pth``), whole or not at all.
        step: k, at least 1.
        epoch, share: Instead of ``step``, as those of :class:`CaptureHook`.

    Raises:
        ValueError: A training by epochs would have to continue in the middle of one; raised before its
            first step.
    """

    priority = 'LOW'  # after ParamSchedulerHook, which is LOW and registered before; before CheckpointHook

    def __init__(self, path: str, step: int = 0, epoch: int = 0, share: float = 0.0) -> None:
        self.path = Path(path)
        self.step = step
        self.epoch = epoch
        self.share = share
        self.by_epoch = True

    def before_train(self, runner: Runner) -> None:
        length = len(runner.train_dataloader)
        self.step = _step(runner, self.step, self.epoch, self.share)
        self.by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if self.by_epoch and self.step % length:
            raise ValueError(f'rewind={self.step} with a state to go back to must end an epoch, which has {length} '
                             f'steps here: set rewind="epoch_{max(1, round(self.step / length))}"')

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and runner.iter == self.step:
            self._save(runner)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        if not self.by_epoch and runner.iter + 1 == self.step:
            self._save(runner)

    def _save(self, runner: Runner) -> None:
        partial = f'{self.path.name}.tmp'
        runner.save_checkpoint(str(self.path.parent), partial, save_optimizer=True, save_param_scheduler=True,
                               by_epoch=self.by_epoch)
        if is_main_process():
            os.replace(self.path.parent / partial, self.path)
        barrier()


def _step(runner: Runner, step: int, epoch: int, share: float) -> int:
    """Return k, given as steps, as epochs or as a share of the training."""
    return epoch * len(runner.train_dataloader) if epoch else round(share * runner.max_iters) if share else step
