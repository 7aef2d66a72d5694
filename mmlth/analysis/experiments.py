"""Experiments of a study: finished trainings -> CSV, and means over seeds as Markdown."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmlth.analysis import metrics, paper
from mmlth.analysis.averages import Group, aggregate
from mmlth.analysis.rows import (
    IOUS,
    Row,
    control_note,
    dense_rows,
    is_dense,
    line_names,
    nothing_detected,
    point_name,
    value,
)
from mmlth.core.choices import QUESTIONS
from mmlth.core.collapse import name_collapsed
from mmlth.core.tables import to_markdown_table

KINDS = ('curve', 'bars', 'layers')
_Y = ('metric', 'change')
_CSV_FIRST = (
    'job',
    'config',
    'seed',
    'line',
    'label',
    'x',
    'control',
    'round',
    'sparsity',
    'network_sparsity',
)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an experiment is called and how it is drawn.

    Attributes:
        name: Short name, for files.
        title: Heading of the figure.
        section: Where the paper reports it, such as 'Girish et al., CVPR 2021, Table 3'.
        kind: 'curve' (value against x), 'bars' (a value for each label) or 'layers' (pruned share
            of each tensor).
        x_label: What x is, with its unit.
        y: 'metric', or 'change': 100 * (metric / dense - 1).
        reference: Name of the paper's numbers to draw beside
            (:data:`mmlth.analysis.paper_columns.REFERENCES`), or ''.
        metrics: Metrics to show; none takes all that end in 'mAP'. Notes name those that no
            training has.
        analyses: Questions to its last tickets, beside their dense nets
            (:data:`mmlth.core.choices.QUESTIONS`).

    Raises:
        ValueError: Unknown kind, y, reference or question, or a text for ``metrics``; lists what
            is known.
    """

    name: str
    title: str
    section: str
    kind: str
    x_label: str = ''
    y: str = 'metric'
    reference: str = ''
    metrics: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check('kind', self.kind, KINDS)
        _check('y', self.y, _Y)
        if isinstance(self.metrics, str):
            raise ValueError(f'metrics={self.metrics!r}: a list of names, such as '
                             f'[{self.metrics!r}]')
        if self.reference:
            paper.check(self.reference)
        for question in self.analyses:
            _check('analyses', question, QUESTIONS)


