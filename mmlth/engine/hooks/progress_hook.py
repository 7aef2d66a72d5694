"""Show where the whole job stands, and keep what the record of the round needs."""
import logging
import time
from datetime import timedelta
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmlth.core.criteria import check_finite
from mmlth.core.moment import Timeline
from mmlth.core.training import Outcome
from mmlth.engine.machine import describe_machine
from mmlth.engine.ranks import share_statistics
from mmlth.engine.save_end import save_end
from mmlth.engine.timeline import timeline_of
from mmlth.engine.wrapper import unwrap

_LOSS_INTERVAL = 10  # iterations between two looks at the loss: each waits for the device
LOGGER = logging.getLogger('mmlth')  # of the job, beside the runner's own
_SECONDS = 'imp_seconds'  # in the message hub, hence in checkpoints: survives a resume


@HOOKS.register_module()
class ProgressHook(Hook):
    """Log round, sparsity and the time left of the whole job; collect the outcome of the round.

    The scalars ``imp_round``, ``sparsity`` and ``network_sparsity`` go to every visualizer backend
    beside the losses.

    Args:
        number: Round that is trained, 0 = dense.
        rounds: Last round of the job.
        sparsity: Of the scope, in [0, 1).
        network_sparsity: Pruned weights / all parameters, in [0, 1).
        interval: Iterations between two lines.
        begin: Iteration at which the round begins, where its schedule continues from there.
        left: Trainings of the job after this one; None takes ``rounds - number``.
        control: Name of the control that is trained, or ''.

    Attributes:
        metrics: Metrics of the last evaluation, or None.
        evaluated_at: Iterations done at that evaluation.
        seconds: Wall time of this round so far, resumed parts included.
    """

    priority = 'NORMAL'  # before LoggerHook, which sends the scalars on

    def __init__(
        self, number: int, rounds: int, sparsity: float, network_sparsity: float,
        interval: int = 50, *, begin: int = 0, left: int | None = None, control: str = '',
    ) -> None:
        self.number = number
        self.rounds = rounds
        self.scalars = dict(
            imp_round=number, sparsity=sparsity, network_sparsity=network_sparsity)
        self.interval = interval
        self.begin = begin
        self.control = control
        self.left = rounds - number if left is None else left
        self.metrics: dict[str, float] | None = None
        self.evaluated_at = -1
        self.seconds = 0.0
        self._timeline: Timeline
        self._iterations = 0

    def before_train(self, runner: Runner) -> None:
        resumed = runner.iter > self.begin
        self._timeline = timeline_of(runner)
        self._seconds_before = runner.message_hub.get_info(_SECONDS, 0.0) if resumed else 0.0
        self._first = runner.iter
        self._start = time.perf_counter()
        share = runner.iter / runner.max_iters
        verb = f'goes on, {share:.0%} of its iterations are done' if resumed else 'begins'
        LOGGER.info(f'{self.describe()} {verb}')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None,
    ) -> None:
        self._tick(runner)
        done = runner.iter + 1
        if done % _LOSS_INTERVAL == 0 or done == runner.max_iters:
            _check_loss(runner, outputs or {}, f'round {self.number} {self.control}'.strip())
        if done % self.interval and done < runner.max_iters:
            return
        for name, value in self.scalars.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        eta = self.eta(runner)
        runner.logger.info(f'IMP {self.describe()}, ETA of the whole job {eta}')

    def before_val_epoch(self, runner: Runner) -> None:
        share_statistics(runner.model)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.metrics = {name: float(value) for name, value in (metrics or {}).items()}
        self.evaluated_at = runner.iter
        self._tick(runner)

    def after_train(self, runner: Runner) -> None:
        self._iterations = runner.iter
        save_end(runner)
        if self.evaluated_at != runner.iter:  # before loggers are closed, after the run
            runner.val_loop.run()

    def outcome(self) -> Outcome:
        """Return what the training came to, after it has ended and was evaluated."""
        steps = self._timeline.steps_at(self._iterations)
        return Outcome(
            metrics=dict(self.metrics or {}),
            seconds=self.seconds,
            steps=steps,
            iterations=self._iterations,
            saved_steps=self._timeline.steps - steps,
            machine=describe_machine(),
        )

    def describe(self) -> str:
        """Say round and both sparsities in one line."""
        control = f' ({self.control} control)' if self.control else ''
        sparsity, network = self.scalars['sparsity'], self.scalars['network_sparsity']
        return (f'round {self.number}/{self.rounds}{control}, sparsity {sparsity:.2%} '
                f'(network {network:.2%})')

    def eta(self, runner: Runner) -> timedelta:
        """Estimate the time left of all rounds from this session's iterations and evaluations."""
        done = runner.iter + 1
        passed = time.perf_counter() - self._start
        seconds_each = passed / (done - self._first)
        in_this_round = runner.max_iters - done
        in_others = self.left * (runner.max_iters - self.begin)
        return timedelta(seconds=round(seconds_each * (in_this_round + in_others)))

    def _tick(self, runner: Runner) -> None:
        self.seconds = self._seconds_before + time.perf_counter() - self._start
        runner.message_hub.update_info(_SECONDS, self.seconds)


def _check_loss(runner: Runner, outputs: dict[str, Any], training: str) -> None:
    """Raise ValueError if loss and weights are NaN or infinite: no later step mends that."""
    losses = {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}
    if all(bool(torch.isfinite(value).all()) for value in losses.values()):
        return
    shown = ', '.join(f'{name}={value.float().mean().item()}' for name, value in losses.items())
    where = f'{training}, iteration {runner.iter + 1} ({shown})'
    check_finite(dict(unwrap(runner.model).named_parameters()), where)
    runner.logger.warning(f'{where}: the loss is not finite; the weights still are')
