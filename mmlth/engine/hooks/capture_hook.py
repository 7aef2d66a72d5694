"""Capture w_k, the weights that every later round is rewound to."""
from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmlth.core.ticket import save_weights
from mmlth.engine.wrapper import unwrap


@HOOKS.register_module()
class CaptureHook(Hook):
    """Save a copy of the model after ``step`` optimizer steps of the dense round.

    Args:
        path: File to write (safetensors): all parameters and buffers.
        step: k, 0 for the weights before the first step (after ``init_weights`` and
            ``load_from``).

    Raises:
        ValueError: The training ends before ``step``; raised before its first step.
    """

    # After the optimizer's step and before hooks that might look at the file.
    priority = 'VERY_HIGH'

    def __init__(self, path: str, step: int = 0) -> None:
        self.path = Path(path)
        self.step = step

    def before_train(self, runner: Runner) -> None:
        if self.step > runner.max_iters:
            raise ValueError(f'rewind={self.step} is later than the training, which has '
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
            digest = save_weights(unwrap(runner.model).state_dict(), self.path, step=self.step)
            runner.logger.info(f'w_{self.step} saved to {self.path} (digest {digest[:12]})')
        barrier()
