"""Experiments of a study: finished trainings as flat rows -> means over seeds, CSV and Markdown.

A row is a flat dict, one a finished training: job, config, seed, round (0 = dense), control ('' = a ticket),
sparsity, network_sparsity (in [0, 1)), metrics and dense (name -> float; of this training and of the job's dense
round), settings, layer_density, line, label and x (the curve and the point that the study put it at), iou, seconds.
"""
import csv
import io
import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Callable, Iterable, Sequence

from mmlth.analysis import paper
from mmlth.analysis.tables import _number, _short

Row = dict[str, Any]
Point = dict[str, Any]
KINDS = ('curve', 'bars', 'layers')
# 97.5% quantiles of Student's t for 1 to 30 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
      2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)


def _percent(value: float, dense: float) -> float:
    return 100 * (value / dense - 1) if dense else math.nan


_Y: dict[str, Callable[[float, float], float]] = {
    'metric': lambda value, dense: value, 'change': _percent, 'difference': lambda value, dense: value - dense}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an experiment is called and how it is drawn.

    Attributes:
        name: Short name, for files.
        title: Heading of the figure.
        section: Where the paper reports it, such as 'Girish et al., CVPR 2021, Table 3'.
        kind: 'curve' (value against x), 'bars' (a value for each label) or 'layers' (pruned share of each tensor).
        x_label: What x is, with its unit.
        y: 'metric', or 'change': 100 * (metric / dense - 1).
        reference: Name of the paper's numbers to draw beside (:data:`mmlth.analysis.paper.REFERENCES`), or ''.
        metrics: Metrics to show; none takes all that end in 'mAP'.

    Raises:
        ValueError: Unknown kind, y or reference; lists the known ones.
    """

    name: str
    title: str
    section: str
    kind: str
    x_label: str = ''
    y: str = 'metric'
    reference: str = ''
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, allowed in (('kind', KINDS), ('y', ('metric', 'change'))):
            if getattr(self, key) not in allowed:
                raise ValueError(f'{key}={getattr(self, key)!r}: allowed are {", ".join(allowed)}')
        if self.reference:
            paper.check(self.reference)


def shown_metrics(rows: Sequence[Row], experiment: Experiment) -> list[str]:
    """Return the experiment's metrics, else all that end in 'mAP', else the first, else 'mAP' (of no row)."""
    found = _metric_names(rows)
    return list(experiment.metrics) or [n for n in found if n.endswith('mAP')] or found[:1] or ['mAP']


def _metric_names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(n for row in rows for n in [*row['dense'], *row['metrics']]))


def is_dense(row: Row) -> bool:
    """Return whether a row is a dense round (a control of the same round isn't)."""
    return row['round'] == 0 and not row['control']


def value(row: Row, metric: str, y: str) -> float:
    """Return a metric of a row; 'change' is in per cent of the dense net's, 'difference' in its own unit.

    NaN where the evaluator gave none (a model that detected nothing), for the row or for its dense net.
    """
    return _Y[y](row['metrics'].get(metric, math.nan), row['dense'].get(metric, math.nan))


def aggregate(rows: Sequence[Row], metric: str, y: str = 'metric') -> list[Row]:
    """Average over the seeds of each config, line, x, label and control, in the order of the rows.

    Args:
        rows: Finished trainings.
        metric: Name in the rows' metrics.
        y: 'metric', 'change' or 'difference' (see :func:`value`).

    Returns:
        One dict a group: the keys above, dense (bool), mean, n (seeds), ci (half-width of the 95% confidence interval
        by Student's t; None for n = 1), and the mean sparsity and network_sparsity. The mean is NaN if any
        seed's is: a mean without the seeds that failed would look too good.

    Raises:
        ValueError: Unknown y.
    """
    if y not in _Y:
        raise ValueError(f'y={y!r}: allowed are {", ".join(_Y)}')
    return average(rows, lambda row: value(row, metric, y))


def average(rows: Iterable[Row], value_of: Callable[[Row], float]) -> list[Row]:
    """Do what :func:`aggregate` does for any number of a row."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        key = (*(row[k] for k in ('config', 'line', 'x', 'label', 'control')), is_dense(row))
        groups.setdefault(key, []).append(row)
    return [_mean_of(group, value_of) for group in groups.values()]


def _mean_of(group: list[Row], value_of: Callable[[Row], float]) -> Row:
    seeds: dict[int, list[float]] = {}
    for row in group:  # jobs that share a dense net don't make it more certain: a seed counts once
        seeds.setdefault(row['seed'], []).append(value_of(row))
    values = [fmean(v) for v in seeds.values()]
    return dict({k: group[0][k] for k in ('config', 'line', 'x', 'label', 'control')}, dense=is_dense(group[0]),
                mean=fmean(values), n=len(values), ci=half_width(values),
                sparsity=fmean(r['sparsity'] for r in group),
                network_sparsity=fmean(r['network_sparsity'] for r in group))


def half_width(values: Sequence[float]) -> float | None:
    """Return half of the 95% confidence interval of the mean: t * s / sqrt(n); None for one value.

    Beyond 31 values t is taken as the normal distribution's 1.96.
    """
    n = len(values)
    if n < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    return (_T[n - 2] if n - 2 < len(_T) else 1.96) * stdev(values) / math.sqrt(n)


def dense_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the dense nets that the rows compare themselves with, one a config and seed.

    Where the lines of a config have different dense nets, there is one for each line; where several lines share
    one, its line is ''. Jobs without a dense round (transfers) add none.
    """
    having = [row for row in rows if row['dense'] or is_dense(row)]
    lines, nets = {}, {}
    for row in having:
        lines.setdefault(row['config'], {}).update({} if is_dense(row) else {row['line']: None})
        nets.setdefault((row['config'], row['seed']), set()).add(str(sorted(row['dense'].items())))
    differ = {config for (config, _), found in nets.items() if len(found) > 1}
    out = {}
    for row in having:
        several = [*lines[row['config']]]
        line = row['line'] if row['config'] in differ else several[0] if len(several) == 1 else ''
        out.setdefault((row['config'], line, row['seed']), dict(
            row, line=line, x=None, label='dense', control='', round=0, metrics=row['dense'], sparsity=0.0,
            network_sparsity=0.0))
    return list(out.values())


