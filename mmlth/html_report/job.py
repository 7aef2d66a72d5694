"""The page of one job: its rounds and controls, and where the kept weights are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlth.analysis.experiments import Experiment
from mmlth.analysis.metrics import format_share, without_absent
from mmlth.analysis.rows import Row
from mmlth.analysis.style import short_tensor
from mmlth.analysis.tables import summary_table
from mmlth.core.records import Summary
from mmlth.core.store import Store
from mmlth.html_report import page
from mmlth.html_report.detections import detections
from mmlth.html_report.provenance import portable, provenance
from mmlth.html_report.sections import Page, Section, Table, has_tickets, section

PRUNING = Experiment(name='pruning', title='mAP against sparsity', section='', kind='curve',
                     x_label='pruned (%)')
LAYERS = Experiment(name='layers', title='Where the pruned weights are', section='', kind='layers')


def report_job(work_dir: str | Path, command: str) -> str:
    """Write ``report/index.html`` of a job; return the line that says where, or how to get it.

    Args:
        work_dir: Of the job.
        command: That ran it.

    Raises:
        FileNotFoundError: There is no summary in ``work_dir``.
    """
    store = Store(work_dir)
    summary = store.summary()
    folder = store.layout.report
    path = folder / page.FILE
    if not page.is_installed():
        return page.how_to_get(path)
    folder.mkdir(exist_ok=True)
    page.write_page(_page(summary, store, command), path)
    return page.where(path)


def _page(summary: Summary, store: Store, command: str) -> Page:
    trainings = len(summary.rounds) + len(summary.controls)
    facts = [Path(summary.config).stem, page.count(trainings, 'training'),
             f'{summary.seconds / 60:.0f} minutes of training and evaluation']
    name = store.work_dir.name
    return Page(title=name, facts=facts, sections=_sections(summary),
                command=command, detections=detections([store]),
                jobs=provenance({name: portable(store)}))


def _sections(summary: Summary) -> list[Section]:
    rows = rows_of_job(summary)
    if not has_tickets(rows):
        return []
    header, lines, notes = summary_table(summary)
    trainings = Table(title='Trainings', header=header, rows=lines, notes=notes)
    return [
        section(rows, PRUNING, _files('map_vs_sparsity'), [trainings]),
        section(_each_round(rows), LAYERS, _files('density_per_layer'), [_layers(summary)])]


def _each_round(rows: Sequence[Row]) -> list[Row]:
    """Return the rounds without their controls, each as a line of its own."""
    return [row | {'line': f'round {row["round"]}, {format_share(row["sparsity"])} pruned'}
            for row in rows if not row['control']]


def _files(name: str) -> dict[str, str]:
    return {'figure as PDF': f'{name}.pdf', 'as PNG': f'{name}.png'}


def rows_of_job(summary: Summary) -> list[Row]:
    """Return a row for each round and control, as an experiment of one seed has them."""
    records = [*summary.rounds, *summary.controls]
    return [_row(summary, record) for record in records]


def _row(summary: Summary, record: dict[str, Any]) -> Row:
    control = record.get('control', '')
    is_dense = record['round'] == 0 and not control
    return Row(
        job='',
        config=Path(summary.config).stem,
        seed=summary.settings.get('seed', 0),
        round=record['round'],
        control=control,
        sparsity=record['sparsity'],
        network_sparsity=record['network_sparsity'],
        metrics=without_absent(record['metrics']),
        dense=without_absent(summary.rounds[0]['metrics']),
        settings=summary.settings,
        planned=1,
        layer_density=record['layer_density'],
        label='dense' if is_dense else _budget(record),
        line='' if is_dense else 'ticket',
        x=100 * record['sparsity'],
        iou=None,
        chance_iou=None,
        init_iou=None,
        seconds=record['seconds'])


def _budget(record: dict[str, Any]) -> str:
    """Return what tells controls of several rounds apart where all stand at 0%."""
    is_dense = record.get('control') and not record['sparsity']
    return f'round {record["round"]}' if is_dense else ''


def _layers(summary: Summary) -> Table:
    """Return the kept share of every tensor, a column for each round."""
    pruned = summary.rounds[1:]
    names = summary.rounds[0]['layer_density']
    return Table(
        title='Weights kept in each tensor',
        header=['tensor', *(f'round {record["round"]}' for record in pruned)],
        rows=[[short_tensor(name), *(format_share(record['layer_density'][name])
                                     for record in pruned)] for name in names])
