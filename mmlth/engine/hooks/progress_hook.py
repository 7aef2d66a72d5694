"""Show where the whole job stands, and keep what the record of the round needs."""
import time
from datetime import timedelta
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

_SECONDS = 'imp_seconds'  # in the message hub, hence in checkpoints: survives a resume


@HOOKS.register_module()
class ProgressHook(Hook):
    """Log round, sparsity and the time left of the whole job; remember the last metrics.

    The scalars ``imp_round``, ``sparsity`` and ``network_sparsity`` go to every visualizer backend
    beside the losses.

    Args:
        number: Round that is trained, 0 = dense.
        rounds: Last round of the job.
        sparsity: Of the scope, in [0, 1).
        network_sparsity: Pruned weights / all parameters, in [0, 1).
        interval: Steps between two lines.
        start_step: Step at which the round begins, where its schedule continues from there.
        left: Trainings of the job after this one; None takes ``rounds - number``.
        control: Name of the control that is trained, or ''.

    Attributes:
        metrics: Metrics of the last evaluation, or None.
        metrics_step: Optimizer steps done at that evaluation.
        steps: Optimizer steps done when the training ended.
        saved_steps: Steps that weren't done because it ended early.
        seconds: Wall time of this round, resumed parts included.
    """

    priority = 'NORMAL'  # before LoggerHook, which sends the scalars on

    def __init__(self, number: int, rounds: int, sparsity: float, network_sparsity: float,
                 interval: int = 50, *, start_step: int = 0, left: int | None = None, control: str = '') -> None:
        self.number = number
        self.rounds = rounds
        self.scalars = dict(imp_round=number, sparsity=sparsity, network_sparsity=network_sparsity)
        self.interval = interval
        self.start_step = start_step
        self.control = control
        self.left = rounds - number if left is None else left
        self.metrics: dict[str, float] | None = None
        self.metrics_step = -1
        self.steps = 0
        self.saved_steps = 0
        self.seconds = 0.0

    def before_train(self, runner: Runner) -> None:
        resumed = runner.iter > self.start_step
        self._seconds_before = runner.message_hub.get_info(_SECONDS, 0.0) if resumed else 0.0
        self._first_step = runner.iter
        self._start = time.perf_counter()
        runner.logger.info(f'IMP {self.describe()}')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        self._tick(runner)
        if (runner.iter + 1) % self.interval and runner.iter + 1 < runner.max_iters:
            return
        for name, value in self.scalars.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        runner.logger.info(f'IMP {self.describe()}, ETA of the whole job {self.eta(runner)}')

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.metrics = {name: float(value) for name, value in (metrics or {}).items()}
        self.metrics_step = runner.iter
        self._tick(runner)

    def after_train(self, runner: Runner) -> None:
        self.steps = runner.iter
        self.saved_steps = runner.max_iters - runner.iter

    def describe(self) -> str:
        """Say round and both sparsities in one line."""
        control = f' ({self.control} control)' if self.control else ''
        return (f'round {self.number}/{self.rounds}{control}, sparsity {100 * self.scalars["sparsity"]:.2f}% '
                f'(network {100 * self.scalars["network_sparsity"]:.2f}%)')

    def eta(self, runner: Runner) -> timedelta:
        """Estimate the time left of all rounds from this session's steps, evaluation included."""
        done = runner.iter + 1
        per_step = (time.perf_counter() - self._start) / (done - self._first_step)
        left = runner.max_iters - done + self.left * (runner.max_iters - self.start_step)
        return timedelta(seconds=round(per_step * left))

    def _tick(self, runner: Runner) -> None:
        self.seconds = self._seconds_before + time.perf_counter() - self._start
        runner.message_hub.update_info(_SECONDS, self.seconds)
