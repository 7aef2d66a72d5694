"""Claim a work directory: the same job goes on there, any other is refused."""
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from mmlth.core.store import Store
from mmlth.engine.identity import describe, differences
from mmlth.engine.job import Job
from mmlth.engine.ranks import check_shared, on_rank_0

THIS, ANOTHER, NOTHING = 'this job', 'another job', 'nothing'


@contextmanager
def claimed(job: Job, *, overwrite: bool = False, accept: tuple[str, ...] = ()) -> Iterator[None]:
    """Hold the work directory for a job; another one is deleted only now that all checks passed.

    Args:
        job: With its plan.
        overwrite, accept: See :func:`whose`.

    Raises:
        ValueError, OSError, RuntimeError: As :func:`whose`; another process works there, the disk
            is too small, or some node doesn't see the folder.
    """
    with ExitStack() as held:
        on_rank_0(_take, job, held, overwrite, accept)
        check_shared(job.store.layout.shared)
        on_rank_0(job.write_plan)
        yield


def whose(
    store: Store, facts: Mapping[str, Any], *, overwrite: bool = False,
    accept: tuple[str, ...] = (),
) -> str:
    """Tell what lies in the work directory: 'this job', 'another job' or 'nothing'.

    A job that was claimed but has not captured or trained anything yet counts as nothing.

    Args:
        store: Of the work directory.
        facts: Of the job that would go on there (:meth:`mmlth.engine.job.Job.facts`).
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
    found = differences(there['identity'], facts['identity'])
    _check_accept(accept, found, there.get('changes', []))
    refused = {key: text for key, text in found.items() if not _matches(key, accept)}
    if not refused:
        return THIS
    if not store.holds_work():
        return NOTHING
    if not overwrite:
        keys = ' '.join(list(refused)[:8])
        raise FileExistsError(
            f'--work-dir {store.work_dir} holds another job. Different settings: '
            f'{describe(refused)}. Choose a new --work-dir, --overwrite to delete what is there, '
            'or, if the job shall go on with the new values for the trainings to come, '
            f'--accept-change {keys}')
    return ANOTHER


def _take(job: Job, held: ExitStack, overwrite: bool, accept: tuple[str, ...]) -> None:
    store, facts = job.store, job.facts()
    if whose(store, facts, overwrite=overwrite, accept=accept) != THIS:
        job.check_disk()
    held.enter_context(store.locked())
    # Asked again: until now another process may have worked there.
    if whose(store, facts, overwrite=overwrite, accept=accept) == THIS:
        store.claim(_going_on(store, facts))
    else:
        store.clear()
        store.claim(dict(facts, changes=[]))


def _going_on(store: Store, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a job that goes on, with what was accepted now and before."""
    known = store.job() or {}
    changed = differences(known['identity'], facts['identity'])
    changes = [*known.get('changes', []), *([changed] if changed else [])]
    if not store.holds_work():
        return dict(facts, changes=changes)
    # What the dense round keeps was settled when it was trained.
    return dict(facts, changes=changes, moment=known['moment'], captured=known['captured'])


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
