"""Take over a training from another job, where it is the one that this job would do."""
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmlth.core.checkpoints import iterations_of
from mmlth.core.masks import digest
from mmlth.core.store import Store
from mmlth.core.training import Outcome, Training
from mmlth.job.data_digest import data_differences
from mmlth.job.identity import describe, differences
from mmlth.job.job_log import LOGGER

# Id of a training (:meth:`Training.id`) -> work directory of a job that may have finished it.
Finder = Callable[[str], Path | None]
_DENSE_SETTINGS = ('imp.seed', 'imp.exact_resume')  # those that a dense net depends on


def find_shared(store: Store, dense: Training, facts: Mapping[str, Any]) -> Store:
    """Find the job that ``dense_from`` names and check that its dense net is the one wanted.

    Args:
        store: Of this job.
        dense: This job's dense training, with ``shared_from``.
        facts: Of this job (:meth:`mmlth.job.rank_0.Job.facts`).

    Raises:
        FileNotFoundError: There is no such job, its dense round isn't finished, or the weights to
            rewind to weren't kept.
        ValueError: Its config, seed or data differ, or an early end cut it short; names them.
    """
    other = Store(dense.shared_from)
    where = f'dense_from={dense.shared_from!r}'
    there = other.job()
    if there is None or not other.finished(dense):
        raise FileNotFoundError(f'{where} holds no finished dense round. Train it first, with '
                                'rounds=0 if nothing else is wanted of it')
    wanted = dense.id(config_part(facts['identity']))
    if other.record(dense).id != wanted:
        raise ValueError(f'{where} {_why_other(there, facts["identity"])}')
    changed = data_differences(there.get('data', {}), facts['data'])
    if changed:
        shown = describe(changed).replace(' now', ' here')
        raise ValueError(f'{where} was trained with other data: {shown}. Put back the files that '
                         'it was trained with, or train a dense net with these')
    _check_files(other, dense, store)
    return other


def find_equal(
    store: Store, training: Training, facts: Mapping[str, Any], finder: Finder,
) -> Store | None:
    """Find a job that has finished an equal training and has all that is taken over of it.

    Args:
        store: Of this job; a pruned training has its ticket there.
        training: To find.
        facts: Of this job (:meth:`mmlth.job.rank_0.Job.facts`).
        finder: Knows the jobs.
    """
    if not training.is_shareable:
        return None
    wanted = training.id(config_part(facts['identity']))
    found = finder(wanted)
    other = Store(found) if found is not None else None
    if other is None or other.work_dir == store.work_dir or not other.finished(training):
        return None
    there, record = other.job() or {}, other.record(training)
    if record.id != wanted or there.get('data') != facts['data']:
        return None
    if training.number and record.digests['masks'] != digest(store.ticket(training).masks):
        return None
    try:
        _check_files(other, training, store)
    except FileNotFoundError:
        return None
    return other


def _check_files(other: Store, training: Training, store: Store) -> None:
    """Raise FileNotFoundError unless the other job has all that is taken over of a training."""
    other.checkpoint(training)
    other.captured.links(training, store.layout)


def adopt(store: Store, training: Training, other: Store) -> Outcome:
    """Take over another job's equal training; return its outcome."""
    store.adopt(other, training)
    LOGGER.info(f'{training.name} is taken over from {other.work_dir}')
    record = other.record(training)
    trainer = other.work_dir / record.trained_in  # which may have taken it over itself
    path = os.path.relpath(trainer, store.work_dir)
    return Outcome(
        metrics=record.metrics,
        seconds=record.seconds,
        steps=record.steps,
        iterations=iterations_of(store.checkpoint(training)),
        saved_steps=record.saved_steps,
        trained_in=Path(path).as_posix(),
        machine=record.machine,
    )


def config_part(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a job's identity comes from its config, without settings of the job."""
    return {key: value for key, value in identity.items() if not key.startswith('imp.')}


def _why_other(there: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Say why another job's dense training isn't the one wanted here."""
    found = differences(_dense_part(there['identity']), _dense_part(identity))
    if found:
        shown = describe(found).replace(' now', ' here')
        return (f'was trained with other settings: {shown}. Name a job with the same config and '
                'seed')
    if there['settings'].get('early_bird'):
        return ('was trained with early_bird, which may end the dense round early. Name another '
                'job')
    return 'was trained with another exact_resume, on another kind of device. Name another job'


def _dense_part(identity: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {key: identity[key] for key in _DENSE_SETTINGS if key in identity}
    return {**config_part(identity), **chosen}
