"""Iterative magnitude pruning on one screen: train, rank, prune, rewind, repeat."""
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank
from mmengine.logging import print_log

from mmlth.core.records import Summary
from mmlth.core.store import Store
from mmlth.core.ticket import masks_digest
from mmlth.core.training import Key, Outcome, Training
from mmlth.engine.hooks import ProgressHook
from mmlth.engine.last_rate import check_last_rate
from mmlth.engine.launch import start_launcher
from mmlth.engine.ranks import check_same, on_every_rank, on_rank_0, wait_until
from mmlth.engine.round_config import round_config
from mmlth.engine.state_moments import check_state_moments
from mmlth.engine.train import train
from mmlth.job.annotations import check_annotations
from mmlth.job.checks import check_config
from mmlth.job.claim import ANOTHER, THIS, claimed, whose
from mmlth.job.class_counts import check_classes
from mmlth.job.job_log import LOGGER, in_file, on_console, standing
from mmlth.job.preflight import Preflight
from mmlth.job.rank_0 import Job
from mmlth.job.sharing import Finder
from mmlth.settings.imp_config import IMPConfig


class IMPRunner:
    """Find winning tickets by iterative magnitude pruning (Girish et al., CVPR 2021, section 3).

    Each training is an ordinary MMEngine one in its own folder. It is finished when its record
    exists; :meth:`run` skips finished ones and goes on in a half-trained one. Rank 0 decides and
    writes (:class:`mmlth.job.rank_0.Job`); the other ranks are told.

    Args:
        cfg: Any MMDet (or MMEngine) training config.
        settings: Of the job.
        work_dir: Folder of the job; see :class:`mmlth.core.store.Store`.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi', as MMDet's ``tools/train.py`` takes it.
        accept: Keys of settings with whose new values a job that lies there may go on.
        finder: Knows other jobs, whose equal trainings are taken over; see
            :func:`mmlth.job.sharing.find_equal`.
    """

    def __init__(
        self, cfg: Config, settings: IMPConfig, work_dir: str | Path, launcher: str = 'none',
        accept: tuple[str, ...] = (), finder: Finder | None = None,
    ) -> None:
        self.cfg = cfg
        self.store = Store(work_dir)
        self.accept = tuple(accept)
        start_launcher(cfg, launcher)
        self.work = Job(cfg=cfg, settings=settings, store=self.store, finder=finder)

    def run(self, *, overwrite: bool = False, only: Collection[Key] | None = None) -> Summary:
        """Run every training that isn't finished yet; return the summary of all.

        Args:
            overwrite: Delete another IMP job that lies in the work directory; this very job is
                never deleted but goes on.
            only: Keys of the trainings to run, or None for all. What they need must be finished.
                Other processes may run others of the same job meanwhile.

        Raises:
            BlockingIOError: Another process works on the job, or on one of these trainings.
            ValueError, OSError, RuntimeError: All that :meth:`preflight` finds, before training;
                weights that diverged, after it.
        """
        together = only is not None
        with ExitStack() as held:
            held.enter_context(on_console(self.cfg.get('log_level', 'INFO')))
            self.preflight(overwrite=overwrite)
            held.enter_context(claimed(
                self.work, overwrite=overwrite, accept=self.accept, together=together))
            held.enter_context(in_file(self.store.layout.log))
            LOGGER.info(on_rank_0(standing, self.store, self.work.trainings))
            for training in self.work.trainings:
                if only is None or training.key in only:
                    self._finish(training)
            return on_rank_0(self.store.summarise)

    def _finish(self, training: Training) -> None:
        """Do what is left of a training, if anything."""
        if on_rank_0(self.store.finished, training):
            return
        on_rank_0(self.work.check_data)
        with ExitStack() as held:
            on_rank_0(self.work.take, training, held)
            if on_rank_0(self.store.finished, training):  # while its lock was another's
                return
            if training.number:
                self.prune(training)
            on_rank_0(self.work.finish, training, self.train(training))

    def preflight(self, *, dry_run: bool = False, overwrite: bool = False) -> Preflight:
        """Check all that can be known now, plan the rounds and rehearse the first one.

        Args:
            dry_run: Data may be missing; ``preflight.json`` and ``.txt`` are written.
            overwrite: As in :meth:`run`.
        """
        if not dry_run:
            on_every_rank(check_config, self.cfg)
            on_rank_0(check_annotations, self.cfg)
            on_rank_0(check_classes, self.cfg)
        on_every_rank(check_last_rate, self.cfg, self.work.settings.rewind)
        dense = self.work.trainings[0]
        if not self.store.finished(dense):
            on_every_rank(check_state_moments, self.cfg, dense.states)
        facts = self.work.facts()
        check_same(facts['identity'])
        there = on_rank_0(whose, self.store, facts, accept=self.accept,
                          overwrite=overwrite or dry_run)
        self.work.plan = on_rank_0(self.work.make_plan, dry_run)
        if dry_run and there != ANOTHER:  # which is left alone
            on_rank_0(self.work.write_plan)
        elif get_rank() == 0 and not dry_run and not self._is_done(there):
            print_log(self.work.plan.format())
        return self.work.plan

    def _is_done(self, there: str) -> bool:
        return there == THIS and all(map(self.store.finished, self.work.trainings))

    def prune(self, training: Training) -> None:
        """Make the ticket of a training, once; rank 0 decides, all ranks check what they see."""
        written = on_rank_0(self.work.write_ticket, training)
        path = self.store.layout.ticket(*training.key)
        seen = all_gather_object(_digest_seen(path))
        if set(seen) != {written}:
            shown = [digest[:12] for digest in seen]
            raise RuntimeError(f'ranks disagree on {path}: {shown}. All nodes must share the work '
                               'directory')

    def train(self, training: Training) -> Outcome:
        """Train a ticket, a control or the dense net; or take it over from another job."""
        adopted = on_rank_0(self.work.adopt, training)
        if adopted is not None:
            return adopted
        resume, begin, rates = on_rank_0(self.work.start_of, training)
        state = self.store.layout.state if training.needs_state else None
        start = self.store.starts_from(training)
        on_every_rank(_wait_for, [path for path in (resume, rates, state, start) if path])
        plan, trainings = self.work.plan, self.work.trainings
        kept = round(training.density * plan.scope_size)
        progress = ProgressHook(
            training.number, len(plan.densities) - 1, plan.sparsity(kept),
            plan.network_sparsity(kept), begin=begin, control=training.label,
            left=len(trainings) - 1 - trainings.index(training))
        cfg = round_config(self.cfg, training, self.store.layout, resume=resume,
                           learning_rates=rates, names=plan.names)
        return train(cfg, progress)


def _wait_for(paths: Sequence[Path]) -> None:
    """Raise FileNotFoundError unless files of rank 0 show, late on a network file system."""
    for path in paths:
        if not wait_until(path.exists):
            raise FileNotFoundError(f'{path}, which rank 0 has written, is not seen here')


def _digest_seen(path: Path) -> str:
    """Return the digest of a ticket as this rank sees it, raising nothing: others wait for it."""
    if not wait_until(path.exists):
        return 'missing'
    try:
        return masks_digest(path)
    except ValueError:
        return 'damaged'
