"""Iterative magnitude pruning on one screen: train, rank, prune, rewind, repeat."""
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, barrier, get_rank
from mmengine.logging import print_log

from mmlth.core import criteria, records, scope, selection
from mmlth.core.files import write_json, write_text
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, count_kept, dense_masks, digest, kept
from mmlth.core.records import RoundRecord, Summary
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket, save_ticket, weights_digest
from mmlth.engine import preflight, workdir
from mmlth.engine.checkpoints import latest_checkpoint, load_state, steps_of
from mmlth.engine.config import IMPConfig
from mmlth.engine.configs import round_config, start_launcher
from mmlth.engine.hooks import ProgressHook
from mmlth.engine.training import train_round
from mmlth.version import __version__


class IMPRunner:
    """Find winning tickets by iterative magnitude pruning (Girish et al., CVPR 2021, section 3).

    Each round is an ordinary MMEngine training in its own folder. A round is finished when its
    record exists; :meth:`run` skips finished rounds and goes on in a half-trained one.

    Args:
        cfg: Any MMDet (or MMEngine) training config.
        settings: Of the job.
        work_dir: Folder of the job; see :class:`mmlth.core.layout.Layout`.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi', as MMDet's ``tools/train.py`` takes it.
    """

    def __init__(self, cfg: Config, settings: IMPConfig, work_dir: str | Path,
                 launcher: str = 'none') -> None:
        self.cfg = cfg
        self.settings = settings
        self.layout = Layout(Path(work_dir).absolute())
        start_launcher(cfg, launcher)
        self.rank = get_rank()
        self.plan: preflight.Preflight | None = None

    def run(self, *, overwrite: bool = False) -> Summary:
        """Run every round that isn't finished yet; return the summary of all.

        Args:
            overwrite: Delete another IMP job that lies in the work directory; this very job is
                never deleted but goes on.

        Raises:
            ValueError, OSError: All that :meth:`preflight` finds, before training; weights that
                diverged, after it.
        """
        plan = self.preflight(overwrite=overwrite)
        if self.rank == 0:
            print_log(plan.format())
        for number, density in enumerate(self.settings.densities()):
            if self.layout.record(number).exists():
                continue
            if number > 0:
                self.make_ticket(number, density)
            progress = self.train(number)
            self.record(number, progress)
        return self.summarise()

    def preflight(self, *, dry_run: bool = False, overwrite: bool = False) -> preflight.Preflight:
        """Check all that can be known now, plan the rounds, then claim the work directory.

        Args:
            dry_run: Only plan: data may be missing; ``preflight.json`` and ``.txt`` are written.
            overwrite: As in :meth:`run`.
        """
        if not dry_run:
            preflight.check_config(self.cfg)
        job = workdir.identity(self.cfg, self.settings)
        there = workdir.check(self.layout, job, overwrite=overwrite or dry_run)
        self.plan = preflight.plan(self.cfg, self.settings, need_weights=not dry_run)
        barrier()
        if self.rank == 0:
            if not dry_run:
                self._claim(job, there)
            if not dry_run or there != 'another job':  # a dry run leaves that one alone
                self.layout.work_dir.mkdir(parents=True, exist_ok=True)
                write_json(self.layout.preflight, self.plan.as_dict())
                write_text(self.layout.preflight_text, self.plan.format() + '\n')
        barrier()
        return self.plan

    def _claim(self, job: dict[str, Any], there: str) -> None:
        """Make the work directory this job's; delete another one only now that all checks passed."""
        if there == 'this job':
            self._lock = workdir.lock(self.layout)
            return
        preflight.check_disk(self.layout.work_dir, self.plan.parameters, self.settings, self.cfg)
        self.layout.work_dir.mkdir(parents=True, exist_ok=True)
        self._lock = workdir.lock(self.layout)
        workdir.clear(self.layout)
        workdir.claim(self.layout, self.cfg, self.settings, job)

    def make_ticket(self, number: int, density: float) -> None:
        """Rank the weights trained in the round before and write the smaller masks."""
        if self.rank == 0 and not self.layout.ticket(number).exists():
            before = load_ticket(self.layout.ticket(number - 1)).masks
            trained = scope.weights_of(load_state(self._checkpoint(number - 1)), self.plan.names)
            scores = criteria.score(self.settings.criterion, trained, self.settings.seed)
            masks = selection.select(scores, before, density, allocation=self.settings.allocation,
                                     min_kept=self.settings.min_kept)
            self._save_ticket(number, masks)
        barrier()
        self._check_ranks(number)

    def train(self, number: int) -> ProgressHook:
        """Train the ticket of one round from w_k (round 0: the dense model from w_0)."""
        row = self.plan.rounds()[number]
        progress = ProgressHook(number, len(self.settings.densities()) - 1, row['sparsity'],
                                row['network_sparsity'])
        train_round(round_config(self.cfg, self.settings, self.layout, number), progress)
        return progress

    def record(self, number: int, progress: ProgressHook) -> None:
        """Check the trained weights, then write the record that finishes the round."""
        if self.rank == 0:
            path = self._checkpoint(number)
            if steps_of(path) != progress.steps:
                raise ValueError(f'{path} holds step {steps_of(path)}, but round {number} ended at '
                                 f'{progress.steps}: its last step must be saved (set the interval of '
                                 'default_hooks.checkpoint to 1)')
            state = load_state(path)
            criteria.check_finite({n: w for n, w in state.items() if w.is_floating_point()},
                                  f'round {number}')
            if number == 0:
                self._save_ticket(0, dense_masks(scope.weights_of(state, self.plan.names)))
            records.save(self._describe(number, progress, digest(state)), self.layout.record(number))
            self.summarise()
        barrier()

    def summarise(self) -> Summary:
        """Collect the records of all finished rounds into ``summary.json``."""
        paths = [self.layout.record(i) for i in range(len(self.settings.densities()))]
        rounds = [vars(records.load_round(path)) for path in paths if path.exists()]
        summary = Summary(config=str(self.cfg.filename), settings=self.settings.as_dict(),
                          rounds=rounds, seconds=sum(r['seconds'] for r in rounds))
        if self.rank == 0:
            records.save(summary, self.layout.summary)
        return summary

    def _describe(self, number: int, progress: ProgressHook, trained: str) -> RoundRecord:
        ticket = load_ticket(self.layout.ticket(number))
        alive, total = kept(ticket.masks), self.plan.scope_size
        digests = dict(masks=digest(ticket.masks), rewind=ticket.rewind_digest, trained=trained)
        if number > 0:
            w_k = load_rewind_weights(ticket, self.layout.ticket(number))
            digests['start'] = digest(apply(ticket.masks, w_k))
        return RoundRecord(
            round=number, sparsity=1 - alive / total, kept=alive, scope_size=total,
            network_sparsity=scope.network_sparsity(total - alive, self.plan.parameters),
            parameters=self.plan.parameters, metrics=progress.metrics, seconds=progress.seconds,
            steps=progress.steps, ticket=self.layout.relative(self.layout.ticket(number)),
            checkpoint=self.layout.relative(self._checkpoint(number)),
            layer_density={n: count_kept(m) / m.numel() for n, m in ticket.masks.items()},
            policies=dict(rewind_step=self.settings.rewind_step, optimizer='fresh', schedule='restart',
                          buffers='rewound', ema='rebuilt', seed=self.settings.seed),
            digests=digests)

    def _save_ticket(self, number: int, masks: dict[str, Any]) -> None:
        path = self.layout.ticket(number)
        path.parent.mkdir(exist_ok=True)
        provenance = dict(round=number, sparsity=1 - kept(masks) / self.plan.scope_size,
                          parameters=self.plan.parameters, config=str(self.cfg.filename),
                          settings=self.settings.as_dict(), mmlth=__version__)
        if number > 0:
            provenance['parent'] = digest(load_ticket(self.layout.ticket(number - 1)).masks)
        save_ticket(Ticket(masks=masks, rewind_file=f'../{self.layout.rewind.name}',
                           rewind_digest=weights_digest(self.layout.rewind),
                           provenance=provenance), path)

    def _checkpoint(self, number: int) -> Path:
        path = latest_checkpoint(self.layout.round_dir(number))
        if path is None:
            raise FileNotFoundError(f'{self.layout.round_dir(number)} holds no whole checkpoint of its '
                                    'training. If it was deleted, delete the folder to train it again')
        return path

    def _check_ranks(self, number: int) -> None:
        """Raise RuntimeError unless all ranks read the same masks."""
        path = self.layout.ticket(number)
        found = digest(load_ticket(path).masks) if path.exists() else 'missing'
        digests = all_gather_object(found)
        if len(set(digests)) > 1:
            raise RuntimeError(f'ranks disagree on {path}: {[d[:12] for d in digests]}. All nodes must '
                               'share the work directory')
