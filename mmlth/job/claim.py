"""Claim a work directory: the same job goes on there, any other is refused."""
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from mmlth.core.store import Store
from mmlth.engine.ranks import check_shared, on_rank_0
from mmlth.job.data_digest import data_differences
from mmlth.job.identity import describe, differences, with_rounds_of
from mmlth.job.rank_0 import Job

THIS, ANOTHER, NOTHING = 'this job', 'another job', 'nothing'
# Decide what is measured, not what is trained: free until a training was measured with them.
_EVALUATION = ('val_dataloader', 'val_evaluator', 'val_cfg')
_MEASURING = (*_EVALUATION, *(f'data.{part}' for part in _EVALUATION))
# Settled with the dense net: its masks have the tensors of a scope, its w_k is of one step.
_SCOPE = ('imp.scope', 'imp.include', 'imp.exclude', 'imp.frozen')
_KEPT = ('imp.rewind', 'imp.optimizer', 'imp.lr_schedule')


@contextmanager
def claimed(
    job: Job, *, overwrite: bool = False, accept: tuple[str, ...] = (), together: bool = False,
) -> Iterator[None]:
    """Hold the work directory for a job; another one is deleted only now that all checks passed.

    Args:
        job: With its plan.
        overwrite: See :func:`whose`.
        accept: See :func:`whose`.
        together: Let in others that do trainings of this very job.

    Raises:
        ValueError, OSError, RuntimeError: As :func:`whose`; another process works there, the disk
            is too small, or some node doesn't see the folder.
    """
    with ExitStack() as held:
        on_rank_0(_take, job, overwrite, accept, together, held)
        check_shared(job.store.layout.shared)
        on_rank_0(job.write_plan)
        yield


def whose(
    store: Store, facts: Mapping[str, Any], *, overwrite: bool = False,
    accept: tuple[str, ...] = (),
) -> str:
    """Tell what lies in the work directory: 'this job', 'another job' or 'nothing'.

    A job that was claimed but has not captured or trained anything yet counts as nothing. Until
    a training is finished, settings of the evaluation may change.

    Args:
        store: Of the work directory.
        facts: Of the job that would go on there (:meth:`mmlth.job.rank_0.Job.facts`).
        overwrite: Accept another job there.
        accept: Keys of settings that may differ although they may change numbers.

    Raises:
        FileExistsError: The directory holds another job and ``overwrite`` is False (names the
            settings that differ), or files that aren't of mmlth.
        PermissionError: It can't be written.
        NotADirectoryError: It is a file.
        ValueError: ``accept`` names what doesn't differ and never did.
    """
    _check_folder(store)
    if overwrite and not store.is_readable():
        return ANOTHER
    there = store.job()
    if there is None:
        _refuse_foreign(store)
        return NOTHING
    found = _differences(there, facts)
    _check_accept(accept, found, there.get('changes', []))
    free = accept if store.has_summary() else (*accept, *_MEASURING)
    settled = _settled(store, facts) if store.holds_work() else ()
    refused = {key: text for key, text in found.items()
               if not _matches(key, free) or _matches(key, settled)}
    if not refused:
        return THIS
    if not store.holds_work():
        return NOTHING
    if not overwrite:
        keys = ' '.join([key for key in refused if not _matches(key, settled)][:8])
        others = (' or, if the job shall go on with the new values for the trainings to come, '
                  f'--accept-change {keys}')
        fixed = ' (what its dense net was trained with cannot be changed any more)'
        raise FileExistsError(
            f'--work-dir {store.work_dir} holds another job. Different settings: '
            f'{describe(refused)}. Choose a new --work-dir, --overwrite to delete what is there,'
            f'{others if keys else fixed}')
    return ANOTHER


