"""Panels of curves: values against x, with intervals, controls and dense nets."""

import math
from collections.abc import Iterable, Sequence
from itertools import cycle, pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mmlth.analysis import style
from mmlth.analysis.panels import BAND, Colours, Panel, dense_handle, draw_dense, finish
from mmlth.analysis.points import PlotPoint, counts_differ

Span = tuple[float, float]
HEIGHT = 3.2
_MARGIN = 0.05  # of a span, on both sides
_MOST_TICKS = 9
_SMALLEST, _LARGEST = 5.0, 9.0  # markers of lines that may hide each other
_BESIDE = 0.1  # 24.96% of a training are called 25
_CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))  # of a point (right, up), where its n stands
_LEAST_GAP = 0.09  # between ticks, as a share of the axis


def curves_panel(
    points: Sequence[PlotPoint],
    colours: Colours,
    *,
    title: str,
    x: str,
    y: str,
    span: Span | None = None,
    of_paper: bool = False,
    listed: Sequence[str] = (),
) -> Panel:
    """Return a panel of curves.

    Args:
        points: To draw.
        colours: Of their lines.
        title: Over the panel.
        x: Label of the axis.
        y: Likewise.
        span: Of the x axis, where another panel has the same; None fits it to the points.
        of_paper: Draw the paper's bands, with a legend of their own, in place of error bars.
        listed: Lines that no other panel has, to be named in this one.
    """

    def draw(axes: Axes) -> None:
        note = draw_curves(axes, points, colours, band=of_paper)
        _ticks(axes, points, span)
        finish(axes, title=title, x=x + note, y=y)
        if of_paper:
            _paper_legend(axes)
        elif listed:
            _list(axes, listed)

    return Panel(draw=draw, height=HEIGHT)


def _list(axes: Axes, lines: Sequence[str]) -> None:
    handles = [line for line in axes.lines if line.get_label() in lines]
    axes.legend(handles=handles, loc='best', frameon=False, fontsize=8)


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
        A note on the dense nets (:func:`mmlth.analysis.panels.draw_dense`).
    """
    curves: dict[tuple[str, str], list[PlotPoint]] = {}
    for point in points:
        if not point.dense and math.isfinite(point.x):
            curves.setdefault((point.line, point.control), []).append(point)
    markers = style.control_markers(point.control for point in points)
    sizes = _sizes(line for line, _ in curves)
    corners = dict(zip(sizes, cycle(_CORNERS), strict=False))
    crosses: list[style.Cross] = []
    for (line, control), found in curves.items():
        ordered = sorted(found, key=lambda point: point.x)
        if any(point.has_value for point in ordered):
            _draw_curve(axes, ordered, markers[control], sizes[line], colours[line])
            _draw_spread(axes, ordered, colours[line], band)
            _draw_seeds(axes, ordered)
            if counts_differ(points):
                _write_counts(axes, ordered, colours[line], corners[line])
        crosses += [_cross(point, colours[line]) for point in ordered if point.lost]
    style.mark_nothing(axes, crosses)
    return draw_dense(axes.axhline, points, colours)


def _sizes(lines: Iterable[str]) -> dict[str, float]:
    """Return line -> size of its markers, smaller for those that are drawn over others."""
    names = list(dict.fromkeys(lines))
    step = (_LARGEST - _SMALLEST) / max(1, len(names) - 1)
    return {name: _SMALLEST + step * (len(names) - 1 - i) for i, name in enumerate(names)}


def _draw_curve(
    axes: Axes, points: Sequence[PlotPoint], marker: str, size: float, colour: str,
) -> None:
    control = points[0].control
    axes.plot(
        [point.x for point in points],
        [point.y for point in points],
        marker=marker,
        markersize=size,
        markerfacecolor='white' if control else None,
        linestyle='' if control else '-',
        color=colour,
        label=points[0].line,
    )
    for point in points:
        if point.collapsed and point.has_value:
            style.mark_collapsed(axes, point.x, point.y)


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


def _draw_seeds(axes: Axes, points: Sequence[PlotPoint]) -> None:
    for point in points:
        if point.n > 1:
            style.mark_seeds(axes, [point.x] * len(point.values), point.values)


def _write_counts(
    axes: Axes, points: Sequence[PlotPoint], colour: str, corner: tuple[int, int],
) -> None:
    """Write beside each point how many seeds it has, each line in its own corner and colour."""
    right, up = corner
    for point in points:
        if point.has_value:
            axes.annotate(
                f'n={point.n}', (point.x, point.y), xytext=(4 * right, 4 * up),
                textcoords='offset points', ha='left' if right > 0 else 'right',
                va='bottom' if up > 0 else 'top', fontsize=7, color=colour)


def _cross(point: PlotPoint, colour: str) -> style.Cross:
    only_some = point.lost < point.n
    return style.Cross(
        x=point.x,
        colour=colour,
        is_open=bool(point.control),
        note=f'{point.lost} of {point.n}' if only_some else '',
    )


def _ticks(axes: Axes, points: Iterable[PlotPoint], span: Span | None) -> None:
    """Put a tick at each point where there is room for that."""
    places = sorted({point.x for point in points if not point.dense})
    if span:
        room = _MARGIN * (span[1] - span[0])
        axes.set_xlim(span[0] - room, span[1] + room)
    first, last = span or (min(places, default=0), max(places, default=0))
    gaps = [b - a for a, b in pairwise(places)]
    has_room = not gaps or min(gaps) > _LEAST_GAP * (last - first)
    if len(places) <= _MOST_TICKS and has_room:
        axes.set_xticks(places, [_tick(place) for place in places])
        return
    whole = all(float(place).is_integer() for place in places)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=whole))


def _tick(place: float) -> str:
    """Return the name of a place; a whole number where the nearest step lies beside it."""
    near = round(place)
    return str(near) if abs(place - near) < _BESIDE else f'{place:.3g}'
