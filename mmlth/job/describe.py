"""Say in a record and in a ticket's provenance what a training was and what it came to."""
from dataclasses import replace
from typing import Any

from torch import Tensor

from mmlth.core.collapse import collapsed
from mmlth.core.masks import density, digest, kept
from mmlth.core.positions import multiply_adds
from mmlth.core.records import RoundRecord
from mmlth.core.store import Store
from mmlth.core.ticket import Ticket, masks_digest, weights_step
from mmlth.core.training import Outcome, Training
from mmlth.job.preflight import Preflight
from mmlth.settings.imp_config import IMPConfig
from mmlth.version import __version__

# By what a training starts from: what the record calls its rewind, and its BN statistics.
_REWINDS = {
    'reinit': 'reinit', 'reinit, rms of parent': 'reinit', 'given': 'of the ticket',
    'dense net': 'lr'}
_BUFFERS = {
    'trained': 'kept', 'dense net': 'kept', 'reinit': 'new', 'reinit, rms of parent': 'new'}


def describe_training(
    store: Store, training: Training, outcome: Outcome, plan: Preflight, settings: IMPConfig,
    state: dict[str, Tensor], config: dict[str, Any],
) -> RoundRecord:
    """Return the record of a training that has ended.

    Args:
        store: Where its ticket and checkpoint lie.
        training: Which one.
        outcome: What it came to.
        plan: Of the job.
        settings: Of the job.
        state: What it ended with.
        config: What of the config decides the numbers.
    """
    ticket = store.ticket(training)
    alive = kept(ticket.masks)
    layout = store.layout
    sizes = {weight.name: weight.size for weight in plan.weights}
    positions = store.positions()
    densities = {name: density({name: mask}) for name, mask in ticket.masks.items()}
    return RoundRecord(
        round=training.number,
        control=training.label,
        kept=alive,
        sparsity=plan.sparsity(alive),
        network_sparsity=plan.network_sparsity(alive),
        scope_size=plan.scope_size,
        parameters=plan.parameters,
        metrics=outcome.metrics,
        seconds=outcome.seconds,
        steps=outcome.steps,
        saved_steps=outcome.saved_steps,
        trained_in=outcome.trained_in,
        machine=outcome.machine,
        parent=ticket.provenance.get('parent', ''),
        ticket=layout.relative(layout.ticket(*training.key)),
        checkpoint=layout.relative(store.checkpoint(training)),
        layer_density=densities,
        collapsed=collapsed(densities, density(ticket.masks)),
        policies=_policies(store, training, settings),
        digests=_digests(store, training, ticket, state),
        id=training.id(config),
        multiply_adds=multiply_adds(positions, sizes, ticket.masks),
    )


def describe_ticket(
    store: Store, training: Training, sparsity: float, plan: Preflight, settings: IMPConfig,
    config: str,
) -> dict[str, Any]:
    """Return the provenance of a training's ticket."""
    facts = dict(
        round=training.number,
        control=training.label,
        sparsity=sparsity,
        parameters=plan.parameters,
        config=config,
        settings=settings.as_dict(),
        mmlth=__version__,
    )
    if training.number:
        parent = training.ticket or store.layout.ticket(*training.source.key)
        facts['parent'] = masks_digest(parent)
        facts['trained'] = _trained(store, training.source)
        facts['training'] = _made_for(training)
    return facts


def check_made_here(
    store: Store, training: Training, ticket: Ticket, settings: IMPConfig,
) -> None:
    """Raise ValueError if a ticket wasn't made for this training; older tickets don't tell.

    Args:
        store: Where it lies.
        training: Whose ticket it should be.
        ticket: That lies there.
        settings: Of the job.
    """
    path, facts = store.layout.ticket(*training.key), ticket.provenance
    found, ours = facts.get('trained'), _trained(store, training.source)
    if found and ours and found != ours:
        raise ValueError(
            f'{path} was made from other weights (digest '
            f'{found[:12]}) than {training.source.name} of this job ended with ({ours[:12]}): it '
            'belongs to another job. Put back its own, or remove it to have it made again')
    again = f'Put that back, or remove {path.parent} to have {training.name} made and trained again'
    if training.ticket and facts.get('parent') not in (None, masks_digest(training.ticket)):
        raise ValueError(f'{path} was made from another ticket than {training.ticket} is now. '
                         f'{again}')
    if facts.get('training') not in (None, _made_for(training)):
        now, then = settings.as_dict(), facts.get('settings', {})
        changed = [f'{key}={then[key]!r}' for key in now if key in then and then[key] != now[key]]
        raise ValueError(f'{path} was made with other settings ({", ".join(changed)}). {again}')


def _made_for(training: Training) -> str:
    """Return a hash of all that decides a ticket; a given one may move, its masks are compared."""
    return _without_file(training).id({})


def _without_file(training: Training) -> Training:
    before = training.parent and _without_file(training.parent)
    return replace(training, ticket='', parent=before)


def _trained(store: Store, training: Training) -> str:
    """Return the digest of what a finished training ended with, else ''."""
    return store.record(training).digests['trained'] if store.finished(training) else ''


def _digests(
    store: Store, training: Training, ticket: Ticket, state: dict[str, Tensor],
) -> dict[str, str]:
    found = dict(
        masks=digest(ticket.masks),
        rewind=ticket.rewind_digest,
        trained=digest(state),
    )
    if training.number:
        found['start'] = digest(ticket.start(store.start(training)))
    return found


def _policies(store: Store, training: Training, settings: IMPConfig) -> dict[str, Any]:
    start = _real_start(training)
    return dict(
        rewind=training.moment.text if start == 'rewound' else _REWINDS.get(start, settings.rewind),
        rewind_step=weights_step(store.layout.rewind),
        optimizer=training.optimizer,
        schedule=training.schedule,
        buffers=_BUFFERS.get(start, 'rewound'),
        ema='rewound' if training.schedule == 'continue' else 'rebuilt',
        seed=training.seed,
        order_seed=training.runner_seed,
    )


def _real_start(training: Training) -> str:
    """Return what a training starts from, looking through 'of parent'."""
    while training.start == 'of parent':
        training = training.source
    return training.start
