"""Finished trainings of a study as flat rows, and how their lines and points are called."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict

IOUS = ('iou', 'chance_iou', 'init_iou')  # columns of a row


class Row(TypedDict):
    """One finished training.

    Attributes:
        job: Name of its job.
        config: Name of the detector's config.
        seed: Of the job.
        round: Number of prunings (0 = dense).
        control: What was trained in place of the ticket, or ''.
        sparsity: Of the scope, in [0, 1); ``network_sparsity`` likewise of the whole model.
        metrics: The evaluator's; empty where the detector found nothing.
        dense: The metrics of the dense round that it is compared with; empty without one.
        settings: Of the job, with the controls that the experiment asks for.
        planned: In how many seeds the study asks for it.
        layer_density: Name of a tensor -> kept share.
        label: Name of the point, or ''.
        line: Curve that the study put it on; of a dense net, what the study calls it; or ''.
        x: Where the curve has it, or None.
        iou: Overlap (IoU) of an early mask with the final one, or None.
        chance_iou: What random masks with the densities of their layers would have, or None.
        init_iou: Overlap of the final mask with the weights that were largest before training, as
            many of each layer; or None.
        seconds: Wall time of training and evaluation.
    """

    job: str
    config: str
    seed: int
    round: int
    control: str
    sparsity: float
    network_sparsity: float
    metrics: dict[str, float]
    dense: dict[str, float]
    settings: dict[str, Any]
    planned: int
    layer_density: dict[str, float]
    label: str
    line: str
    x: float | None
    iou: float | None
    chance_iou: float | None
    init_iou: float | None
    seconds: float


def _percent(value: float, dense: float) -> float:
    return 100 * (value / dense - 1) if dense else math.nan


Y: dict[str, Callable[[float, float], float]] = {
    'metric': lambda value, dense: value,
    'change': _percent,
    'difference': lambda value, dense: value - dense,
}


def is_dense(row: Row) -> bool:
    """Return whether a row is a dense round (a control of the same round isn't)."""
    return row['round'] == 0 and not row['control']


def value(row: Row, metric: str, y: str) -> float:
    """Return a metric of a row.

    Args:
        row: A training.
        metric: Name in the row's metrics.
        y: A key of :data:`Y`: 'metric' itself, 'change' in per cent of the dense net's, or
            'difference' from the dense net's.

    Returns:
        NaN where the row, or its dense net where that is needed, lacks the metric.
    """
    own = row['metrics'].get(metric, math.nan)
    return Y[y](own, row['dense'].get(metric, math.nan))


def nothing_detected(row: Row) -> bool:
    """Return whether the evaluator returned no metric at all."""
    return not row['metrics']


def lost(row: Row, metric: str) -> bool:
    """Return whether a row lacks a metric because nothing was detected.

    A row whose dense net has other metrics belongs to another task, which never has this one.
    """
    is_of_task = metric in row['dense'] or not row['dense']
    return nothing_detected(row) and is_of_task


def dense_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the dense nets that the rows compare themselves with, one a config and seed.

    A line of its own, which the study gave it, stays. Else there is one for each line where the
    lines of a config have different dense nets; where several lines share one, its line is ''. Jobs
    without a dense round (transfers) add none.
    """
    having = [row for row in rows if row['dense'] or is_dense(row)]
    names = _names_of_dense_lines(having)
    found: dict[tuple[str, str, int], Row] = {}
    for row in having:
        line = names(row)
        key = (row['config'], line, row['seed'])
        if key not in found:
            found[key] = row | {
                'line': line,
                'x': None,
                'label': 'dense',
                'control': '',
                'round': 0,
                'metrics': row['dense'],
                'sparsity': 0.0,
                'network_sparsity': 0.0,
            }
    return list(found.values())


def _names_of_dense_lines(rows: Sequence[Row]) -> Callable[[Row], str]:
    """Return what names the line of a row's dense net, by no more than tells it from others."""
    named = {_net(row): row['line'] for row in rows if is_dense(row) and row['line']}
    trained = [row for row in rows if not is_dense(row)]
    labels = {(row['line'], _net(row)): row['label'] for row in trained if not row['control']}
    lines: dict[str, dict[str, None]] = {}
    for row in trained:
        lines.setdefault(row['config'], {})[row['line']] = None

    def shared(row: Row) -> str:
        several = list(lines.get(row['config'], ()))
        return several[0] if len(several) == 1 else ''

    def by_line(row: Row) -> str:
        return row['line']

    def by_label(row: Row) -> str:
        return ', '.join(filter(None, (row['line'], labels.get((row['line'], _net(row)), ''))))

    ways = {config: next(way for way in (shared, by_line, by_label)
                         if way is by_label or _tells_apart(way, trained, config))
            for config in lines}
    by_net = {_net(row): ways[row['config']](row) for row in reversed(trained)}

    def name(row: Row) -> str:
        if is_dense(row) or _net(row) in named:
            return named.get(_net(row)) or by_net.get(_net(row)) or shared(row)
        return ways[row['config']](row)

    return name


def _tells_apart(way: Callable[[Row], str], rows: Iterable[Row], config: str) -> bool:
    """Return whether each name is of one dense net of a config and seed."""
    nets: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        if row['config'] == config:
            nets.setdefault((way(row), row['seed']), set()).add(_net(row)[-1])
    return all(len(found) == 1 for found in nets.values())


def _net(row: Row) -> tuple[str, int, str]:
    """Return what tells the dense net of a row from others."""
    return row['config'], row['seed'], str(sorted(row['dense'].items()))


def line_names(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Return (config, line) -> the name of the line.

    That is itself, or the config where it has none, or both where configs share a line.
    """
    keys = dict.fromkeys((row['config'], row['line']) for row in rows)
    lines = [line for _, line in keys]
    names = {}
    for config, line in keys:
        is_shared = line and lines.count(line) > 1
        names[config, line] = f'{line}, {config}' if is_shared else line or config
    return names


def point_name(label: str, x: float | None) -> str:
    """Return what a point is called: its label, or its x.

    >>> point_name('', 80.0), point_name('ticket', 80.0), point_name('', None)
    ('80', 'ticket', '-')
    """
    return label or ('-' if x is None else f'{x:.4g}')


def place_name(label: str, x: float | None, x_label: str) -> str:
    """Return where a point lies, in words; labels of axes end in their unit.

    >>> place_name('', 80.0, 'pruned (%)'), place_name('', 5.0, 'reset after (% of training)')
    ('80% pruned', 'reset after 5% of training')
    >>> place_name('', 2.0, 'rounds'), place_name('own ticket', 80.0, '')
    ('rounds: 2', 'own ticket')
    """
    number = point_name(label, x)
    if label or not x_label:
        return number
    name, _, unit = x_label.removesuffix(')').partition(' (')
    if unit == '%':
        return f'{number}% {name}'
    return f'{name} {number}{unit}' if unit else f'{name}: {number}'


def control_note(label: str, control: str) -> str:
    """Return the control's name where the point isn't called so itself, else ''.

    >>> control_note('shuffle', 'shuffle'), control_note('shuffle, own ticket', 'shuffle')
    ('', '')
    """
    return '' if control == label.partition(', ')[0] else control


def lines_of_points(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without controls, each point of a line that has several as its own line."""
    tickets = [row for row in rows if not row['control']]
    names = line_names(tickets)
    points: dict[str, set[str]] = {}
    for row in tickets:
        name = names[row['config'], row['line']]
        points.setdefault(name, set()).add(point_name(row['label'], row['x']))
    renamed = []
    for row in tickets:
        name = names[row['config'], row['line']]
        if len(points[name]) > 1:
            name = f'{name}, {point_name(row["label"], row["x"])}'
        renamed.append(row | {'line': name})
    return renamed
