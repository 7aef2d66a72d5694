"""Points that figures of experiments draw, of one's own trainings and of the paper."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mmlth.analysis.averages import Group, aggregate, average
from mmlth.analysis.paper import PaperPoint
from mmlth.analysis.rows import Row, control_note, dense_rows, is_dense, line_names, point_name


@dataclass(frozen=True, kw_only=True)
class PlotPoint:
    """One point of a panel.

    Attributes:
        line: Name of its curve.
        label: Name of the point itself.
        control: What was trained in place of the ticket, or ''.
        x: NaN for a dense net.
        y: NaN where there is no value.
        low, high: The interval around y; NaN where there is none.
        dense: Whether it is a dense net, which is drawn as a line.
        lost: Number of seeds for which nothing was detected.
        n: Number of seeds.
        values: Of each seed, where they are known.
        collapsed: Whether a tensor keeps next to nothing in one of its trainings.
    """

    line: str
    label: str
    control: str
    x: float
    y: float
    low: float
    high: float
    dense: bool
    lost: int = 0
    n: int = 1
    values: tuple[float, ...] = ()
    collapsed: bool = False

    @property
    def control_note(self) -> str:
        """The control's name where the point isn't called so itself, else ''."""
        return control_note(self.label, self.control)

    @property
    def has_value(self) -> bool:
        """Whether there is a y to draw."""
        return math.isfinite(self.y)


def counts_differ(points: Iterable[PlotPoint]) -> bool:
    """Return whether points of tickets and controls are of different numbers of seeds."""
    return len({point.n for point in points if not point.dense}) > 1


def metric_points(rows: Sequence[Row], metric: str, y: str) -> list[PlotPoint]:
    """Return the means of a metric over seeds, dense nets last.

    See :func:`mmlth.analysis.averages.aggregate`.
    """
    tickets = [row for row in rows if not is_dense(row)]
    shown = tickets + dense_rows(rows)
    return _points(aggregate(shown, metric, y), shown)


def points_of(rows: Sequence[Row], value_of: Callable[[Row], float]) -> list[PlotPoint]:
    """Return the means of any number of the rows, without dense nets and marks of collapse."""
    tickets = [row for row in rows if not is_dense(row)]
    found = _points(average(tickets, value_of), tickets)
    return [replace(point, collapsed=False) for point in found]


def iou_points(rows: Sequence[Row]) -> list[PlotPoint]:
    """Return the mean overlaps of early masks with the final one, then what to judge them by.

    These are lines of their own: by chance, and that of the weights that were largest before
    training (:data:`mmlth.analysis.rows.IOUS`).
    """
    found = points_of(rows, _iou('iou'))
    lines = {point.line for point in found}
    for column, note in (('chance_iou', 'by chance'), ('init_iou', 'largest before training')):
        for point in points_of(rows, _iou(column)):
            if point.has_value:
                name = note if len(lines) == 1 else f'{point.line}, {note}'
                found.append(replace(point, line=name))
    return found


def _iou(column: str) -> Callable[[Row], float]:
    def of_row(row: Row) -> float:
        given = {**row}[column]
        return given if isinstance(given, float) else math.nan

    return of_row


def layer_points(rows: Sequence[Row]) -> tuple[list[str], list[PlotPoint]]:
    """Return the tensors of the rows, and the mean pruned share of each in per cent.

    The x of a point is the index of its tensor.
    """
    names = list(dict.fromkeys(name for row in rows for name in row['layer_density']))
    points = [
        replace(point, x=float(i))
        for i, name in enumerate(names)
        for point in points_of(rows, _pruned_of(name))
    ]
    return names, points


def _pruned_of(tensor: str) -> Callable[[Row], float]:
    return lambda row: 100 * (1 - row['layer_density'].get(tensor, math.nan))


def paper_points(points: Iterable[PaperPoint]) -> list[PlotPoint]:
    """Return the paper's points to draw; those without a label are called by their x."""
    return [
        PlotPoint(
            line=point.line,
            label=point.label or f'{point.x:g}',
            control='',
            x=point.x,
            y=point.y,
            low=point.low,
            high=point.high,
            dense=point.dense,
        )
        for point in points
    ]


def _points(groups: Iterable[Group], rows: Sequence[Row]) -> list[PlotPoint]:
    names = line_names(rows)
    return [_point(group, names) for group in groups]


def _point(group: Group, names: dict[tuple[str, str], str]) -> PlotPoint:
    half = group.ci or math.nan  # an interval of width 0 can't be seen
    return PlotPoint(
        line=names[group.config, group.line],
        label=point_name(group.label, group.x),
        control=group.control,
        x=math.nan if group.x is None else group.x,
        y=group.mean,
        low=group.mean - half,
        high=group.mean + half,
        dense=group.dense,
        lost=len(group.lost_seeds),
        n=group.n,
        values=group.values,
        collapsed=bool(group.collapsed),
    )
