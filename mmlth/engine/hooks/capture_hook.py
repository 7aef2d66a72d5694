"""Capture w_k, the weights that every later round is rewound to, and the state of its training."""
import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmlth.core.moment import Moment, Timeline
from mmlth.core.ticket import save_weights
from mmlth.engine.ranks import on_rank_0
from mmlth.engine.timeline import earliest_end, timeline_of
from mmlth.engine.wrapper import unwrap


@HOOKS.register_module()
class CaptureHook(Hook):
    """Save a copy of the model at a moment of the dense round.

    Args:
        path: File to write (safetensors): all parameters and buffers, by the names that the model
            has before its first step. (DDQ's decoder borrows layers of its head in that step.)
        moment: 'init' (after ``init_weights``, ``load_from`` and all other hooks), a number of
            steps, 'epoch_K' or 'P%'.

    Raises:
        ValueError: The training ends before that, or EarlyStoppingHook may end it; raised before
            its first step.
    """

    # After hooks (NORMAL, 50) that copy weights, as a mean teacher's does; before EarlyBirdHook
    # (55), which may compare with what is captured.
    priority = 52

    def __init__(self, path: str, moment: str | int = 'init') -> None:
        self.path = Path(path)
        self.moment = Moment.parse(moment)
        self.iteration = 0
        self.timeline: Timeline
        self.names: list[str] = []

    def before_train(self, runner: Runner) -> None:
        self.names = list(unwrap(runner.model).state_dict())
        self.timeline = timeline_of(runner)
        self.iteration = self.moment.iteration(self.timeline)
        if self.iteration > self.timeline.iterations:
            raise ValueError(
                f'rewind to {self.moment.name} is later than the training, which has '
                f'{self.timeline.steps} steps; choose an earlier one')
        end = earliest_end(runner)
        if self.iteration > end:
            raise ValueError(
                f'rewind to {self.moment.name} comes after iteration {self.iteration}, but '
                f'EarlyStoppingHook may end the training at {end}. Raise its patience, remove its '
                'stopping_threshold, or choose an earlier one')

    def before_train_epoch(self, runner: Runner) -> None:
        # Not before_train: other hooks may still copy weights there.
        if self.iteration == 0 and runner.iter == 0:
            on_rank_0(self._save, runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        if runner.iter + 1 == self.iteration:  # runner.iter counts this iteration only later
            on_rank_0(self._save, runner)

    def _save(self, runner: Runner) -> None:
        step = self.timeline.steps_at(self.iteration)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = unwrap(runner.model).state_dict()
        weights = {name: state[name] for name in self.names}
        digest = save_weights(weights, self.path, step=step)
        runner.logger.info(f'w_{step} saved to {self.path} (digest {digest[:12]})')


@HOOKS.register_module()
class CaptureStateHook(Hook):
    """Save a whole checkpoint at a moment of the dense round: optimizer and schedule too.

    Args:
        path: File to write (``.pth``), whole or not at all.
        moment: See :class:`CaptureHook`; after the first step.

    Raises:
        ValueError: A training by epochs would have to continue in the middle of one, or the moment
            is before the first step; raised before it.
    """

    # After ParamSchedulerHook, which is LOW and registered before; before CheckpointHook.
    priority = 'LOW'

    def __init__(self, path: str, moment: str | int) -> None:
        self.path = Path(path)
        self.moment = Moment.parse(moment)
        self.iteration = 0
        self.by_epoch = True

    def before_train(self, runner: Runner) -> None:
        timeline = timeline_of(runner)
        self.iteration = self.moment.iteration(timeline)
        if not self.iteration:
            raise ValueError(
                f'rewind={self.moment.text!r} of {timeline.steps} steps is before the first one, '
                'where there is no state to go back to: choose a later one')
        self.by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if self.by_epoch and self.iteration % timeline.epoch:
            nearest = max(1, round(self.iteration / timeline.epoch))
            raise ValueError(
                f'rewind={self.moment.text!r} with a state to go back to (capture_states of a '
                f'dense net) must end an epoch, which has {timeline.epoch} iterations here: set '
                f'"epoch_{nearest}"')

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and runner.iter == self.iteration:
            self._save(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        if not self.by_epoch and runner.iter + 1 == self.iteration:
            self._save(runner)

    def _save(self, runner: Runner) -> None:
        partial = f'{self.path.name}.tmp'
        runner.save_checkpoint(
            str(self.path.parent), partial, save_optimizer=True, save_param_scheduler=True,
            by_epoch=self.by_epoch)
        on_rank_0(os.replace, self.path.parent / partial, self.path)
