"""Figures of a summary: metric against sparsity, density per layer."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes

from mmlth.analysis import style
from mmlth.analysis.metrics import NOTHING, UNKNOWN_METRIC, short_name
from mmlth.analysis.tables import SummaryRow, main_metrics, metric_names, rows
from mmlth.core.records import Summary

MOST_METRICS = 4
AXES = {'sparsity': 'the scope', 'network_sparsity': 'the whole network'}


def plot_metric(
    summary: Summary,
    path: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    axis: str = 'sparsity',
) -> Path:
    """Draw metrics of every round against sparsity, each with its dense nets as lines.

    Controls are open markers; those of which nothing is pruned are dense nets. Rounds and controls
    that detected nothing have no metric: a cross at the bottom stands for them.

    Args:
        summary: At least one round.
        path: PNG, PDF or SVG to write.
        metrics: Names in the records, up to four; None takes the main ones.
        axis: 'sparsity' (of the scope) or 'network_sparsity'.

    Raises:
        ValueError: Unknown metric or axis; lists the known ones.
    """
    chosen = _chosen(summary, metrics)
    if axis not in AXES:
        raise ValueError(f'axis={axis!r}: allowed are {", ".join(AXES)}')
    table = rows(summary)
    figure = style.new_figure(style.WIDTH, 3.8)
    axes = figure.subplots()
    for index, metric in enumerate(chosen):
        _metric(axes, table, metric, axis, index)
    style.mark_nothing(axes, [_cross(row, axis) for row in table if row.nothing_detected])
    prunings = len(summary.rounds) - 1
    style.dress(
        axes,
        title=f'{Path(summary.config).stem}, {prunings} pruning{"s" * (prunings != 1)}',
        x=f'sparsity of {AXES[axis]} (%)',
        y=short_name(chosen[0]) if len(chosen) == 1 else 'AP',
    )
    axes.margins(y=0.25)
    if all(row.nothing_detected for row in table):
        axes.set_ylim(0, 1)
    axes.legend(loc='best', frameon=False, fontsize=9, ncols=len(chosen))
    return style.save_figure(figure, path)


def _chosen(summary: Summary, wanted: Sequence[str] | None) -> list[str]:
    """Return the metrics to draw; the placeholder where none is asked for and no round has any."""
    known = metric_names(summary)
    if wanted is None:
        return main_metrics(summary)[:MOST_METRICS] or [UNKNOWN_METRIC]
    if not wanted or len(wanted) > MOST_METRICS or not set(wanted) <= set(known):
        raise ValueError(
            f'metrics={list(wanted)}: give up to {MOST_METRICS} of those that the records hold: '
            f'{", ".join(known) or "none"}'
        )
    return list(wanted)


def _x(table: Sequence[SummaryRow], axis: str) -> list[float]:
    return [100 * getattr(row, axis) for row in table]


def _y(table: Sequence[SummaryRow], metric: str) -> list[float]:
    return [row.metrics.get(metric, math.nan) for row in table]


def _cross(row: SummaryRow, axis: str) -> style.Cross:
    return style.Cross(
        x=100 * getattr(row, axis),
        colour=style.GREY,
        is_open=bool(row.control),
        label=f'control: {NOTHING}' if row.control else NOTHING,
    )


def _metric(axes: Axes, table: Sequence[SummaryRow], metric: str, axis: str, index: int) -> None:
    """Draw the rounds and the controls of a metric that some training has."""
    colour = style.COLOURS[index]
    tickets = [row for row in table if not row.control]
    if any(metric in row.metrics for row in tickets):
        _tickets(axes, _x(tickets, axis), _y(tickets, metric), short_name(metric), index)
    markers = style.control_markers(row.control for row in table)
    for control, marker in markers.items():
        found = [row for row in table if row.control == control and metric in row.metrics]
        if not control or not found:
            continue
        if not any(row.sparsity for row in found):
            _dense_controls(axes, control, _y(found, metric), colour)
            continue
        axes.plot(
            _x(found, axis),
            _y(found, metric),
            marker=marker,
            linestyle='',
            color='white',
            markeredgecolor=colour,
            label=f'control: {control}',
        )


def _dense_controls(axes: Axes, control: str, values: list[float], colour: str) -> None:
    shown = ', '.join(f'{value:.3f}' for value in values)
    for i, value in enumerate(values):
        axes.axhline(
            value,
            color=colour,
            linestyle=':',
            linewidth=1.2,
            label='' if i else f'control: {control} ({shown})',
        )


def _tickets(axes: Axes, x: list[float], y: list[float], name: str, index: int) -> None:
    colour, dense = style.COLOURS[index], y[0]
    if math.isfinite(dense):
        label = f'dense ({dense:.3f})'
        axes.axhline(dense, color=colour, linestyle='--', linewidth=1, alpha=0.7, label=label)
    axes.plot(x, y, marker=style.TICKET_MARKER, color=colour, label=f'{name} of the ticket')
    above = index % 2 == 0  # numbers of two metrics would cover each other
    for point in list(zip(x, y, strict=True))[1:]:
        if math.isfinite(point[1]):
            axes.annotate(
                f'{point[1]:.3f}',
                point,
                xytext=(0, 8 if above else -15),
                textcoords='offset points',
                ha='center',
                fontsize=9,
                color=colour,
            )


def plot_layers(summary: Summary, path: str | Path) -> Path:
    """Draw the kept share of every tensor of the scope (rows: rounds; columns: tensors)."""
    names = list(summary.rounds[0]['layer_density'])
    figure = style.new_figure(max(style.WIDTH, 0.22 * len(names) + 1.5), 4.6)
    axes = figure.subplots()
    shades = matplotlib.colormaps['viridis_r']
    last = max(1, len(summary.rounds) - 1)
    for i, record in enumerate(summary.rounds):
        axes.plot(
            range(len(names)),
            [100 * record['layer_density'][name] for name in names],
            marker='.',
            linewidth=1,
            color=shades(0.15 + 0.8 * i / last),
            label=f'{100 * record["sparsity"]:.0f}%',
        )
    ticks = [style.short_tensor(name) for name in names]
    axes.set_xticks(range(len(names)), ticks, rotation=90, fontsize=7)
    axes.set_ylim(0, 104)
    style.dress(
        axes,
        title='Where the kept weights are, round by round',
        y='weights kept in the layer (%)',
    )
    axes.legend(title='sparsity of scope', frameon=False, fontsize=8, ncols=2)
    return style.save_figure(figure, path)
