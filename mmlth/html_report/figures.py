"""The figures of an experiment: one for each metric, and the paper's beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmlth.analysis import paper
from mmlth.analysis.curves import Span
from mmlth.analysis.experiment_figures import shared_span
from mmlth.analysis.experiments import Experiment, metric_title, shown_metrics
from mmlth.analysis.panels import BAND
from mmlth.analysis.paper_columns import REFERENCES, Y_LABELS
from mmlth.analysis.points import (
    PlotPoint,
    iou_points,
    layer_points,
    metric_points,
    paper_points,
)
from mmlth.analysis.rows import Row, is_dense, line_names, lines_of_points
from mmlth.html_report import charts

OWN, PAPER = 'measured', 'the paper'


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart and its legend.

    Attributes:
        title: What it shows.
        source: Whose numbers these are, :data:`OWN` or :data:`PAPER` with a note.
        spec: Of Vega-Lite.
        lines: Name -> index of its colour, of those that are drawn.
        controls: Those that are drawn, in the order of :data:`.charts.SHAPES`.
        has_dense: Whether there is a dense net.
        note: How to read it.
    """

    title: str
    source: str
    spec: charts.Spec
    lines: dict[str, int]
    controls: list[str]
    has_dense: bool
    note: str = ''


def figures(rows: Sequence[Row], experiment: Experiment) -> list[Figure]:
    """Draw an experiment as the printed figure does (:mod:`mmlth.analysis.experiment_figures`).

    Args:
        rows: Finished trainings, one of a ticket or control at least.
        experiment: How to draw them.

    Raises:
        RuntimeError: Altair isn't installed.
    """
    tickets = [row for row in rows if not is_dense(row)]
    if experiment.kind == 'layers':
        return _of_layers(tickets, experiment)
    names = list(dict.fromkeys(line_names(tickets).values()))
    found = []
    for metric in shown_metrics(rows, experiment):
        points = metric_points(rows, metric, experiment.y)
        title = metric_title(metric, experiment.y)
        found.append(_figure(points, experiment, names, title, OWN, experiment.x_label,
                             span=shared_span(rows, experiment)))
        found += _of_paper(experiment, names, [metric], rows)
    masks = [row for row in tickets if row['iou'] is not None]
    if masks:
        points = iou_points(masks)
        found.append(_figure(points, experiment, names, Y_LABELS['iou'], OWN, experiment.x_label))
        found += _of_paper(experiment, names, [], rows, iou=True)
    return _once(found)


def _once(found: Sequence[Figure]) -> list[Figure]:
    """Drop figures that stand there already: metrics of one task share the paper's."""
    kept: list[Figure] = []
    for figure in found:
        if figure not in kept:
            kept.append(figure)
    return kept


def _figure(
    points: Sequence[PlotPoint], experiment: Experiment, names: Sequence[str], title: str,
    source: str, x: str, *, span: Span | None = None, banded: bool = False,
) -> Figure:
    drawn = [point for point in points if point.has_value or point.lost]
    own = dict.fromkeys(point.line for point in drawn if not point.dense)
    lines = list(dict.fromkeys([*names, *own]))
    if experiment.kind == 'bars':
        spec = charts.bars(drawn, lines, x=title)
    else:
        spec = charts.curves(drawn, lines, x=x, y=title, span=span, banded=banded)
    return Figure(
        title=title, source=source, spec=spec, controls=charts.control_names(drawn),
        lines={line: lines.index(line) for line in own},
        has_dense=any(point.dense for point in drawn))


def _of_paper(
    experiment: Experiment, names: Sequence[str], metrics: Sequence[str], rows: Sequence[Row], *,
    iou: bool = False,
) -> list[Figure]:
    """Return the paper's figures for the tasks of these metrics."""
    if not experiment.reference:
        return []
    found = []
    for task, points in paper.by_task(experiment.reference, metrics, iou=iou).items():
        title = ', '.join(filter(None, [Y_LABELS[points[0].quantity], task]))
        banded = any(math.isfinite(point.low) for point in points)
        source = f'{PAPER} ({BAND})' if banded else PAPER
        named = [replace(point, line=point.line or PAPER) for point in paper_points(points)]
        found.append(_figure(
            named, experiment, names, title, source,
            REFERENCES[experiment.reference].x_label, span=shared_span(rows, experiment),
            banded=banded and experiment.kind == 'curve'))
    return found


def _of_layers(tickets: Sequence[Row], experiment: Experiment) -> list[Figure]:
    rows = lines_of_points(tickets)
    tensors, found = layer_points(rows)
    points = [point for point in found if point.has_value]
    lines = list(dict.fromkeys(point.line for point in points))
    title = Y_LABELS['pruned']
    own = Figure(
        title=title, source=OWN, spec=charts.layers(points, lines, tensors, y=title),
        lines={line: i for i, line in enumerate(lines)}, controls=[], has_dense=False)
    return [own, *_of_paper(experiment, lines, [], rows)]
