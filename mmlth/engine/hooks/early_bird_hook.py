"""Watch the mask that pruning now would give, and end the training of a round once it has settled."""
import logging
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Sequence

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmlth.core import criteria, mask_history, scope, selection
from mmlth.core.early_bird import EarlyBird, settled
from mmlth.core.mask_coding import pack_all, unpack_all
from mmlth.core.masks import Masks, Weights, count_each, dense_masks, density as density_of, kept
from mmlth.core.overlap import count_overlap, describe, describe_each
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.checkpoints import latest_checkpoint, steps_of
from mmlth.engine.wrapper import unwrap

_KEY = 'early_bird_history'  # in checkpoints: what a resumed training must know to decide alike
_MASK_FILES = 25  # stored by a whole training for the comparison with its final mask
_NEED_NO_INITIAL = ('magnitude', 'random')


@HOOKS.register_module()
class EarlyBirdHook(Hook):
    """Look at the mask at intervals; end the training when it has settled, or at a fraction of it.

    A look scores and selects as the pruning after this training will, on copies: the training itself is the
    same bit for bit until it ends. Rank 0 looks, all ranks are told and stop at the same step. A training
    that ends early is evaluated there and leaves a checkpoint of its last step.

    Source: You et al., ICLR 2020; Girish et al., CVPR 2021 (experiment on early-bird masks).

    Args:
        folder: Where the looks go (``docs/early_bird.md``); what an earlier training left is deleted.
        density: Kept share of the scope after the pruning to come, in (0, 1).
        names: Tensors of the scope, for a dense training.
        ticket: Ticket file that is trained, whose masks bound the new ones; instead of ``names``.
        rewind: File of w_k; only criteria other than 'magnitude' and 'random' need it.
        begin: First step that may be looked at. In a dense round it must not be before w_k is captured.
        begin_epoch, begin_share: The same as the end of an epoch, or a share of the training, instead of ``begin``.
        criterion, allocation, min_kept, seed: As the pruning has them.
        interval, tolerance, patience, fraction: See :class:`mmlth.core.early_bird.EarlyBird`.

    Attributes:
        max_iters: Steps of the whole training.
        stopped_at: Step at which the training ended early, or None.
        saved_steps: Steps that were saved, 0 if it didn't end early.
        seconds: Time this process has spent in looks.

    Raises:
        ValueError: Settings, at construction; before the first step also what doesn't fit the model or the
            length of the training.
    """

    # After EMAHook (50), whose weights would be pruned; before LoggerHook (60), which sends the scalars on,
    # and CheckpointHook (90), whose file must know of the decision.
    priority = 55

    def __init__(self, folder: str, density: float, *, names: Sequence[str] | None = None,
                 ticket: str | None = None, rewind: str | None = None, begin: int = 0, begin_epoch: int = 0,
                 begin_share: float = 0.0,
                 criterion: str = 'magnitude', allocation: str = 'global', min_kept: int = 1, seed: int = 0,
                 interval: int | None = None, tolerance: float = EarlyBird.tolerance,
                 patience: int = EarlyBird.patience, fraction: float | None = None) -> None:
        self.settings = EarlyBird(interval=interval, tolerance=tolerance, patience=patience,
                                  fraction=fraction)
        criteria.check_criterion(criterion)
        selection.check_allocation(allocation)
        if not 0 < density < 1:
            raise ValueError(f'early_bird: density={density!r} must be in (0, 1): the density after pruning')
        if (names is None) == (ticket is None):
            raise ValueError('early_bird: give either names (of a dense training) or ticket')
        if rewind is None and criterion not in _NEED_NO_INITIAL:
            raise ValueError(f'early_bird: criterion={criterion!r} may compare with w_k, so rewind must name '
                             'its file')
        self.folder, self.density, self.names, self.ticket = Path(folder), density, names, ticket
        self.rewind, self.criterion, self.seed = rewind, criterion, seed
        self.begin, self.begin_epoch, self.begin_share = begin, begin_epoch, begin_share
        self.allocation, self.min_kept = allocation, min_kept
        self.seconds, self.max_iters = 0.0, 0
        self.stopped_at: int | None = None
        self._past: dict[int, Masks] = {}  # step -> mask, the last `patience` ones
        self._old: Masks | None = None
        self._initial: Weights | None = None
        self._resumed_from: dict[str, Any] | None = None
        self._evaluated_at = -1

    @property
    def saved_steps(self) -> int:
        """Steps that the early end saved."""
        return 0 if self.stopped_at is None else self.max_iters - self.stopped_at

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._resumed_from = checkpoint.get(_KEY)

    def before_train(self, runner: Runner) -> None:
        self._start = time.perf_counter()
        self.max_iters = runner.max_iters
        if self.begin_epoch:
            self.begin = self.begin_epoch * len(runner.train_dataloader)
        if self.begin_share:
            self.begin = round(self.begin_share * runner.max_iters)
        self._interval, self._last = self.settings.plan(runner.max_iters, self.begin)
        if self.settings.fraction != 1 and not hasattr(runner.train_loop, 'stop_training'):
            raise ValueError(f'early_bird: {type(runner.train_loop).__name__} has no stop_training, so it '
                             'cannot be ended early. Use a loop of MMEngine, or fraction=1.0 to watch only')
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            _end_epoch_when_stopped(runner.train_loop)
        if is_main_process():
            self._prepare(runner)
        if runner.iter:
            self._resume(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        # Not before_train: the hook that sets a ticket's weights comes after this one there.
        if runner.iter == 0 and is_main_process():
            self._masks(runner, 0) if self.begin else self._look(runner, 0)  # what can't be pruned raises now

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        step = runner.iter + 1  # runner.iter counts this step only later
        if step < self.begin or (step % self._interval and step != self._last):
            return
        stop = [self._look(runner, step) if is_main_process() else None]
        broadcast_object_list(stop)
        if stop[0] and step < self.max_iters:
            self.stopped_at = step
            runner.train_loop.stop_training = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._evaluated_at = runner.iter

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        past = {step: pack_all(masks) for step, masks in self._past.items()}
        checkpoint[_KEY] = dict(density=self.density, stopped_at=self.stopped_at, past=past)

    def after_train(self, runner: Runner) -> None:
        """Say what watching cost; after an early end do what MMEngine does only at its intervals: save, evaluate."""
        whole = time.perf_counter() - self._start
        runner.logger.info(f'early bird: looks took {self.seconds:.2f} of {whole:.1f} s, {self.seconds / whole:.2%}')
        if self.stopped_at is None:
            return
        if is_main_process():
            newest = latest_checkpoint(runner.work_dir)
            if newest is None or steps_of(newest) != runner.iter:
                runner.save_checkpoint(runner.work_dir, f'iter_{runner.iter}.pth', by_epoch=False,
                                       meta=dict(epoch=runner.epoch, iter=runner.iter))
        if self._evaluated_at != runner.iter and runner.val_loop is not None:
            runner.val_loop.run()

    def _prepare(self, runner: Runner) -> None:
        """Find the masks that bound the new ones; start the folder, or cut it back to where we resume."""
        weights = dict(unwrap(runner.model).named_parameters())
        if self.ticket is not None:
            self._old = load_ticket(self.ticket).masks
        missing = [name for name in self._old or self.names if name not in weights]
        if missing:
            raise ValueError(f'early_bird: the model has no parameters {missing[:5]}. Were the names or the '
                             'ticket made for another model?')
        if self._old is None:
            self._old = dense_masks({name: weights[name] for name in self.names})
        if self.density > density_of(self._old):
            raise ValueError(f'early_bird: density={self.density} is above {density_of(self._old):.4g}, the '
                             'density of the masks that are trained')
        self._alive = count_each(self._old)
        mask_history.forget_after(self.folder, runner.iter or -1)

    def _resume(self, runner: Runner) -> None:
        found = self._resumed_from
        if found is None or found['density'] != self.density:  # of another round: a schedule continued from w_k
            runner.logger.warning('the checkpoint holds no early-bird masks of this round: watching starts anew')
            return
        if is_main_process():
            shapes = {name: m.shape for name, m in self._old.items()}
            self._past = {step: unpack_all(streams, shapes) for step, streams in found['past'].items()}
        if found['stopped_at'] == runner.iter:
            self.stopped_at = runner.iter
            runner.train_loop.stop_training = True

    def _look(self, runner: Runner, step: int) -> bool:
        """Compute, compare, log and remember the mask of this step; tell whether to end here."""
        start = time.perf_counter()
        masks = self._masks(runner, step)
        counts = {earlier: count_overlap(masks, past, self._alive) for earlier, past in self._past.items()}
        previous = [dict(step=earlier, **describe(*each.values())) for earlier, each in counts.items()]
        newest = list(counts.values())[-1:]
        stop = self._decide([p['distance'] for p in previous], step)
        mask_history.append_look(self.folder, dict(
            step=step, max_iters=self.max_iters, kept=kept(masks), previous=previous,
            layers=describe_each(newest[0]) if newest else {}))
        looks = self._last // self._interval
        if stop or step in (0, self._last) or _is_one_of(step // self._interval, looks):
            stored = mask_history.StoredMasks(step=step, max_iters=self.max_iters, alive=self._alive, masks=masks)
            mask_history.save_masks(self.folder, stored)
        self._past[step] = masks
        for old in list(self._past)[:-self.settings.patience]:
            del self._past[old]
        self.seconds += time.perf_counter() - start
        self._report(runner, step, previous, stop)
        return stop

    @torch.no_grad()
    def _masks(self, runner: Runner, step: int) -> Masks:
        """Prune a copy of the weights as the checkpoint of this step would be pruned."""
        averaged = [h.ema_model.module for h in runner.hooks if isinstance(h, EMAHook) and step]
        parameters = dict((averaged or [unwrap(runner.model)])[0].named_parameters())
        weights = {name: parameters[name].detach().cpu() for name in self._old}
        scores = criteria.score(self.criterion, weights, self._w_k(weights, step), self.seed)
        with quiet():
            return selection.select(scores, self._old, self.density, allocation=self.allocation,
                                    min_kept=self.min_kept)

    def _w_k(self, weights: Weights, step: int) -> Weights:
        if self.criterion in _NEED_NO_INITIAL or step < self.begin:  # spares a copy; isn't captured yet
            return weights
        if self._initial is None:
            self._initial = scope.weights_of(load_weights(self.rewind), list(weights))
        return self._initial

    def _decide(self, distances: list[float], step: int) -> bool:
        if self.settings.fraction is not None:
            return step == self._last
        return settled(distances, self.settings.tolerance, self.settings.patience)

    def _report(self, runner: Runner, step: int, previous: list[dict[str, Any]], stop: bool) -> None:
        if previous:
            newest, largest = previous[-1], max(p['distance'] for p in previous)
            scalars = dict(mask_iou=newest['iou'], mask_iou_by_chance=newest['chance_iou'],
                           mask_hamming=newest['hamming'], mask_distance=largest)
            for name, value in scalars.items():
                runner.message_hub.update_scalar(f'train/{name}', value)
            runner.logger.info(
                f'early bird: IoU of the mask at step {step} with that at step {newest["step"]}: '
                f'{newest["iou"]:.4f} (by chance {newest["chance_iou"]:.4f}); largest distance to the last '
                f'{len(previous)}: {largest:.4f}')
        if stop and step < self.max_iters:
            runner.logger.info(f'early bird: the training ends at step {step} of {self.max_iters}')


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back warnings of layers at their minimum, which the pruning itself repeats."""
    logger = logging.getLogger('mmlth.core')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_one_of(index: int, looks: int) -> bool:
    """Pick about ``_MASK_FILES`` of all looks, evenly."""
    return index * _MASK_FILES // max(1, looks) > (index - 1) * _MASK_FILES // max(1, looks)


def _end_epoch_when_stopped(loop: EpochBasedTrainLoop) -> None:
    """Let the loader end when ``loop.stop_training`` is set, where MMEngine would finish the epoch.

    The loader becomes an instance of a subclass: whatever else reads or changes it still finds it.
    """
    class Stoppable(type(loop.dataloader)):
        def __iter__(self):
            for batch in super().__iter__():
                yield batch
                if loop.stop_training:
                    return
    loop.dataloader.__class__ = Stoppable
