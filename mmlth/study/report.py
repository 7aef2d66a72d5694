"""Collect the finished trainings of a study: a page with table and figure, and a CSV, for each experiment."""
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

from mmlth.analysis import experiment_figures, experiments
from mmlth.core.controls import CONTROLS
from mmlth.core.files import write_text
from mmlth.core.layout import Layout
from mmlth.core.overlap import overlap
from mmlth.core.records import Summary, load_summary, save
from mmlth.core.ticket import load_ticket
from mmlth.study.jobs import Job
from mmlth.study.plan import Point, Study
from mmlth.study.scheduler import Folder


def collect(study: Study, work_dir: Path, name: str) -> list[experiments.Row]:
    """Return one row for each finished training of an experiment, dense nets once.

    Args:
        study: From :func:`mmlth.study.plan.read_study`.
        work_dir: Of the study.
        name: Of the experiment.
    """
    folder, rows, dense = Folder(work_dir=work_dir), [], set()
    for point in study.points[name]:
        job = study.jobs[point.job]
        if not job.is_done(folder.job(job)):
            continue
        baseline = study.dense_of(job)
        summary = load_summary(Layout(folder.job(job)).summary)
        if job.dense:  # its own copy of the record: the dense job may have a new name, or be lost
            whole = summary.rounds[0]
        elif study.jobs[baseline].is_done(folder.job(baseline)):
            whole = load_summary(Layout(folder.job(baseline)).summary).rounds[0]
        else:
            continue
        if baseline not in dense:
            dense.add(baseline)
            rows.append(_row(point, job, whole, whole))
        for record in _shown(summary, study.experiments[name].kind):
            rows.append(_row(point, job, record, whole, x=_x(study.x[name], record, summary.rounds[0], whole),
                             iou=_iou(study, folder, job) if study.x[name] == 'early_bird' else None))
    return rows


def _shown(summary: Summary, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the last ticket, then its controls where they are drawn."""
    if len(summary.rounds) > 1:
        yield summary.rounds[-1]
        shown = summary.controls if kind == 'bars' else []
        yield from sorted(shown, key=lambda record: CONTROLS.index(record['control']))


def _row(point: Point, job: Job, record: dict[str, Any], whole: dict[str, Any], x: float | None = None,
         iou: float | None = None) -> experiments.Row:
    is_dense = record['round'] == 0
    return dict(
        job=job.name, config=Path(job.config).stem, seed=point.seed, round=record['round'], control=record['control'],
        sparsity=record['sparsity'], network_sparsity=record['network_sparsity'], metrics=record['metrics'],
        dense=whole['metrics'], settings=job.settings, layer_density=record['layer_density'],
        label='dense' if is_dense else record['control'] or point.label, line='' if is_dense else point.line,
        x=x, iou=iou, seconds=record['seconds'])


def _x(axis: str, record: dict[str, Any], first: dict[str, Any], whole: dict[str, Any]) -> float:
    if axis == 'rounds':
        return record['round']
    if axis == 'rewind':
        return 100 * record['policies']['rewind_step'] / whole['steps']
    if axis == 'early_bird':
        return 100 * first['steps'] / whole['steps']  # the job's own dense round may have ended early
    return 100 * record['sparsity']


def _iou(study: Study, folder: Folder, job: Job) -> float | None:
    """Compare a mask with the one that the whole training gives, where that job is in the study and done."""
    settings = {**job.settings, 'early_bird': None}
    key = Job(config=job.config, cfg_options=job.cfg_options, settings=settings).key
    same = [other for other in study.jobs.values() if other.key == key and other.is_done(folder.job(other))]
    if not same:
        return None
    masks = [load_ticket(Layout(folder.job(j)).ticket(1)).masks for j in (job, same[0])]
    return overlap(*masks)['iou']


def write_pages(study: Study, work_dir: Path, out: Path, command: str) -> list[Path]:
    """Write NAME.md, NAME.png and NAME.csv for each experiment with a finished training.

    Args:
        study, work_dir: See :func:`collect`.
        out: Folder, made if it is missing.
        command: That runs an experiment; ``{name}`` stands for it.

    Returns:
        The pages.
    """
    out.mkdir(parents=True, exist_ok=True)
    pages = []
    for name, experiment in study.experiments.items():
        rows = collect(study, work_dir, name)
        if any(row['round'] for row in rows):
            write_text(out / f'{name}.csv', experiments.to_csv(rows))
            experiment_figures.plot(rows, experiment, out / f'{name}.png')
            pages.append(out / f'{name}.md')
            write_text(pages[-1], _page(experiment, rows, command.format(name=name)))
    return pages


def _page(experiment: experiments.Experiment, rows: list[experiments.Row], command: str) -> str:
    return '\n'.join([
        f'# {experiment.title}', '', f'{experiment.section}. Made by', '', f'    {command}', '',
        f'![{experiment.title}]({experiment.name}.png)', '', experiments.to_markdown(rows, experiment).rstrip(), '',
        f'{len(rows)} trainings, each a line of [{experiment.name}.csv]({experiment.name}.csv).', ''])


def copy_records(study: Study, work_dir: Path, out: Path) -> int:
    """Write the summary of every finished job to ``out/JOB.json``, its paths relative to the study; return how many."""
    folder = Folder(work_dir=work_dir)
    done = [job for job in study.jobs.values() if job.is_done(folder.job(job))]
    out.mkdir(parents=True, exist_ok=True)
    for job in done:
        summary = load_summary(Layout(folder.job(job)).summary)
        paths = {key: os.path.relpath(summary.settings[key], work_dir.absolute())
                 for key in ('dense_from', 'ticket') if summary.settings.get(key)}
        save(replace(summary, settings={**summary.settings, **paths}), out / f'{job.name}.json')
    return len(done)


def format_plan(study: Study, work_dir: Path) -> str:
    """List every job with its trainings, those that are done marked, and the experiments that show it."""
    folder, lines = Folder(work_dir=work_dir), []
    for job in study.jobs.values():
        shown = [name for name, points in study.points.items() if any(p.job == job.name for p in points)]
        mark = 'done' if job.is_done(folder.job(job)) else f'{len(job.trainings())} to train'
        lines.append(f'{job.name}  [{mark}]  {", ".join(dict.fromkeys(shown)) or "for others"}')
    total = sum(len(job.trainings()) for job in study.jobs.values())
    alone = sum(len(study.jobs[p.job].trainings()) + bool(study.jobs[p.job].dense)
                for points in study.points.values() for p in points)
    lines += ['', f'{len(study.jobs)} jobs, {total} trainings (without sharing: {alone})']
    return '\n'.join(lines)
