"""Panels of bars: a value for each label."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes

from mmlth.analysis import style
from mmlth.analysis.metrics import format_none
from mmlth.analysis.panels import Colours, Panel, draw_dense, finish
from mmlth.analysis.points import PlotPoint

Groups = dict[str, list[PlotPoint]]  # label -> bars beside each other
_GAP = 0.4  # between groups, in bars


def bars_panel(
    points: Sequence[PlotPoint], colours: Colours, *, form: str, title: str, x: str
) -> Panel:
    """Return a panel of bars; controls are open, dense nets are lines.

    Bars that don't start at 0 would lie about the difference, so that values near each other, far
    from 0, are squares.

    Args:
        points: To draw.
        colours: Of their lines.
        form: How a value is written, such as '{:.3f}'.
        title: Over the panel.
        x: Label of the axis.
    """
    groups = _groups(points)

    def draw(axes: Axes) -> None:
        near = _set_limits(axes, points)
        place, middles = 0.0, []
        for group in groups.values():
            for i, point in enumerate(group):
                _draw_bar(axes, place + i, point, colours[point.line], near)
                _write_value(axes, place + i, point, form)
            middles.append(place + (len(group) - 1) / 2)
            place += len(group) + _GAP
        axes.set_yticks(middles, list(groups))
        axes.set_ylim(max(place, 1) - 0.7, -0.7)
        finish(axes, title=title, x=x + draw_dense(axes.axvline, points, colours), y='')

    bars = sum(len(group) + _GAP for group in groups.values())
    return Panel(draw=draw, height=1.2 + 0.22 * bars)


def _groups(points: Iterable[PlotPoint]) -> Groups:
    """Gather the bars of each label; lines without any value belong to another task."""
    bars = [point for point in points if not point.dense]
    having = {(bar.line, bar.control) for bar in bars if bar.has_value or bar.lost}
    groups: Groups = {}
    for bar in bars:
        if (bar.line, bar.control) in having:
            groups.setdefault(bar.label, []).append(bar)
    return groups


def _draw_bar(axes: Axes, place: float, point: PlotPoint, colour: str, near: bool) -> None:
    face = 'white' if point.control else colour
    if point.lost:
        cross = style.Cross(x=point.x, colour=colour, is_open=bool(point.control))
        style.mark_nothing_left(axes, place, cross)
    elif near:
        axes.plot(point.y, place, marker='s', markersize=7, markerfacecolor=face, color=colour)
    else:
        axes.barh(place, point.y, height=0.8, facecolor=face, edgecolor=colour, linewidth=1.2)
    if math.isfinite(point.low):
        axes.plot([point.low, point.high], [place] * 2, color='black', linewidth=1)


def _write_value(axes: Axes, place: float, point: PlotPoint, form: str) -> None:
    if point.lost:
        text = format_none(point.lost, point.n)
    else:
        text = form.format(point.y) if point.has_value else '-'
    axes.text(
        0.99,
        place,
        f'{point.control_note} {text}'.strip(),
        ha='right',
        va='center',
        fontsize=8,
        transform=axes.get_yaxis_transform(),
    )


def _set_limits(axes: Axes, points: Sequence[PlotPoint]) -> bool:
    """Leave room for the numbers on the right.

    Returns:
        Whether the axis starts near the values, far from 0.
    """
    ends = [end for point in points for end in (point.y, point.low, point.high)]
    values = [end for end in ends if math.isfinite(end)] or [0.0]
    low, high = min(values), max(values)
    near = 0 < high < 1.25 * low and low < high
    if not near:
        low, high = min(0, low), max(0, high)
    room = 0.05 * (high - low or 1)
    widest = max(len(point.control_note) for point in points)
    axes.set_xlim(low - (room if low else 0), high + (5 + 0.7 * widest) * room)
    return near
