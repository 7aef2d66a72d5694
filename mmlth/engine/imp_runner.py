"""Iterative magnitude pruning on one screen: train, rank, prune, rewind, repeat."""
import os
from pathlib import Path
from typing import Any, Callable

from mmengine.config import Config
from mmengine.dist import all_gather_object, barrier, get_rank
from mmengine.logging import print_log

from mmlth.core import controls, criteria, records, scope, selection
from mmlth.core.early_bird_files import write_final
from mmlth.core.files import write_json, write_text
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, count_kept, dense_masks, digest, kept
from mmlth.core.records import RoundRecord, Summary
from mmlth.core.seeds import derive_seed
from mmlth.core.ticket import (Ticket, load_rewind_weights, load_ticket, load_weights, save_ticket,
                               save_weights, weights_digest, weights_step)
from mmlth.engine import preflight, workdir
from mmlth.engine.checkpoints import latest_checkpoint, load_state, steps_of
from mmlth.engine.config import IMPConfig
from mmlth.engine.configs import round_config, start_launcher, start_step
from mmlth.engine.hooks import ProgressHook
from mmlth.engine.rewind import reinitialised
from mmlth.engine.sharing import DenseRound, find_dense
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
        self.dense: DenseRound | None = None

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
        for number, control in self.settings.trainings():
            if self.layout.record(number, control).exists():
                continue
            if number > 0:
                self.make_ticket(number, control)
            self.record(number, control, self.train(number, control))
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
        if self.settings.dense_from and not dry_run and not self.layout.record(0).exists():
            self.dense = find_dense(self.settings, job)
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

    def make_ticket(self, number: int, control: str = '') -> None:
        """Rank the weights trained in the round before and write the smaller masks, or those of a control."""
        if self.rank == 0 and not self.layout.ticket(number, control).exists():
            if control:
                masks = self._control_masks(number, control)
            elif self.settings.ticket:
                masks = load_ticket(self.settings.ticket).masks
            else:
                masks = self._select(number, selection.select)
            self._save_ticket(number, masks, control)
        if self.rank == 0 and self.settings.early_bird is not None and not control:
            write_final(self.layout.early_bird(number - 1), load_ticket(self.layout.ticket(number)).masks)
        barrier()
        self._check_ranks(self.layout.ticket(number, control))

    def _select(self, number: int, how: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """Rank what the round before trained, among what it kept."""
        settings = self.settings
        trained = scope.weights_of(load_state(self._checkpoint(number - 1)), self.plan.names)
        initial = scope.weights_of(load_weights(self.layout.rewind), self.plan.names)
        return how(criteria.score(settings.criterion, trained, initial, settings.seed),
                   load_ticket(self.layout.ticket(number - 1)).masks, settings.densities()[number],
                   allocation=settings.allocation, min_kept=settings.min_kept)

    def _control_masks(self, number: int, control: str) -> dict[str, Any]:
        parent = load_ticket(self.layout.ticket(number)).masks
        seed = derive_seed(self.settings.seed, number)
        if control == 'random':
            return controls.random_masks(parent, seed)
        if control == 'shuffle':
            return controls.shuffled_masks(parent, seed)
        if control == 'reverse':
            return self._select(number, controls.reversed_masks)
        return dense_masks(parent) if control == 'dense' else parent  # reinit: other weights, same masks

    def train(self, number: int, control: str = '') -> ProgressHook | RoundRecord:
        """Train the ticket of one round, or a control of it, from its start weights (round 0: dense from w_0).

        Returns:
            Metrics, seconds and steps of the training; of a shared dense round, those of its record.
        """
        if number == 0 and self.dense is not None:
            return self._adopt(self.dense)
        plan, trainings = self.plan.rounds(), self.settings.trainings()
        row = plan[0] if control == 'dense' else plan[number]
        progress = ProgressHook(
            number, len(plan) - 1, row['sparsity'], row['network_sparsity'],
            start_step=start_step(self.settings, self.layout, number),
            left=len(trainings) - 1 - trainings.index((number, control)), control=control)
        train_round(round_config(self.cfg, self.settings, self.layout, number, control, self.plan.names), progress)
        return progress

    def _adopt(self, dense: DenseRound) -> RoundRecord:
        """Take over the dense round of another job."""
        if self.rank == 0:
            dense.copy_to(self.layout)
            print_log(f'round 0 is taken over from {dense.work_dir}')
        barrier()
        return dense.record

    def record(self, number: int, control: str, progress: ProgressHook | RoundRecord) -> None:
        """Check the trained weights, then write the record that finishes the training."""
        if self.rank == 0:
            path = self._checkpoint(number, control)
            if steps_of(path) != progress.steps:
                raise ValueError(f'{path} holds step {steps_of(path)}, but round {number} ended at '
                                 f'{progress.steps}: its last step must be saved (set the interval of '
                                 'default_hooks.checkpoint to 1)')
            state = load_state(path)
            criteria.check_finite({n: w for n, w in state.items() if w.is_floating_point()},
                                  f'round {number} {control}'.strip())
            if number == 0:
                self._save_ticket(0, dense_masks(scope.weights_of(state, self.plan.names)))
            records.save(self._describe(number, control, progress, digest(state)),
                         self.layout.record(number, control))
            self.summarise()
        barrier()

    def summarise(self) -> Summary:
        """Collect the records of all finished trainings into ``summary.json``."""
        trainings = [(number, '') for number in range(len(self.settings.densities()))]
        trainings += sorted(self.layout.controls(), key=lambda t: (t[0], controls.CONTROLS.index(t[1])))
        paths = [(control, self.layout.record(number, control)) for number, control in trainings]
        done = [(control, vars(records.load_round(path))) for control, path in paths if path.exists()]
        summary = Summary(config=str(self.cfg.filename), settings=self.settings.as_dict(),
                          rounds=[r for control, r in done if not control],
                          controls=[r for control, r in done if control],
                          seconds=sum(r['seconds'] for _, r in done if not r['trained_in']))
        if self.rank == 0:
            records.save(summary, self.layout.summary)
        return summary

    def _describe(self, number: int, control: str, progress: ProgressHook | RoundRecord, trained: str) -> RoundRecord:
        path = self.layout.ticket(number, control)
        ticket = load_ticket(path)
        alive, total = kept(ticket.masks), self.plan.scope_size
        digests = dict(masks=digest(ticket.masks), rewind=ticket.rewind_digest, trained=trained)
        if number > 0:
            digests['start'] = digest(apply(ticket.masks, load_rewind_weights(ticket, path)))
        return RoundRecord(
            round=number, sparsity=1 - alive / total, kept=alive, scope_size=total,
            network_sparsity=scope.network_sparsity(total - alive, self.plan.parameters),
            parameters=self.plan.parameters, metrics=progress.metrics, seconds=progress.seconds,
            steps=progress.steps, ticket=self.layout.relative(path),
            checkpoint=self.layout.relative(self._checkpoint(number, control)),
            layer_density={n: count_kept(m) / m.numel() for n, m in ticket.masks.items()},
            policies=self._policies(control), digests=digests, control=control,
            parent=ticket.provenance.get('parent', ''), saved_steps=progress.saved_steps,
            trained_in=os.path.relpath(self.dense.work_dir, self.layout.work_dir) if self.dense and not number else '')

    def _policies(self, control: str) -> dict[str, Any]:
        rewind = 'reinit' if control == 'reinit' else 'of the ticket' if self.settings.ticket else self.settings.rewind
        buffers = dict(lr='kept', none='kept', reinit='new').get(rewind, 'rewound')
        return dict(rewind=rewind, rewind_step=weights_step(self.layout.rewind), optimizer=self.settings.optimizer,
                    schedule='last rate' if rewind == 'none' else self.settings.lr_schedule, buffers=buffers,
                    ema='rebuilt', seed=self.settings.seed)

    def _save_ticket(self, number: int, masks: dict[str, Any], control: str = '') -> None:
        path = self.layout.ticket(number, control)
        path.parent.mkdir(parents=True, exist_ok=True)
        start = self._start_weights(number, control)
        provenance = dict(round=number, sparsity=1 - kept(masks) / self.plan.scope_size,
                          parameters=self.plan.parameters, config=str(self.cfg.filename),
                          settings=self.settings.as_dict(), mmlth=__version__, control=control)
        if number > 0:
            parent = self.layout.ticket(number if control else number - 1)
            if self.settings.ticket and not control:
                parent = self.settings.ticket
            provenance['parent'] = digest(load_ticket(parent).masks)
        save_ticket(Ticket(masks=masks, rewind_file=os.path.relpath(start, path.parent),
                           rewind_digest=weights_digest(start), provenance=provenance), path)

    def _start_weights(self, number: int, control: str) -> Path:
        """Return the file of the weights that a ticket starts from; write it where it isn't w_k's."""
        policy = 'reinit' if control == 'reinit' else self.settings.rewind
        if self.settings.ticket and policy != 'reinit':
            return self._given_weights(number)
        if number == 0 or policy not in ('lr', 'none', 'reinit'):
            return self.layout.rewind
        path = self.layout.start(number, control)
        weights = (reinitialised(self.cfg, self.settings.seed, number) if policy == 'reinit' else
                   load_state(self._checkpoint(number - 1)))
        save_weights(weights, path, step=0)
        return path

    def _given_weights(self, number: int) -> Path:
        """Return the file of the weights that a given ticket starts from, in this work directory."""
        if number == 0:
            return self.layout.rewind
        path, ticket = self.layout.start(number), load_ticket(self.settings.ticket)
        if not path.exists():
            save_weights(load_rewind_weights(ticket, self.settings.ticket), path, step=0)
        return path

    def _checkpoint(self, number: int, control: str = '') -> Path:
        path = latest_checkpoint(self.layout.round_dir(number, control))
        if path is None:
            raise FileNotFoundError(f'{self.layout.round_dir(number, control)} holds no whole checkpoint of its '
                                    'training. If it was deleted, delete the folder to train it again')
        return path

    def _check_ranks(self, path: Path) -> None:
        """Raise RuntimeError unless all ranks read the same masks."""
        found = digest(load_ticket(path).masks) if path.exists() else 'missing'
        digests = all_gather_object(found)
        if len(set(digests)) > 1:
            raise RuntimeError(f'ranks disagree on {path}: {[d[:12] for d in digests]}. All nodes must '
                               'share the work directory')
