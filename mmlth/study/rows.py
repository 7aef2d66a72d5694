"""The finished trainings of a study's experiment, as rows of its page."""
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

from mmlth.analysis import experiments
from mmlth.analysis.metrics import without_absent
from mmlth.core.controls import CONTROLS, largest_masks
from mmlth.core.overlap import count_overlap, describe, layer_chance_iou, overlap
from mmlth.core.records import Summary
from mmlth.core.training import Training
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import Study
from mmlth.study.points import Point
from mmlth.study.study_job import StudyJob

DENSE = Training(number=0)  # as records of a job name it
Record = dict[str, Any]  # a RoundRecord as a summary holds it


def collect(study: Study, folder: StudyFolder, name: str) -> list[experiments.Row]:
    """Return one row for each finished training of an experiment, dense nets once.

    A job counts as soon as its rounds are finished, with the controls that are.

    Args:
        study: From :func:`mmlth.study.plan.read_study`.
        folder: Of the study.
        name: Of the experiment.
    """
    rows: list[experiments.Row] = []
    shown: set[str] = set()
    seeds: dict[tuple[str, str], list[experiments.Row]] = {}  # ticket, control -> its rows
    kind, axis = study.experiments[name].kind, study.x[name]
    named = {point.job: point.line or point.label for point in study.points[name]
             if study.jobs[point.job].is_dense_alone}
    for point in study.points[name]:
        job = study.jobs[point.job]
        if not folder.has_rounds(job):
            continue
        summary = folder.summary(job)
        dense = _dense_record(study, folder, job, summary)
        if dense is None:
            continue
        baseline = study.dense_of(job)
        if baseline not in shown and not _ended_early(dense):
            shown.add(baseline)
            line = named.get(baseline, '')
            rows.append(_row(point, job, dense, dense, line=line, label='dense'))
        planned = {each.seed for each in study.points[name] if each.ticket == point.ticket}
        for record in _shown(summary, point.controls if kind == 'bars' else ()):
            x = _x(axis, record, summary.rounds[0], dense)
            ious = _overlaps(study, folder, job) if axis == 'early_bird' else {}
            label = _label(point, record['control'], study.points[name])
            row = _row(point, job, record, dense, line=point.line, label=label, x=x, ious=ious,
                       planned=len(planned))
            rows.append(row)
            seeds.setdefault((point.ticket, row['control']), []).append(row)
    _move_to_mean(seeds.values())
    return rows


def _move_to_mean(points: Iterable[list[experiments.Row]]) -> None:
    """Move the seeds of a point, whose measured x may differ a little, to the mean of these."""
    for seeds in points:
        found = {row['x'] for row in seeds if row['x'] is not None}
        if len(found) > 1:
            mean = fmean(row['x'] for row in seeds if row['x'] is not None)
            for row in seeds:
                row['x'] = mean


def _dense_record(
    study: Study, folder: StudyFolder, job: StudyJob, summary: Summary,
) -> Record | None:
    """Return the record of the dense training that a job is compared with, if any."""
    if job.dense:  # its own copy of the record: the dense job may have a new name, or be lost
        return summary.rounds[0]
    name = study.dense_of(job)
    for other in study.jobs.values():  # a job that took it over has its record too
        if name in (other.name, other.dense) and folder.store(other.name).finished(DENSE):
            return folder.summary(other).rounds[0]
    return None


def _ended_early(dense: Record) -> bool:
    """Tell whether an early bird ended a dense training, which is then no net to compare with."""
    return bool(dense.get('saved_steps'))


def _shown(summary: Summary, controls: Collection[str]) -> Iterator[Record]:
    """Yield the last ticket, then those of its controls."""
    if len(summary.rounds) > 1:
        yield summary.rounds[-1]
        shown = [record for record in summary.controls if record['control'] in controls]
        yield from sorted(shown, key=lambda record: CONTROLS.index(record['control']))


def _label(point: Point, control: str, points: Iterable[Point]) -> str:
    """Name a record: by its control, with the ticket's label where several of a line have it."""
    if not control:
        return point.label
    labels = {each.label for each in points if each.line == point.line and control in each.controls}
    return control if len(labels) == 1 else f'{control}, {point.label}'


def _row(
    point: Point,
    job: StudyJob,
    record: Record,
    dense: Record,
    *,
    line: str,
    label: str,
    x: float | None = None,
    ious: Mapping[str, float] = MappingProxyType({}),
    planned: int = 1,
) -> experiments.Row:
    return dict(
        job=job.name,
        config=Path(job.config).stem,
        seed=point.seed,
        round=record['round'],
        control=record['control'],
        sparsity=record['sparsity'],
        network_sparsity=record['network_sparsity'],
        metrics=without_absent(record['metrics']),
        dense={} if _ended_early(dense) else without_absent(dense['metrics']),
        settings={**job.settings, 'controls': list(point.controls)},
        planned=planned,
        layer_density=record['layer_density'],
        label=label,
        line=line,
        x=x,
        iou=ious.get('iou'),
        chance_iou=ious.get('chance_iou'),
        init_iou=ious.get('init_iou'),
        seconds=record['seconds'])


def _x(axis: str, record: Record, first: Record, dense: Record) -> float | None:
    """Place a record along x; None where older records don't tell.

    Args:
        axis: One of :data:`mmlth.study.plan.X_AXES`.
        record: To place.
        first: Record of the job's own dense round, which may have ended early.
        dense: Record of the dense training that it is compared with.
    """
    steps = dense['steps'] + dense.get('saved_steps', 0)
    if axis == 'rounds':
        number: int = record['round']
        return number
    if axis == 'rewind':
        return 100 * float(record['policies']['rewind_step']) / steps
    if axis == 'early_bird':
        return 100 * float(first['steps']) / steps
    if axis == 'multiply_adds':
        counted = record.get('multiply_adds')
        return 100 * float(counted['kept']) / counted['dense'] if counted else None
    return 100 * float(record['sparsity'])


def _overlaps(study: Study, folder: StudyFolder, job: StudyJob) -> dict[str, float]:
    """Compare a mask with the one that the whole training gives, where that job is done."""
    whole = replace(job, settings={**job.settings, 'early_bird': None})
    same = [other for other in study.jobs.values()
            if other.key == whole.key and folder.has_rounds(other)]
    if not same:
        return {}
    store, training = folder.store(same[0].name), same[0].trainings[1]
    early = folder.store(job.name).ticket(job.trainings[1]).masks
    final = store.ticket(training).masks
    counts = count_overlap(early, final).values()
    initial = largest_masks(final, store.start(training))
    return dict(
        iou=describe(*counts)['iou'], chance_iou=layer_chance_iou(*counts),
        init_iou=overlap(initial, final)['iou'])
