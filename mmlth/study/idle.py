"""Jobs of a study that nothing waits for any more."""
from collections.abc import Iterator
from dataclasses import replace

from mmlth.study.folder import StudyFolder
from mmlth.study.plan import Study
from mmlth.study.study_job import StudyJob


def without_idle(study: Study, folder: StudyFolder) -> Study:
    """Leave out unfinished jobs that no experiment shows and no unfinished job waits for.

    A study that has grown asks its dense nets to keep more than they did. They are trained again
    for jobs that have none yet; those that took over the dense net of before keep it.

    Args:
        study: From :func:`mmlth.study.plan.read_study`.
        folder: Of the study.
    """
    wanted = {point.job for points in study.points.values() for point in points}
    kept = []
    for job in reversed(study.jobs.values()):  # what a job needs comes before it
        done = folder.is_done(job)
        if not done and job.name in wanted:
            wanted.update(_waited_for(job, folder))
        if done or job.name in wanted:
            kept.append(job)
    return replace(study, jobs={job.name: job for job in reversed(kept)})


def _waited_for(job: StudyJob, folder: StudyFolder) -> Iterator[str]:
    has_dense = folder.store(job.name).finished(job.trainings[0])
    for name in job.needs:
        if name == job.source or not has_dense:
            yield name
