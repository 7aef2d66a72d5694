"""Figures of an experiment, with the paper's numbers beside them."""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmlth.analysis import paper, style
from mmlth.analysis.bars import bars_panel
from mmlth.analysis.curves import Span, curves_panel
from mmlth.analysis.experiment_legend import add_legend
from mmlth.analysis.experiments import Experiment, metric_title, shown_metrics
from mmlth.analysis.layers_panel import at_layers, layers_panel
from mmlth.analysis.panels import BAND, Colours, Panel, assign_colours, colours_beside
from mmlth.analysis.paper_columns import REFERENCES, Y_LABELS
from mmlth.analysis.points import (
    PlotPoint,
    iou_points,
    layer_points,
    metric_points,
    paper_points,
)
from mmlth.analysis.rows import Row, is_dense, line_names, lines_of_points

Grid = list[list[Panel | None]]  # None leaves a place empty
_OWN = 'this study'
_MOST_PANELS = 3  # beside each other
_MOST_LAYERS = 20  # with the paper's panel beside them, not below
_LAYERS_WIDTH = 10.5
_PANEL_WIDTH = 4.0


def plot(rows: Sequence[Row], experiment: Experiment, path: str | Path) -> Path:
    """Draw an experiment; error bars are 95% confidence intervals over seeds.

    Dense nets are dashed, controls open; the paper's numbers keep their unit (per cent) and axes.
    Crosses stand for trainings that detected nothing.

    Args:
        rows: Finished trainings (see :class:`mmlth.analysis.rows.Row`).
        experiment: How to draw them.
        path: PNG, PDF or SVG to write.

    Raises:
        ValueError: No training but dense ones is finished, or a row of a curve has no x; names the
            experiment.
    """
    tickets = [row for row in rows if not is_dense(row)]
    _check(rows, tickets, experiment)
    if experiment.kind == 'layers':
        rows = tickets = lines_of_points(tickets)
    colours = assign_colours(line_names(tickets).values())
    grid = _GRIDS[experiment.kind](rows, experiment, colours)
    figure = _figure(grid, experiment)
    add_legend(figure, rows, colours, experiment.kind)
    return style.save_figure(figure, path)


def _check(rows: Sequence[Row], tickets: Sequence[Row], experiment: Experiment) -> None:
    name = experiment.name
    if not tickets:
        raise ValueError(
            f'experiment {name!r} has no finished training of a ticket or control '
            f'({len(rows)} rows, all of dense nets): run more of it first'
        )
    without = [row['job'] for row in tickets if row['x'] is None]
    if experiment.kind == 'curve' and without:
        raise ValueError(
            f'experiment {name!r}: job {without[0]!r} has x=None, a curve needs a number: give '
            "its x, or use kind='bars'"
        )


def _figure(grid: Grid, experiment: Experiment) -> Figure:
    columns = max(map(len, grid))
    heights = [max(panel.height for panel in line if panel) for line in grid]
    is_wide = experiment.kind == 'layers'
    width = _LAYERS_WIDTH if is_wide else max(style.WIDTH, _PANEL_WIDTH * columns)
    figure = style.new_figure(width, sum(heights) + 1)
    axes = figure.subplots(len(grid), columns, squeeze=False, height_ratios=heights)
    for panels, line in zip(grid, axes, strict=True):
        for panel, ax in itertools.zip_longest(panels, line):
            if panel:
                panel.draw(ax)
            else:
                ax.set_axis_off()
    section = f' ({experiment.section})' if experiment.section else ''
    figure.suptitle(experiment.title + section, fontsize=11)
    return figure


def _curve_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    metrics = shown_metrics(rows, experiment)
    span = shared_span(rows, experiment)
    own = [
        curves_panel(
            metric_points(rows, metric, experiment.y),
            colours,
            title=_OWN,
            x=experiment.x_label,
            y=metric_title(metric, experiment.y),
            span=span,
        )
        for metric in metrics
    ]
    theirs = _paper_panels(experiment, metrics, colours, span=span)
    grid = _beside(own, theirs, metrics)
    return _with_iou(grid, rows, experiment, colours)


def shared_span(rows: Sequence[Row], experiment: Experiment) -> Span | None:
    """Return the ends of an x axis that the paper's panels have too, or None."""
    name = experiment.reference
    if not name or REFERENCES[name].x_label != experiment.x_label:
        return None
    own = [row['x'] for row in rows if row['x'] is not None and not is_dense(row)]
    places = [*own, *(point.x for point in paper.read(name) if not point.dense)]
    return min(places), max(places)


