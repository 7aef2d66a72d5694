"""Panels with a row for each label: its value, with an interval."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes

from mmlth.analysis import style
from mmlth.analysis.metrics import format_none
from mmlth.analysis.panels import Colours, Panel, draw_dense, finish
from mmlth.analysis.points import PlotPoint, counts_differ

Groups = dict[str, list[PlotPoint]]  # label -> values under each other
_GAP = 0.4  # between groups, in rows


def bars_panel(
    points: Sequence[PlotPoint],
    colours: Colours,
    *,
    form: str,
    title: str,
    x: str,
    labels: Sequence[str] = (),
) -> Panel:
    """Return a panel with a row for each label; controls are open, dense nets are lines.

    Values are squares, not bars: a bar that doesn't start at 0 lies about the difference, and one
    that does leaves differences between detectors a few pixels.

    Args:
        points: To draw.
        colours: Of their lines.
        form: How a value is written, such as '{:.3f}'.
        title: Over the panel.
        x: Label of the axis.
        labels: Rows to begin with, in their order, whether or not they have a value.
    """
    groups = _groups(points, labels)

    def draw(axes: Axes) -> None:
        _set_limits(axes, points, several=counts_differ(points))
        place, middles = 0.0, []
        for group in groups.values():
            for i, point in enumerate(group):
                _draw_value(axes, place + i, point, colours[point.line])
                _write_value(axes, place + i, point, form, several=counts_differ(points))
            rows = max(1, len(group))
            middles.append(place + (rows - 1) / 2)
            place += rows + _GAP
        axes.set_yticks(middles, list(groups))
        axes.set_ylim(max(place, 1) - 0.7, -0.7)
        finish(axes, title=title, x=x + draw_dense(axes.axvline, points, colours), y='')

    rows = sum(max(1, len(group)) + _GAP for group in groups.values())
    return Panel(draw=draw, height=1.2 + 0.22 * rows)


def _groups(points: Iterable[PlotPoint], labels: Iterable[str]) -> Groups:
    """Gather the values of each label; lines without any value belong to another task."""
    values = [point for point in points if not point.dense]
    having = {(point.line, point.control) for point in values if point.has_value or point.lost}
    groups: Groups = {label: [] for label in labels}
    for point in values:
        if (point.line, point.control) in having:
            groups.setdefault(point.label, []).append(point)
    return groups


def _draw_value(axes: Axes, place: float, point: PlotPoint, colour: str) -> None:
    if point.lost:
        cross = style.Cross(x=point.x, colour=colour, is_open=bool(point.control))
        style.mark_nothing_left(axes, place, cross)
    else:
        face = 'white' if point.control else colour
        axes.plot(point.y, place, marker='s', markersize=7, markerfacecolor=face, color=colour)
        if point.collapsed:
            style.mark_collapsed(axes, point.y, place)
    if math.isfinite(point.low):
        axes.plot([point.low, point.high], [place] * 2, color='black', linewidth=1)
    if point.n > 1:
        style.mark_seeds(axes, point.values, [place] * len(point.values))


def _write_value(
    axes: Axes, place: float, point: PlotPoint, form: str, *, several: bool,
) -> None:
    if point.lost:
        text = format_none(point.lost, point.n)
    else:
        text = form.format(point.y) if point.has_value else '-'
        text += f' (n={point.n})' if several and point.has_value else ''
    axes.text(
        0.99,
        place,
        f'{point.control_note} {text}'.strip(),
        ha='right',
        va='center',
        fontsize=8,
        transform=axes.get_yaxis_transform(),
    )


def _set_limits(axes: Axes, points: Sequence[PlotPoint], *, several: bool) -> None:
    """Leave room for the numbers on the right."""
    ends = [end for point in points for end in (point.y, point.low, point.high)]
    values = [end for end in ends if math.isfinite(end)] or [0.0]
    low, high = min(values), max(values)
    room = 0.05 * (high - low or 1)
    widest = max(len(point.control_note) for point in points)
    axes.set_xlim(low - room, high + (5 + 5 * several + 0.7 * widest) * room)
