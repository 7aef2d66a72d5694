"""Panels of curves: values against x, with intervals, controls and dense nets."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mmlth.analysis import style
from mmlth.analysis.panels import BAND, Colours, Panel, dense_handle, draw_dense, finish
from mmlth.analysis.points import PlotPoint

HEIGHT = 3.2
_MOST_TICKS = 9
_LEAST_GAP = 0.09  # between ticks, as a share of the axis


def curves_panel(
    points: Sequence[PlotPoint], colours: Colours, *, title: str, x: str, y: str
) -> Panel:
    """Return a panel of one's own curves.

    Args:
        points: To draw.
        colours: Of their lines.
        title: Over the panel.
        x, y: Labels of the axes.
    """

    def draw(axes: Axes) -> None:
        note = draw_curves(axes, points, colours)
        _ticks(axes, points)
        finish(axes, title=title, x=x + note, y=y)

    return Panel(draw=draw, height=HEIGHT)


def paper_curves_panel(
    points: Sequence[PlotPoint], colours: Colours, *, title: str, x: str, y: str
) -> Panel:
    """Return a panel of the paper's curves, with bands and a legend of its own."""

    def draw(axes: Axes) -> None:
        note = draw_curves(axes, points, colours, band=True)
        _ticks(axes, points)
        finish(axes, title=title, x=x + note, y=y)
        _paper_legend(axes)

    return Panel(draw=draw, height=HEIGHT)


def _paper_legend(axes: Axes) -> None:
    """List each curve once, then the dense net and the band."""
    found = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        found[label] = handle
    found.pop('', None)
    dense = dense_handle()
    if found.pop(dense.get_label(), None):
        found[dense.get_label()] = dense
    if BAND in found:
        found[BAND] = found.pop(BAND)
    if found:
        axes.legend(found.values(), found, loc='best', frameon=False, fontsize=8)


def draw_curves(
    axes: Axes, points: Sequence[PlotPoint], colours: Colours, *, band: bool = False
) -> str:
    """Draw a curve for each line; controls are open markers, those that detected nothing crosses.

    Args:
        axes: To draw on.
        points: Those with an x are drawn on curves, dense nets as lines.
        colours: Of the lines.
        band: Draw intervals as bands, in place of error bars.

    Returns:
        A note on the dense nets (:func:`.panels.draw_dense`).
    """
    curves: dict[tuple[str, str], list[PlotPoint]] = {}
    for point in points:
        if not point.dense and math.isfinite(point.x):
            curves.setdefault((point.line, point.control), []).append(point)
    markers = style.control_markers(point.control for point in points)
    crosses: list[style.Cross] = []
    for (line, control), found in curves.items():
        ordered = sorted(found, key=lambda point: point.x)
        if any(point.has_value for point in ordered):
            _draw_curve(axes, ordered, markers[control], colours[line])
            _draw_spread(axes, ordered, colours[line], band)
        crosses += [_cross(point, colours[line]) for point in ordered if point.lost]
    style.mark_nothing(axes, crosses)
    return draw_dense(axes.axhline, points, colours)


def _draw_curve(axes: Axes, points: Sequence[PlotPoint], marker: str, colour: str) -> None:
    control = points[0].control
    axes.plot(
        [point.x for point in points],
        [point.y for point in points],
        marker=marker,
        markersize=5,
        markerfacecolor='white' if control else None,
        linestyle='' if control else '-',
        color=colour,
        label=points[0].line,
    )


def _draw_spread(axes: Axes, points: Sequence[PlotPoint], colour: str, band: bool) -> None:
    x = [point.x for point in points]
    low = [point.low for point in points]
    high = [point.high for point in points]
    if not any(map(math.isfinite, low)):
        return
    if band:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, label=BAND)
        return
    half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
    middle = [a + h for a, h in zip(low, half, strict=True)]
    axes.errorbar(x, middle, half, fmt='none', ecolor=colour, elinewidth=1, capsize=3)


def _cross(point: PlotPoint, colour: str) -> style.Cross:
    only_some = point.lost < point.n
    return style.Cross(
        x=point.x,
        colour=colour,
        is_open=bool(point.control),
        note=f'{point.lost} of {point.n}' if only_some else '',
    )


def _ticks(axes: Axes, points: Iterable[PlotPoint]) -> None:
    """Put a tick at each point where there is room for that."""
    places = sorted({point.x for point in points if not point.dense})
    gaps = [b - a for a, b in pairwise(places)]
    has_room = not gaps or min(gaps) > _LEAST_GAP * (places[-1] - places[0])
    if len(places) <= _MOST_TICKS and has_room:
        axes.set_xticks(places, [f'{place:.4g}' for place in places])
        return
    whole = all(float(place).is_integer() for place in places)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=whole))
