"""Find what is wrong with a study before anything is trained."""
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mmengine.config import Config

from mmlth.core.files import free_bytes
from mmlth.core.quiet import quiet
from mmlth.core.training import Training
from mmlth.engine.last_rate import check_last_rate
from mmlth.engine.net import Net, read_net
from mmlth.engine.state_moments import check_state_moments
from mmlth.job import preflight
from mmlth.job.checks import check_config, needed_bytes
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import Study
from mmlth.study.predictions import check_evaluator
from mmlth.study.study_job import StudyJob

Shapes = dict[str, tuple[int, ...]]  # of the tensors in a job's scope
# Settings that no plan depends on: jobs that differ in these alone are planned once.
_NOT_PLANNED = ('seed', 'rewind', 'optimizer', 'lr_schedule', 'controls', 'early_bird', 'keep',
                'max_keep_ckpts', 'exact_resume')


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What trainings need on a disk, in bytes.

    Attributes:
        left: What they leave when all have ended.
        while_running: What one of them needs besides, while it is trained.
    """

    left: int = 0
    while_running: int = 0

    def and_then(self, other: 'Disk') -> 'Disk':
        """Return the need of both, of which one is trained at a time."""
        most = max(self.while_running, other.while_running)
        return Disk(left=self.left + other.left, while_running=most)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was looked at, once all of it was found to be well.

    Attributes:
        jobs: Jobs that aren't done yet.
        nets: Models that were built for them.
        seconds: Time that it took.
        needed, free: Bytes on the disk.
    """

    jobs: int
    nets: int
    seconds: float
    needed: int
    free: int

    def __str__(self) -> str:
        return (f'checked {self.jobs} jobs (nets built: {self.nets}) in {self.seconds:.0f} s; they '
                f'need about {_gib(self.needed)} of the {_gib(self.free)} that are free')


def check_jobs(
    study: Study,
    folder: StudyFolder,
    *,
    workers: int = 1,
    data_root: str | None = None,
    need_data: bool = True,
) -> Checked:
    """Check config, data, scope and sparsities of every job, whether transfers can match, the disk.

    Args:
        study: From :func:`mmlth.study.plan.read_study`.
        folder: Of the study; nothing is written there.
        workers: Jobs that run at once.
        data_root: Where the data lies, or None for the configs' own places.
        need_data: Whether missing data or pretrained weights are an error.

    Raises:
        ValueError, OSError: As a wrong job would, with its name before.
    """
    start = time.monotonic()
    todo = {name: job for name, job in study.jobs.items() if not folder.is_done(job)}
    sources = {job.source for job in todo.values()}
    planned = [job for name, job in study.jobs.items() if name in todo or name in sources]
    shapes: dict[str, Shapes] = {}
    disk = Disk()
    groups = _by_net(planned)
    for jobs in groups:  # one net at a time is in memory
        of_scopes, needed_here = _check_net(jobs, folder, data_root, need_data)
        shapes.update(of_scopes)
        disk = disk.and_then(needed_here)
    for job in todo.values():
        if job.source:
            _check_match(job, shapes)
    needed, free = disk.left + workers * disk.while_running, free_bytes(folder.work_dir)
    if free < needed:
        raise OSError(f'the disk of {folder.work_dir} has {_gib(free)} free, but the study needs '
                      f'about {_gib(needed)}. Free some, or choose another --work-dir')
    seconds = time.monotonic() - start
    return Checked(
        jobs=len(todo), nets=len(groups), seconds=seconds, needed=needed, free=free)


def _check_net(
    jobs: Sequence[StudyJob], folder: StudyFolder, data_root: str | None, need_data: bool,
) -> tuple[dict[str, Shapes], Disk]:
    """Check the jobs of one net.

    Returns:
        Name of a job -> shapes of its scope, and what all of them need on the disk.
    """
    first = jobs[0]
    with _named(first):
        cfg = first.read_config(data_root)
        if need_data:
            check_config(cfg)
        if any(job.predictions for job in jobs):
            check_evaluator(cfg)
        net = read_net(cfg, first.settings['seed'], need_weights=need_data)
    for job in {job.planned.rewind: job for job in jobs}.values():
        with _named(job):
            check_last_rate(cfg, job.planned.rewind)
    for job in reversed(jobs):  # a dense net, which comes first, keeps what others ask for
        dense = job.trainings[0]
        if not folder.store(job.name).finished(dense):
            with _named(job):
                check_state_moments(cfg, dense.states)
    disk = Disk()
    for job in jobs:
        disk = disk.and_then(_disk(job, folder, net.parameters, cfg))
    return _plan(net, jobs), disk


@contextmanager
def _named(job: StudyJob) -> Iterator[None]:
    """Put the name of the job before what is raised."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise type(error)(f'job {job.name}: {error}') from error


def _by_net(jobs: Sequence[StudyJob]) -> list[list[StudyJob]]:
    """Put the jobs of one config together, whatever their seeds and settings."""
    groups: dict[str, list[StudyJob]] = {}
    for job in jobs:
        key = json.dumps([job.config, job.cfg_options], sort_keys=True, default=str)
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def _plan(net: Net, jobs: Sequence[StudyJob]) -> dict[str, Shapes]:
    """Plan every job on the net; return the shapes of their scopes by name."""
    plans: dict[str, Shapes] = {}
    for job in jobs:
        key = _plan_key(job)
        if key not in plans:
            with _named(job), quiet():
                settings = replace(job.planned, ticket=None)  # which may not exist yet
                plans[key] = preflight.plan(net, settings).shapes
    return {job.name: plans[_plan_key(job)] for job in jobs}


def _plan_key(job: StudyJob) -> str:
    settings = job.planned.as_dict()
    deciding = {name: value for name, value in settings.items() if name not in _NOT_PLANNED}
    return json.dumps(deciding, default=str)


def _check_match(job: StudyJob, shapes: Mapping[str, Shapes]) -> None:
    own, source = shapes[job.name], shapes[job.source]
    if not any(source.get(name) == shape for name, shape in own.items()):
        raise ValueError(
            f'job {job.name}: no tensor of its scope has the name and shape of one of its source, '
            'so that the transfer would match nothing. Choose another source')


def _disk(job: StudyJob, folder: StudyFolder, parameters: int, cfg: Config) -> Disk:
    """Tell what a job has still to write."""
    store = folder.store(job.name)
    todo = tuple(t for t in job.own_trainings if not store.finished(t))
    if not todo:
        return Disk()
    extra = _while_running(todo[0], parameters, cfg)
    return Disk(left=needed_bytes(parameters, todo, cfg) - extra, while_running=extra)


def _while_running(training: Training, parameters: int, cfg: Config) -> int:
    """Return the bytes that a training gives back when it ends."""
    # Two that keep all need so much more than two that are reduced, of which one has ended.
    whole, reduced = (needed_bytes(parameters, (replace(training, keep=keep), ) * 2, cfg)
                      for keep in ('all', 'weights'))
    return whole - reduced if training.keep == 'weights' else 0


def _gib(count: int) -> str:
    return f'{count / 2**30:.1f} GiB'
