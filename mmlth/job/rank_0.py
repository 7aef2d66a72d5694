"""A job as rank 0 sees it: what it plans, how it makes a ticket, how it closes a training."""
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.core import criteria
from mmlth.core.checkpoints import iterations_of, load_state
from mmlth.core.collapse import collapsed, describe_collapse
from mmlth.core.mask_history import mask_files, write_final
from mmlth.core.masks import Masks, Weights, dense_masks, density, digest, kept
from mmlth.core.scope import weights_of
from mmlth.core.store import Store
from mmlth.core.training import Outcome, Training
from mmlth.engine.net import read_net
from mmlth.job.checks import check_disk
from mmlth.job.data_digest import check_data, data_digests
from mmlth.job.describe import check_made_here, describe_ticket, describe_training
from mmlth.job.first_batch import count_positions, evaluate_first_batch
from mmlth.job.identity import config_identity, identity
from mmlth.job.job_log import LOGGER, ended
from mmlth.job.notes import check_costs
from mmlth.job.policies import MASKS, STARTS
from mmlth.job.preflight import Preflight, plan
from mmlth.job.rehearsal import rehearse
from mmlth.job.sharing import Finder, adopt, find_equal, find_shared
from mmlth.settings.imp_config import IMPConfig


@dataclass(kw_only=True)
class Job:
    """A config, settings and a store; every method runs on rank 0 alone.

    Attributes:
        cfg: Any MMDet (or MMEngine) training config.
        settings: Of the job.
        store: Of its work directory.
        finder: Knows other jobs, whose equal trainings are taken over; or None.
        trainings: All of them, in order.
        plan: Known after :meth:`make_plan`; all ranks are told it.
    """

    cfg: Config
    settings: IMPConfig
    store: Store
    finder: Finder | None = None
    trainings: tuple[Training, ...] = field(init=False)
    plan: Preflight = field(init=False)

    def __post_init__(self) -> None:
        self.trainings = self.settings.trainings()

    def facts(self) -> dict[str, Any]:
        """Return what ``imp.json`` says of this job."""
        dense = self.trainings[0]
        return dict(
            config=str(self.cfg.filename),
            settings=self.settings.as_dict(),
            identity=identity(self.cfg, self.settings),
            data=data_digests(self.cfg),
            moment=dense.moment.name,
            captured=[moment.name for moment in dense.captures],
            states=[moment.name for moment in dense.states if moment != dense.moment],
        )

    def make_plan(self, dry_run: bool) -> Preflight:
        """Plan every round and rehearse the first pruned one.

        Args:
            dry_run: Whether missing data and weights are no error.

        Raises:
            ValueError, OSError, RuntimeError: Whatever of this would fail later.
        """
        dense = self.trainings[0]
        if dense.shared_from and not dry_run and not self.store.finished(dense):
            find_shared(self.store, dense, self.facts())
        net = read_net(self.cfg, self.settings.seed, need_weights=not dry_run)
        trace = count_positions if dry_run else evaluate_first_batch
        found = plan(net, self.settings, trace(net, self.cfg))
        if not dry_run:
            check_costs(self.settings, found.names, found.positions)
        if self.cfg.get('optim_wrapper') and self.cfg.get('train_dataloader'):
            rehearse(net, found, self.settings, self.cfg)
        return found

    def take(self, training: Training, held: ExitStack) -> None:
        """Hold a training until ``held`` ends."""
        held.enter_context(self.store.training_locked(training))

    def check_data(self) -> None:
        """Raise ValueError or OSError if files that the job reads have changed since its claim."""
        check_data(self.cfg, (self.store.job() or {}).get('data', {}))

    def check_disk(self) -> None:
        """Raise OSError if the disk is too small for the whole job."""
        check_disk(self.store.work_dir, self.plan.parameters, self.trainings, self.cfg)

    def write_plan(self) -> None:
        """Leave the plan in the work directory."""
        self.store.write_preflight(self.plan.as_dict(), self.plan.format())

    def write_ticket(self, training: Training) -> str:
        """Write masks and start of a training unless that was done; return the masks' digest."""
        if not self.store.has_ticket(training):
            masks = MASKS[training.masks](self.store, training)
            start = STARTS[training.start](self.store, training, self.cfg)
            self._save_ticket(training, masks, start)
            _warn_of_collapse(training, masks)
        ticket = self.store.ticket(training)
        check_made_here(self.store, training, ticket, self.settings)
        before = training.source
        looks = self.store.layout.early_bird(before.number)
        if not training.label and before.early_bird is not None and mask_files(looks):
            write_final(looks, ticket.masks)
        return digest(ticket.masks)

    def start_of(self, training: Training) -> tuple[Path | None, int, Path | None]:
        """Find where a training begins.

        Returns:
            The checkpoint to go on from or None, the iteration at which it begins, and the
            checkpoint whose learning rates it holds or None.
        """
        continues = training.schedule == 'continue'
        begin = iterations_of(self.store.layout.state) if continues else 0
        rates = None
        if training.schedule == 'last rate':
            ticket = training.source if training.label else training
            rates = self.store.checkpoint(ticket.source)
        resume = self.store.resume_from(training)
        if resume is not None:
            iterations_of(resume)  # what MMEngine might unpickle is refused here, by name
        return resume, begin, rates

    def adopt(self, training: Training) -> Outcome | None:
        """Take over another job's training in place of this one, if there is one to take."""
        other: Store | None = None
        if training.shared_from:
            other = find_shared(self.store, training, self.facts())
        elif self.finder is not None:
            other = find_equal(self.store, training, self.facts(), self.finder)
        return adopt(self.store, training, other) if other else None

    def finish(self, training: Training, outcome: Outcome) -> None:
        """Check what a training ended with, then write the record that finishes it.

        Raises:
            ValueError: Weights diverged, or the last iteration wasn't saved.
        """
        state = self._final_state(training, outcome)
        if not training.number:
            dense = dense_masks(weights_of(state, self.plan.names))
            self._save_ticket(training, dense, self.store.w_k())
        self.store.reduce(training)
        record = describe_training(self.store, training, outcome, self.plan, self.settings, state,
                                   config_identity(self.cfg))
        self.store.finish(training, record)
        LOGGER.info(ended(record, training.name))

    def _save_ticket(self, training: Training, masks: Masks, start: Weights) -> None:
        sparsity = self.plan.sparsity(kept(masks))
        shared = {name: owner for name, owner in self.plan.shared.items() if owner in masks}
        groups = {name: self.plan.groups[name] for name in masks}
        provenance = describe_ticket(
            self.store, training, sparsity, self.plan, self.settings, str(self.cfg.filename))
        self.store.save_ticket(
            training, masks, start, shared=shared, groups=groups, provenance=provenance)

    def _final_state(self, training: Training, outcome: Outcome) -> Weights:
        path = self.store.checkpoint(training)
        saved = iterations_of(path)
        if saved != outcome.iterations:
            raise ValueError(
                f'{path} holds iteration {saved}, but {training.name} ended at '
                f'{outcome.iterations}: its last one must be saved (set the interval of '
                'default_hooks.checkpoint to 1)')
        state = load_state(path)
        floats = {name: w for name, w in state.items() if w.is_floating_point()}
        criteria.check_finite(floats, f'round {training.number} {training.label}'.strip())
        return state


def _warn_of_collapse(training: Training, masks: Masks) -> None:
    densities = {name: density({name: mask}) for name, mask in masks.items()}
    found = collapsed(densities, density(masks))
    if found:
        LOGGER.warning(f'{training.name}: {describe_collapse(found)}')