def _take(
    job: Job, overwrite: bool, accept: tuple[str, ...], together: bool, held: ExitStack,
) -> None:
    store, facts = job.store, job.facts()
    is_ours = whose(store, facts, overwrite=overwrite, accept=accept) == THIS
    if not is_ours:
        job.check_disk()
    shared = together and is_ours  # who makes the folder his is alone there
    with ExitStack() as lock:
        lock.enter_context(store.locked(together=shared))
        # Asked again: until now another process may have worked there.
        if whose(store, facts, overwrite=overwrite, accept=accept) == THIS:
            store.claim(_going_on(store, facts))
        elif shared:
            raise _taken(store)
        else:
            store.clear()
            store.claim(dict(facts, changes=[]))
        store.keep_positions(job.plan.positions)
        if shared == together:
            held.push(lock.pop_all())
            return
    held.enter_context(store.locked(together=True))
    if whose(store, facts, overwrite=True, accept=accept) != THIS:
        raise _taken(store)


def _taken(store: Store) -> BlockingIOError:
    return BlockingIOError(
        errno.EAGAIN, f'another job has just taken {store.work_dir}; choose another --work-dir')


def _differences(there: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what differs between a job that lies there and the facts of one that would go on."""
    data = data_differences(there.get('data', {}), facts.get('data', {}))
    return {**differences(there['identity'], facts['identity']), **data}


def _going_on(store: Store, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a job that goes on, with what was accepted now and before."""
    known = store.job() or {}
    changed = _differences(known, facts)
    changes = [*known.get('changes', []), *([changed] if changed else [])]
    if not store.holds_work():
        return dict(facts, changes=changes)
    return dict(
        facts,
        changes=changes,
        identity=with_rounds_of(known['identity'], facts['identity']),  # they may be finished
        moment=known['moment'],  # what the dense round keeps was settled when it was trained
        captured=known['captured'],
        states=known.get('states', []))  # older jobs kept their own alone


def _settled(store: Store, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the settings that cannot change any more, whatever is accepted."""
    there = store.job() or {}
    known = there.get('moment')  # a claim alone, without a plan, knows none
    states = {known, *there.get('states', [])}
    is_kept = facts.get('moment') == known and states.issuperset(facts.get('states', []))
    wanted = facts.get('settings', {})
    if wanted.get('optimizer') == 'rewound' or wanted.get('lr_schedule') == 'continue':
        is_kept = is_kept and store.layout.state.exists()
    return _SCOPE if is_kept else (*_SCOPE, *_KEPT)


def _matches(key: str, accept: tuple[str, ...]) -> bool:
    return any(f'{key}.'.startswith(f'{part}.') for part in accept)


def _check_accept(
    accept: tuple[str, ...], found: Mapping[str, str], before: list[dict[str, str]],
) -> None:
    """Raise ValueError for a key that differs neither now nor when it was accepted before."""
    known = {key for each in (found, *before) for key in each}
    unused = [part for part in accept if not any(_matches(key, (part, )) for key in known)]
    if unused:
        raise ValueError(
            f'--accept-change {" ".join(unused)}: nothing of that name differs from the job that '
            f'lies there. Different are: {describe(found) or "none"}')


def _check_folder(store: Store) -> None:
    folder = store.work_dir
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not parent.is_dir():
        raise NotADirectoryError(f'--work-dir {folder}: {parent} is a file; choose a folder')
    if not os.access(parent, os.W_OK):
        raise PermissionError(f'--work-dir {folder} cannot be written; choose another')


def _refuse_foreign(store: Store) -> None:
    """Raise unless the folder is empty, or holds what a dry run or an early kill left."""
    layout = store.layout
    own = {layout.preflight.name, layout.preflight_text.name, layout.lock.name, layout.shared.name}
    paths = store.work_dir.iterdir() if store.work_dir.exists() else ()
    foreign = [p.name for p in paths if p.name not in own and not p.name.endswith('.tmp')]
    if foreign:
        raise FileExistsError(
            f'--work-dir {store.work_dir} is not an IMP job (no imp.json) and holds {foreign[:3]}, '
            'which --overwrite never deletes. Choose a new folder')