def _check(key: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise ValueError(f'{key}={given!r}: allowed are {", ".join(allowed)}')


def shown_metrics(rows: Sequence[Row], experiment: Experiment) -> list[str]:
    """Return the experiment's metrics, else the main ones, else 'mAP' (of no row)."""
    if experiment.metrics:
        return list(experiment.metrics)
    return metrics.choose_main(_metric_names(rows)) or [metrics.UNKNOWN_METRIC]


def _metric_names(rows: Iterable[Row]) -> list[str]:
    return metrics.metric_names(found for row in rows for found in (row['dense'], row['metrics']))


def metric_title(metric: str, y: str) -> str:
    """Return a metric's name for people, with what y says of it.

    >>> metric_title('coco/bbox_mAP', 'change')
    'bbox mAP, change against dense (%)'
    """
    title = metrics.short_name(metric).replace('_', ' ')
    return f'{title}, change against dense (%)' if y == 'change' else title


def to_csv(rows: Sequence[Row]) -> str:
    """Return every single training as a line of CSV.

    Changes are metric - dense. Numbers that are missing are empty; ``nothing_detected`` is True in
    the lines for which the evaluator returned no metric.
    """
    names = _metric_names(rows)
    mains = metrics.choose_main(names)
    has_iou = any(row['iou'] is not None for row in rows)
    changes = [f'{name}_change' for name in mains]
    last = [*(IOUS if has_iou else []), 'seconds', 'nothing_detected']
    columns = [*_CSV_FIRST, *names, *changes, *last]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(_csv_line(row, names, mains, has_iou) for row in rows)
    return out.getvalue()


def _csv_line(
    row: Row, names: Sequence[str], mains: Sequence[str], has_iou: bool
) -> dict[str, object]:
    fields: dict[str, object] = {**row}
    cells = {name: fields[name] for name in _CSV_FIRST}
    for name in names:
        cells[name] = metrics.csv_number(row['metrics'].get(name, math.nan))
    for name in mains:
        cells[f'{name}_change'] = metrics.csv_number(value(row, name, 'difference'))
    if has_iou:
        cells |= {name: fields[name] for name in IOUS}
    return {**cells, 'seconds': row['seconds'], 'nothing_detected': nothing_detected(row)}


def to_markdown(rows: Sequence[Row], experiment: Experiment) -> str:
    """Return the means over seeds (:func:`means_table`) as a Markdown table, notes under it."""
    if not rows:
        return 'no training is finished yet'
    header, lines, notes = means_table(rows, experiment)
    table = to_markdown_table(header, lines)
    return '\n'.join([table, *([''] if notes else []), *(f'- {note}' for note in notes)]) + '\n'


def means_table(
    rows: Sequence[Row], experiment: Experiment
) -> tuple[list[str], list[list[str]], list[str]]:
    """Return header, lines and notes of the means over seeds; dense nets first.

    Cells are mean ± 95% confidence, and metric - dense. ``none`` stands where the evaluator
    returned no metric, with the number of seeds if those are some of several; notes name them, and
    tensors that keep next to nothing.

    Args:
        rows: At least one.
        experiment: That they are of.
    """
    shown = dense_rows(rows) + [row for row in rows if not is_dense(row)]
    header = ['line', 'point', 'seeds', 'sparsity', 'network sparsity']
    columns: list[list[Group]] = []  # of each metric its means, then their differences to dense
    for name in shown_metrics(rows, experiment):
        header += [metric_title(name, 'metric'), 'vs dense']
        columns += [aggregate(shown, name, 'metric'), aggregate(shown, name, 'difference')]
    names = line_names(shown)
    lines, notes = [], _unknown_metrics(rows, experiment)
    for groups in zip(*columns, strict=True):
        line = names[groups[0].config, groups[0].line]
        lines.append([line, *_cells(groups)])
        without = [group for group in groups if group.lost_seeds]
        if without:
            notes.append(f'{line}, {_point(groups[0])}: {_lost_note(without[0])}')
        if groups[0].collapsed:
            notes.append(f'{line}, {_point(groups[0])}: {name_collapsed(groups[0].collapsed)}')
    return header, lines, notes


def _unknown_metrics(rows: Sequence[Row], experiment: Experiment) -> list[str]:
    known = _metric_names(rows)
    return [f'no training has the metric {name!r}; there are {", ".join(known)}'
            for name in experiment.metrics if known and name not in known]


def _cells(groups: Sequence[Group]) -> list[str]:
    first = groups[0]
    sparsities = [first.sparsity, first.network_sparsity]
    cells = [_point(first), str(first.n), *map(metrics.format_share, sparsities)]
    for mean, difference in zip(groups[::2], groups[1::2], strict=True):
        change = '' if first.dense else metrics.format_metric(difference.mean, '+')
        cells += [_with_ci(mean), change]
    return cells


def _point(group: Group) -> str:
    name = point_name(group.label, group.x)
    note = control_note(group.label, group.control)
    if note:
        return f'{name}, control: {note}'
    return f'control: {name}' if group.control else name


def _with_ci(group: Group) -> str:
    if group.lost_seeds:
        return metrics.format_none(len(group.lost_seeds), group.n)
    text = metrics.format_metric(group.mean)
    return text if group.ci is None or math.isnan(group.mean) else f'{text} ± {group.ci:.3f}'


def _lost_note(group: Group) -> str:
    if group.n == 1:
        return metrics.NO_METRIC
    seeds = ', '.join(map(str, group.lost_seeds))
    return f'{metrics.NO_METRIC} ({len(group.lost_seeds)} of {group.n} seeds: {seeds})'
