"""Watch the mask that pruning now would give, and end a round's training once it has settled."""
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from mmlth.core.choices import COST_EXPONENT
from mmlth.core.early_bird import EarlyBird, settled
from mmlth.core.mask_watch import MaskWatch, is_stored
from mmlth.core.moment import Moment, Timeline
from mmlth.engine.ranks import on_rank_0
from mmlth.engine.save_end import save_end
from mmlth.engine.timeline import timeline_of
from mmlth.engine.wrapper import unwrap

_KEY = 'early_bird_history'  # in checkpoints: what a resumed training must know to decide alike


@HOOKS.register_module()
class EarlyBirdHook(Hook):
    """Look at the mask at intervals; end the training when it has settled, or at a fraction of it.

    A look scores and selects as the pruning after this training will, on copies: the training
    itself is the same bit for bit until it ends. Rank 0 looks, all ranks are told and stop at the
    same step. A training that ends early is evaluated there and leaves a checkpoint of its last
    step.

    Source: You et al., ICLR 2020; Girish et al., CVPR 2021 (experiment on early-bird masks).

    Args:
        folder: Where the looks go; what an earlier training left is deleted.
        density: Kept share of the scope after the pruning to come, in (0, 1). More on this and
            what the pruning has: :class:`mmlth.core.mask_watch.MaskWatch`.
        names: Tensors of the scope, for a dense training; or None.
        ticket: Ticket file that is trained; or None.
        rewind: File of w_k; or None.
        positions: As the pruning has them.
        cost_exponent: As the pruning has it.
        begin: First moment that may be looked at: 'init', a number of steps, 'epoch_K' or 'P%'. In
            a dense round it must not be before w_k is captured.
        criterion: As the pruning has it.
        allocation: As the pruning has it.
        min_kept: As the pruning has it.
        seed: As the pruning has it.
        interval: Steps between two looks. More on this and all below:
            :class:`mmlth.core.early_bird.EarlyBird`.
        tolerance: Of a settled mask, in (0, 1).
        patience: Number of earlier masks, at least 1.
        fraction: Of the training that ends it, in (0, 1], or None.

    Attributes:
        max_steps: Steps of the whole training.
        stopped_at: Step at which the training ended early, or None.
        seconds: Time this process has spent in looks.

    Raises:
        ValueError: Settings, at construction; before the first step also what doesn't fit the model
            or the length of the training.
    """

    # After EMAHook (50), whose weights would be pruned, and CaptureHook (52), whose w_k is compared
    # with; before LoggerHook (60), which sends the scalars on, and CheckpointHook (90), whose file
    # must know of the decision.
    priority = 55

    def __init__(
        self, folder: str, density: float, *, names: Sequence[str] | None = None,
        ticket: str | None = None, rewind: str | None = None, positions: str | None = None,
        begin: str | int = 'init', criterion: str = 'magnitude',
        cost_exponent: float = COST_EXPONENT, allocation: str = 'global', min_kept: float = 1,
        seed: int = 0,
        interval: int | None = None, tolerance: float = EarlyBird.tolerance,
        patience: int = EarlyBird.patience, fraction: float | None = None,
    ) -> None:
        self.settings = EarlyBird(
            interval=interval, tolerance=tolerance, patience=patience, fraction=fraction)
        self.watch = MaskWatch(
            folder=Path(folder),
            density=density,
            names=None if names is None else tuple(names),
            ticket=ticket,
            rewind=rewind,
            positions=positions,
            criterion=criterion,
            cost_exponent=cost_exponent,
            allocation=allocation,
            min_kept=min_kept,
            seed=seed,
            patience=patience,
        )
        self.moment = Moment.parse(begin)
        self.begin = 0
        self.max_steps = 0
        self.seconds = 0.0
        self.stopped_at: int | None = None
        self._timeline: Timeline
        self._resumed_from: dict[str, Any] | None = None
        self._evaluated_at = -1

    @property
    def saved_steps(self) -> int:
        """Steps that the early end saved."""
        return 0 if self.stopped_at is None else self.max_steps - self.stopped_at

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._resumed_from = checkpoint.get(_KEY)

    def before_train(self, runner: Runner) -> None:
        self._start = time.perf_counter()
        self._timeline = timeline_of(runner)
        self.max_steps = self._timeline.steps
        self.begin = self._timeline.steps_at(self.moment.iteration(self._timeline))
        self._plan = self.settings.plan(self.max_steps, self.begin)
        if self.settings.fraction != 1 and not hasattr(runner.train_loop, 'stop_training'):
            raise ValueError(
                f'early_bird: {type(runner.train_loop).__name__} has no stop_training, so it '
                'cannot be ended early. Use a loop of MMEngine, or fraction=1.0 to watch only')
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            _end_epoch_when_stopped(runner.train_loop)
        done = self._timeline.steps_at(runner.iter)
        on_rank_0(self.watch.begin, unwrap(runner.model), done)
        if runner.iter:
            self._resume(runner, done)

    def before_train_epoch(self, runner: Runner) -> None:
        # Not before_train: the hook that sets a ticket's weights comes after this one there.
        if runner.iter == 0:
            on_rank_0(self._first_look, runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None,
    ) -> None:
        iteration = runner.iter + 1  # runner.iter counts this one only later
        step = self._timeline.steps_at(iteration)
        due = step % self._plan.interval == 0 or step == self._plan.last
        if not due or step < self.begin or not self._timeline.ends_step(iteration):
            return
        if on_rank_0(self._look, runner, step) and step < self.max_steps:
            self.stopped_at = step
            runner.train_loop.stop_training = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._evaluated_at = runner.iter

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint[_KEY] = dict(
            density=self.watch.density,
            stopped_at=self.stopped_at,
            past=self.watch.history(),
        )

    def after_train(self, runner: Runner) -> None:
        """Say what watching cost; save and evaluate an early end, which MMEngine does not."""
        whole = time.perf_counter() - self._start
        runner.logger.info(f'early bird: looks took {self.seconds:.2f} of {whole:.1f} s, '
                           f'{self.seconds / whole:.2%}')
        if self.stopped_at is None:
            return
        save_end(runner)
        if self._evaluated_at != runner.iter and runner.val_loop is not None:
            runner.val_loop.run()

    def _resume(self, runner: Runner, done: int) -> None:
        found = self._resumed_from
        if found is None or found['density'] != self.watch.density:  # a schedule goes on from w_k
            runner.logger.warning('the checkpoint holds no early-bird masks of this round: '
                                  'watching starts anew')
            return
        on_rank_0(self.watch.take_up, found['past'])
        if found['stopped_at'] == done:
            self.stopped_at = done
            runner.train_loop.stop_training = True

    def _first_look(self, runner: Runner) -> None:
        if self.begin:  # what can't be pruned raises now
            self.watch.masks(unwrap(runner.model), captured=False)
        else:
            self._look(runner, 0)

    def _look(self, runner: Runner, step: int) -> bool:
        """Compute, compare, log and remember the mask of this step; tell whether to end here."""
        start = time.perf_counter()
        masks = self.watch.masks(_evaluated(runner, step), captured=step >= self.begin)
        rows = self.watch.compare(masks)
        stop = self._decide([row['distance'] for row in rows], step)
        interval, last = self._plan
        stored = stop or step in (0, last) or is_stored(step // interval, last // interval)
        self.watch.remember(masks, step, self.max_steps, rows, store=stored)
        self.seconds += time.perf_counter() - start
        self._report(runner, step, rows, stop)
        return stop

    def _decide(self, distances: list[float], step: int) -> bool:
        if self.settings.fraction is not None:
            return step == self._plan.last
        return settled(distances, self.settings.tolerance, self.settings.patience)

    def _report(self, runner: Runner, step: int, rows: list[dict[str, Any]], stop: bool) -> None:
        if rows:
            newest = rows[-1]
            largest = max(row['distance'] for row in rows)
            scalars = dict(
                mask_iou=newest['iou'],
                mask_iou_by_chance=newest['chance_iou'],
                mask_hamming=newest['hamming'],
                mask_distance=largest,
            )
            for name, value in scalars.items():
                runner.message_hub.update_scalar(f'train/{name}', value)
            runner.logger.info(
                f'early bird: IoU of the mask at step {step} with that at step {newest["step"]}: '
                f'{newest["iou"]:.4f} (by chance {newest["chance_iou"]:.4f}); largest distance to '
                f'the last {len(rows)}: {largest:.4f}')
        if stop and step < self.max_steps:
            runner.logger.info(f'early bird: the training ends at step {step} of {self.max_steps}')


def _evaluated(runner: Runner, step: int) -> nn.Module:
    """Return the model whose weights a checkpoint of this step would be evaluated with."""
    for hook in runner.hooks if step else ():
        if isinstance(hook, EMAHook):
            averaged: nn.Module = hook.ema_model.module
            return averaged
    return unwrap(runner.model)


def _end_epoch_when_stopped(loop: EpochBasedTrainLoop) -> None:
    """Let the loader end when ``loop.stop_training`` is set, where MMEngine would finish the epoch.

    The loader becomes an instance of a subclass: whatever else reads or changes it still finds it.
    """
    class Stoppable(type(loop.dataloader)):  # type: ignore[misc]
        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                yield batch
                if loop.stop_training:
                    return
    loop.dataloader.__class__ = Stoppable