def line_names(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Return (config, line) -> the name of the line: itself, or the config, or both where configs share a line."""
    keys = dict.fromkeys((row['config'], row['line']) for row in rows)
    lines = [line for _, line in keys]
    return {(config, line): f'{line}, {config}' if line and lines.count(line) > 1 else line or config
            for config, line in keys}


def point_name(row: Row) -> str:
    """Return what a point is called: its label, or its x."""
    return row['label'] or ('-' if row['x'] is None else f'{row["x"]:.4g}')


def control_note(row: Row) -> str:
    """Return the control's name where the point isn't called so itself, else ''."""
    return '' if row['control'] == row['label'] else row['control']


def lines_of_points(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without controls, each point of a line as a line of its own where the line has several."""
    tickets = [row for row in rows if not row['control']]
    names = line_names(tickets)
    points: dict[tuple, set[str]] = {}
    for row in tickets:
        points.setdefault((row['config'], row['line']), set()).add(point_name(row))
    return [dict(row, line=names[key] + (f', {point_name(row)}' if len(points[key]) > 1 else ''))
            for row in tickets for key in [(row['config'], row['line'])]]


def metric_title(metric: str, y: str) -> str:
    """Return 'bbox mAP' for 'coco/bbox_mAP', with what y says of it."""
    return _short(metric).replace('_', ' ') + (', change against dense (%)' if y == 'change' else '')


def points_of(rows: Sequence[Row], value_of: Callable[[Row], float], *, dense: bool = True) -> list[Point]:
    """Return :func:`average` as points to draw, with the name of the line and y, low, high; dense nets last."""
    tickets = [row for row in rows if not is_dense(row)]
    names = line_names(tickets)
    groups = average(tickets + dense_rows(rows if dense else []), value_of)
    return [dict(g, name=names.get((g['config'], g['line']), g['config']), label=point_name(g), y=g['mean'],
                 low=g['mean'] - (g['ci'] or math.nan), high=g['mean'] + (g['ci'] or math.nan)) for g in groups]


def to_csv(rows: Sequence[Row]) -> str:
    """Return every single training as a line of CSV; changes are metric - dense, absent metrics are empty."""
    first = ('job', 'config', 'seed', 'line', 'label', 'x', 'control', 'round', 'sparsity', 'network_sparsity')
    names = _metric_names(rows)
    mains = [n for n in names if n.endswith('mAP')] or names[:1]
    iou = ['iou'] if any(row.get('iou') is not None for row in rows) else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow([*first, *names, *(f'{n}_change' for n in mains), *iou, 'seconds'])
    for row in rows:
        numbers = [row['metrics'].get(n, math.nan) for n in names] + [value(row, n, 'difference') for n in mains]
        writer.writerow([*(row[k] for k in first), *('' if math.isnan(v) else v for v in numbers),
                         *(row[k] for k in [*iou, 'seconds'])])
    return out.getvalue()


def to_markdown(rows: Sequence[Row], experiment: Experiment) -> str:
    """Return the means over seeds as a Markdown table: mean ± 95% confidence, and metric - dense; dense nets first."""
    if not rows:
        return 'no training is finished yet'
    shown = dense_rows(rows) + [row for row in rows if not is_dense(row)]
    metrics = shown_metrics(rows, experiment)
    values = [(aggregate(shown, n, 'metric'), aggregate(shown, n, 'difference')) for n in metrics]
    heads = [cell for n in metrics for cell in (metric_title(n, 'metric'), 'vs dense')]
    table = [['line', 'point', 'seeds', 'sparsity', 'network sparsity', *heads]]
    names = line_names(shown)
    for i, row in enumerate(values[0][0]):
        note = control_note(row)
        point = ('control: ' if row['control'] and not note else '') + point_name(row) + (
            f', control: {note}' if note else '')
        table.append([names[row['config'], row['line']], point, str(row['n']), f'{100 * row["sparsity"]:.2f}%',
                      f'{100 * row["network_sparsity"]:.2f}%',
                      *(cell for m, d in values for cell in (_with_ci(m[i]), _change(d[i])))])
    lines = ['| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |' for row in table]
    return '\n'.join([lines[0], '|' + ' --- |' * len(table[0]), *lines[1:]]) + '\n'


def _with_ci(group: Row) -> str:
    text = _number(group['mean'])
    return text if group['ci'] is None or text == '-' else f'{text} ± {group["ci"]:.3f}'


def _change(group: Row) -> str:
    return '' if group['dense'] else _number(group['mean'], '+')
