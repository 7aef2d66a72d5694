"""Write the report of a study: pages, records, and one page of all."""
import os
from dataclasses import replace
from pathlib import Path

from mmlth.core.records import save
from mmlth.html_report.study import Other, report_study
from mmlth.study.folder import StudyFolder
from mmlth.study.idle import without_idle
from mmlth.study.pages import judge, write_pages
from mmlth.study.plan import Study
from mmlth.study.rows import collect
from mmlth.study.tasks import list_tasks
from mmlth.study.verdict_scalars import send


def to_analyse(study: Study, folder: StudyFolder, name: str) -> dict[str, list[Path]]:
    """Return job -> the folders of what can be analysed by now of an experiment.

    That is its last ticket, with its controls where no predictions are needed, which the ticket
    alone has.
    """
    found = {}
    for point in study.points[name]:
        job = study.jobs[point.job]
        needed = job.compared if job.predictions else ()
        if folder.has_rounds(job) and folder.has_predictions(job.name, needed):
            last, store = job.compared[-1], folder.store(job.name)
            chosen = [last] if job.predictions else [
                training for training in job.trainings
                if training.number == last.number and store.finished(training)
                and training.label in ('', *point.controls)]
            found[job.name] = [store.layout.round_dir(*training.key) for training in chosen]
    return found


def copy_records(study: Study, folder: StudyFolder, out: Path) -> int:
    """Write the summary of every job with finished rounds to ``out/JOB.json``; return their number.

    Its paths become relative to the study, and its config what the study calls it, since records
    are read on other machines.
    """
    done = [job for job in study.jobs.values() if folder.has_rounds(job)]
    out.mkdir(parents=True, exist_ok=True)
    for job in done:
        summary = folder.summary(job)
        given = {key: summary.settings.get(key) for key in ('dense_from', 'ticket')}
        paths = {key: os.path.relpath(path, folder.work_dir) for key, path in given.items() if path}
        settings = {**summary.settings, **paths}
        save(replace(summary, config=job.config, settings=settings), out / f'{job.name}.json')
    return len(done)


def unfinished(study: Study, folder: StudyFolder) -> dict[str, int]:
    """Return experiment -> how many of its trainings are still to be done."""
    tasks = list_tasks(without_idle(study, folder)).values()
    left = {(task.job, training.key) for task in tasks for training in task.trainings
            if training.key not in task.shared
            and not folder.store(task.job).finished(training)}
    asked = {name: {(point.job, label) for point in points for label in ('', *point.controls)}
             for name, points in study.points.items()}
    return {name: sum((job, label) in own for job, (_, label) in left)
            for name, own in asked.items()}


def write_report(
    study: Study, folder: StudyFolder, out: Path, command: str, other: StudyFolder | None = None,
) -> str:
    """Write pages, records and ``index.html``; return where they are.

    For the pages see :func:`mmlth.study.pages.write_pages`. Verdicts go to the visualizer backends
    of the configs too.

    Args:
        study: See :func:`mmlth.study.rows.collect`.
        folder: Likewise.
        out: Folder, made if it is missing.
        command: That runs an experiment; ``{name}`` stands for it.
        other: Folder of the same study run elsewhere, to compare with on the page.
    """
    every = [(each, collect(study, folder, name)) for name, each in study.experiments.items()]
    collected = [(each, rows) for each, rows in every if any(row['round'] for row in rows)]
    analysed = {each.name: to_analyse(study, folder, each.name)
                for each, _ in collected if each.analyses}
    write_pages(collected, out, command, analysed, unfinished(study, folder))
    for each, rows in collected:
        send(study, each.name, judge(rows, each), out / 'scalars')
    count = copy_records(study, folder, out / 'records')
    stores = {name: folder.store(name) for name, job in study.jobs.items()
              if folder.has_rounds(job)}
    again = command.partition(' --only ')[0].replace('mmlth study run', 'mmlth study report')
    compared = _other(study, other, [each.name for each, _ in collected]) if other else None
    html = report_study(folder.work_dir.name, collected, stores, out, again, compared)
    return f'records of {count} jobs and pages of {len(collected)} experiments: {out}\n{html}'


def _other(study: Study, folder: StudyFolder, names: list[str]) -> Other:
    rows = {name: collect(study, folder, name) for name in names}
    return Other(title=folder.work_dir.name, rows=rows)
