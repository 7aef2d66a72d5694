"""Find what is wrong with a study before anything is trained."""
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

from mmlth.core.files import free_bytes
from mmlth.engine import preflight
from mmlth.engine.settings import IMPConfig
from mmlth.engine.hooks.early_bird_hook import quiet
from mmlth.study.job import read_config
from mmlth.study.jobs import Job
from mmlth.study.plan import Study
from mmlth.study.scheduler import Folder, describe


def check_jobs(study: Study, work_dir: Path, common: Mapping[str, Any], *, need_data: bool) -> None:
    """Check config, data, scope and sparsities of every job, whether transfers can match, and the disk.

    Args:
        study: From :func:`mmlth.study.plan.read_study`.
        work_dir: Of the study.
        common: As in :func:`mmlth.study.scheduler.run_jobs`.
        need_data: Whether missing data is an error.

    Raises:
        ValueError, OSError: As the first wrong job would, with its name before.
    """
    folder, plans, needed = Folder(work_dir=work_dir.absolute()), {}, 0
    for job in study.jobs.values():  # a source comes before what needs it
        if job.is_done(folder.job(job)) and not any(job.name == other.source for other in study.jobs.values()):
            continue
        key = replace(job, settings={**job.settings, 'seed': 0}).key
        try:
            plan = plans[job.name] = plans.get(key) or _check(job, folder, common, need_data)
            if job.source:
                _check_match(plan, plans[job.source])
        except (ValueError, OSError) as error:
            raise type(error)(f'job {job.name}: {error}') from error
        plans[key] = plan
        needed += 4 * plan.parameters * 4 * len(job.trainings())  # two checkpoints with momentum each
    parent = next(p for p in (folder.work_dir, *folder.work_dir.parents) if p.exists())
    if free_bytes(parent) < needed:
        raise OSError(f'the disk of {work_dir} has {free_bytes(parent) / 2**30:.1f} GiB free, but the study needs '
                      f'about {needed / 2**30:.1f} GiB. Free some, or choose another --work-dir')


def _check(job: Job, folder: Folder, common: Mapping[str, Any], need_data: bool) -> preflight.Preflight:
    cfg = read_config(describe(job, folder, common))
    if need_data:
        preflight.check_config(cfg)
    with quiet():
        return preflight.plan(cfg, IMPConfig.from_config(cfg, job.settings), need_weights=need_data)


def _check_match(target: preflight.Preflight, source: preflight.Preflight) -> None:
    shapes = {w.name: w.shape for w in source.weights if w.name in source.names}
    if not any(shapes.get(w.name) == w.shape for w in target.weights if w.name in target.names):
        raise ValueError('no tensor of its scope has the name and shape of one of its source, so that the transfer '
                         'would match nothing. Choose another source')