def _with_iou(grid: Grid, rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    """Add the overlap of early masks with the final one, where the rows have it."""
    masks = [row for row in rows if not is_dense(row) and row['iou'] is not None]
    if not masks:
        return grid
    points = iou_points(masks)
    all_colours = colours | colours_beside(colours, (point.line for point in points))
    panel = curves_panel(
        points,
        all_colours,
        title=_OWN,
        x=experiment.x_label,
        y=Y_LABELS['iou'],
        listed=[line for line in all_colours if line not in colours],
    )
    if len(grid[0]) == 1:
        return [[*grid[0], panel], *grid[1:]]
    theirs = _paper_panels(experiment, [], colours, iou=True).get('')
    between = [None] * (len(grid[0]) - 2)
    return [*grid, [panel, *between, theirs]]


def _bars_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    metrics = shown_metrics(rows, experiment)
    theirs = _paper_panels(experiment, metrics, colours)
    labels = _shared_labels(rows, experiment)
    own = [
        bars_panel(
            metric_points(rows, metric, experiment.y),
            colours,
            form='{:+.1f}' if experiment.y == 'change' else '{:.3f}',
            title=_OWN,
            x=metric_title(metric, experiment.y),
            labels=labels,
        )
        for metric in metrics
    ]
    return _beside(own, theirs, metrics)


def _shared_labels(rows: Sequence[Row], experiment: Experiment) -> list[str]:
    """Return the paper's rows where one's own are among them, so that they lie side by side."""
    if not experiment.reference:
        return []
    labels = [point.label for point in paper.read(experiment.reference) if not point.dense]
    own = {row['label'] for row in rows if not is_dense(row) and not row['control']}
    return list(dict.fromkeys(labels)) if own <= set(labels) else []


def _layers_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    names, points = layer_points(rows)
    reference = paper.read(experiment.reference) if experiment.reference else []
    shared = at_layers(paper_points(reference), names)
    own = layers_panel(names, points, shared, colours, title='' if shared else _OWN)
    if shared:
        return [[own]]
    theirs: Grid = [[panel] for panel in _paper_panels(experiment, [], colours).values()]
    if len(names) > _MOST_LAYERS:
        return [[own], *theirs]
    return [[own, *itertools.chain(*theirs)]]


def _beside(own: list[Panel], theirs: dict[str, Panel], metrics: Sequence[str]) -> Grid:
    """Put the paper's panel on the right if there is room, else each under its metric."""
    if len(theirs) <= 1 and len(own) + len(theirs) <= _MOST_PANELS:
        return [[*own, *theirs.values()]]
    aligned = [theirs.get(paper.task_of(metric)) for metric in metrics]
    return [[*own], aligned if any(aligned) else list(theirs.values())]


def _paper_panels(
    experiment: Experiment,
    metrics: Sequence[str],
    colours: Colours,
    *,
    iou: bool = False,
    span: Span | None = None,
) -> dict[str, Panel]:
    """Return task -> panel of the paper's numbers."""
    if not experiment.reference:
        return {}
    panels = {}
    for task, points in paper.by_task(experiment.reference, metrics, iou=iou).items():
        title = ', '.join(filter(None, ['paper', task]))
        y = Y_LABELS[points[0].quantity]
        panels[task] = _paper_panel(
            paper_points(points), experiment, colours, title, y, span)
    return panels


def _paper_panel(
    points: list[PlotPoint],
    experiment: Experiment,
    own: Colours,
    title: str,
    y: str,
    span: Span | None,
) -> Panel:
    colours = colours_beside(own, (point.line for point in points if not point.dense))
    if experiment.kind == 'bars':
        has_band = any(math.isfinite(point.low) for point in points)
        band = f' ({BAND})' if has_band else ''
        return bars_panel(points, colours, form='{:.2f}', title=title + band, x=y)
    x = REFERENCES[experiment.reference].x_label
    return curves_panel(
        points, colours, title=title, x=x, y=y, span=span, of_paper=True)


_GRIDS: dict[str, Callable[[Sequence[Row], Experiment, Colours], Grid]] = {
    'curve': _curve_grid,
    'bars': _bars_grid,
    'layers': _layers_grid,
}
