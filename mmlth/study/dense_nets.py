"""Which jobs share a dense net, and the job that trains it for them."""
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mmlth.settings.imp_config import IMPConfig
from mmlth.study.study_job import StudyJob

# What a dense net takes from the jobs that share it; all else is at its default.
_TAKEN = ('seed', 'exact_resume', 'max_keep_ckpts', 'keep')


def share(found: Sequence[StudyJob], others: Sequence[StudyJob]) -> dict[str, StudyJob]:
    """Merge equal jobs, give each its dense job, and order them: what a job needs comes first.

    Args:
        found: Jobs to run, a source before what it is carried to.
        others: Jobs of experiments that may be run later, for which dense nets keep weights too.

    Returns:
        key -> job.
    """
    merged = _merge(found)
    dense_jobs = _dense_jobs(merged.values(), others)
    out: dict[str, StudyJob] = {}
    for key, job in merged.items():
        if shares(job):
            dense = dense_jobs[dense_key(job)]
            out[dense.key] = dense
            job = dense if job.is_dense_alone else replace(job, dense=dense.name)
        if job.source_key:
            job = replace(job, source=out[job.source_key].name)
        out[key] = job
    return out


def shares(job: StudyJob) -> bool:
    """Tell whether a job can take over a dense net: it must not end that early."""
    return job.trainings[0].early_bird is None


def dense_key(job: StudyJob) -> str:
    """Return a text that is the same for jobs with the same dense net."""
    dense = StudyJob(
        config=job.config, config_file=job.config_file, cfg_options=job.cfg_options,
        settings=_dense_settings(job))
    return dense.key


def _merge(found: Iterable[StudyJob]) -> dict[str, StudyJob]:
    """Make equal jobs one, which trains the controls of all."""
    merged: dict[str, StudyJob] = {}
    for job in found:
        before = merged[job.key].settings['controls'] if job.key in merged else []
        controls = dict.fromkeys([*before, *job.settings['controls']])
        settings = {**job.settings, 'controls': list(controls)}
        merged[job.key] = replace(job, settings=settings)
    return merged


def _dense_jobs(jobs: Iterable[StudyJob], others: Iterable[StudyJob]) -> dict[str, StudyJob]:
    """Return key of the dense net -> the job that trains it."""
    sharing: dict[str, list[StudyJob]] = {}
    for job in filter(shares, jobs):
        sharing.setdefault(dense_key(job), []).append(job)
    for job in filter(shares, others):
        if dense_key(job) in sharing:
            sharing[dense_key(job)].append(job)
    return {key: _dense_job(same) for key, same in sharing.items()}


def _dense_job(sharing: Sequence[StudyJob]) -> StudyJob:
    """Return the job that trains a dense net for these and keeps the weights they rewind to."""
    first = sharing[0]
    late = [job for job in sharing if not job.planned.moment.is_start]
    return StudyJob(
        config=first.config,
        config_file=first.config_file,
        cfg_options=first.cfg_options,
        settings=_dense_settings(first),
        capture=_moments(late),
        capture_states=_moments(job for job in late if job.trainings[0].states))


def _moments(jobs: Iterable[StudyJob]) -> tuple[str | int, ...]:
    """Return each moment that jobs rewind to once, as one of them writes it, in order of names."""
    written = {job.planned.moment: job.planned.rewind for job in jobs}
    return tuple(written[moment] for moment in sorted(written, key=lambda m: m.name))


def _dense_settings(job: StudyJob) -> dict[str, Any]:
    taken = {name: job.settings[name] for name in _TAKEN}
    return {**IMPConfig(rounds=0).as_dict(), **taken}
