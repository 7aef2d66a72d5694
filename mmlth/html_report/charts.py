"""Chart specifications of Vega-Lite, from the points that the printed figures draw too."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mmlth.analysis import style
from mmlth.analysis.points import PlotPoint
from mmlth.html_report.chart_values import chart_values

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]
TICKET = 'ticket'
SHAPES = ('square', 'triangle-down', 'diamond', 'triangle-up', 'cross')  # of controls
_HEIGHT, _ROW = 280, 30  # pixels: of curves, of a row of bars
_GREY = '#808080'  # is seen on light and on dark
_DATA = 'points'
_SHOWN = 'indexof(hidden, datum.line) < 0 && indexof(hidden, datum.control) < 0'
_PINCH = 'wheel![event.ctrlKey]'  # the wheel alone scrolls the page


def curves(
    points: Sequence[PlotPoint], lines: Sequence[str], *, x: str, y: str,
    span: tuple[float, float] | None = None, banded: bool = False,
) -> Spec:
    """Return curves over x, with intervals, open controls and dashed dense nets.

    Args:
        points: To draw; those of dense nets have no x.
        lines: Names, in the order of the colours.
        x: Label of the axis.
        y: Likewise.
        span: Of the x axis; None fits it.
        banded: Draw intervals as bands.
    """
    import altair as alt

    domain = list(_padded(*span)) if span else alt.Undefined
    scale = alt.Scale(zero=False, nice=span is None, padding=12, domain=domain)
    whole = all(float(point.x).is_integer() for point in points if not point.dense)
    base = alt.Chart(alt.NamedData(name=_DATA)).encode(
        x=alt.X('x:Q', title=x or None, scale=scale, axis=alt.Axis(tickMinStep=int(whole))),
        y=alt.Y('y:Q', title=y, scale=alt.Scale(zero=False, padding=12)),
        color=_colour(lines),
    )
    tickets = base.transform_filter('!datum.dense && !datum.control && isValid(datum.y)')
    drawn = [
        *_spread(base, 'y', points, banded=banded),
        tickets.mark_line(strokeWidth=2),
        tickets.mark_point(filled=True, size=70, opacity=1),
        *_controls(base, points),
        *_dense(base, 'y', points, lines),
        *_marks(base, points, 'y'),
    ]
    values = [chart_values(point, x) for point in points]
    return _finished(drawn, values, zoomed=['x', 'y'], height=_HEIGHT)


def bars(points: Sequence[PlotPoint], lines: Sequence[str], *, x: str) -> Spec:
    """Return a row for each label with its value and interval; dense nets are dashed lines.

    Args:
        points: To draw.
        lines: Names, in the order of the colours.
        x: Label of the axis of values.
    """
    import altair as alt

    labels = list(dict.fromkeys(point.label for point in points if not point.dense))
    shown = [line for line in lines if any(p.line == line and not p.dense for p in points)]
    row: dict[str, Any] = {}
    if len(shown) > 1:
        row['yOffset'] = alt.YOffset('line:N', scale=alt.Scale(domain=shown))
    base = alt.Chart(alt.NamedData(name=_DATA)).encode(
        x=alt.X('y:Q', title=x, scale=alt.Scale(zero=False, padding=12)),
        color=_colour(lines),
    )
    rows = base.encode(y=alt.Y('label:N', title=None, sort=labels, scale=alt.Scale(domain=labels)),
                       **row)
    tickets = rows.transform_filter('!datum.dense && !datum.control && isValid(datum.y)')
    drawn = [
        *_spread(rows, 'x', points),
        tickets.mark_square(size=90, opacity=1),
        *_controls(rows, points),
        *_dense(base, 'x', points, lines),
        *_marks(rows, points, 'x'),
    ]
    height = _ROW * max(1, len(labels)) + 14 * len(labels) * (max(1, len(shown)) - 1)
    values = [chart_values(point, '') for point in points]
    return _finished(drawn, values, zoomed=['x'], height=height)


def layers(points: Sequence[PlotPoint], lines: Sequence[str], names: Sequence[str], *,
           y: str) -> Spec:
    """Return a value for each tensor.

    Args:
        points: To draw; x is the index in ``names``.
        lines: Names, in the order of the colours.
        names: Of the tensors.
        y: Label of the axis of values.
    """
    import altair as alt

    ticks = [style.short_tensor(name) for name in names]
    values = [chart_values(point, '') | {'tensor': ticks[int(point.x)]} for point in points]
    axis = alt.Axis(labelAngle=-90, labelLimit=240, labelOverlap=True, grid=False)
    base = alt.Chart(alt.NamedData(name=_DATA)).encode(
        x=alt.X('tensor:N', sort=ticks, title=None, axis=axis),
        y=alt.Y('y:Q', title=y),
        color=_colour(lines),
        tooltip=[alt.Tooltip('tensor:N'), *_tooltip()],
    )
    drawn = [base.mark_line(strokeWidth=1.5), base.mark_point(filled=True, size=36, opacity=1)]
    return _finished(drawn, values, zoomed=['y'], height=_HEIGHT)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * (high - low)
    return low - room, high + room


def _colour(lines: Sequence[str]) -> 'alt.Color':
    import altair as alt

    return alt.Color('line:N', title=None, scale=alt.Scale(domain=list(lines)))


def _tooltip() -> list[Any]:
    import altair as alt

    return [alt.Tooltip(f'{name}:N') for name in ('line', 'at', 'value', 'note')]


def control_names(points: Iterable[PlotPoint]) -> list[str]:
    """Return the controls among points, in the order of :data:`SHAPES`."""
    return list(dict.fromkeys(point.control for point in points if point.control))


def _controls(base: Any, points: Sequence[PlotPoint]) -> list[Any]:
    """Return the layer of open marks, a shape for each control, if there are any."""
    import altair as alt

    names = control_names(points)
    if not names:
        return []
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(names))]
    scale = alt.Scale(domain=names, range=shapes)
    layer = base.transform_filter('datum.control && isValid(datum.y)')
    return [layer.mark_point(filled=False, size=80, strokeWidth=2, opacity=1).encode(
        shape=alt.Shape('control:N', title='control', scale=scale))]


def _spread(
    base: Any, axis: str, points: Sequence[PlotPoint], *, banded: bool = False,
) -> list[Any]:
    """Return the layer of intervals, if there are any."""
    if not any(math.isfinite(point.low) and not point.dense for point in points):
        return []
    layer = base.transform_filter('isValid(datum.low) && !datum.dense').encode(
        **{axis: 'low:Q', f'{axis}2': 'high:Q'})
    return [layer.mark_area(opacity=0.18) if banded else layer.mark_rule(opacity=0.7)]


def _dense(
    base: Any, axis: str, points: Sequence[PlotPoint], lines: Sequence[str],
) -> list[Any]:
    """Return dashed lines: those of one line in its colour, shared ones in grey."""
    import altair as alt

    nets = {point.line for point in points if point.dense}
    other, far = ('x', 'width') if axis == 'y' else ('y', 'height')
    ends = {other: alt.value(0), f'{other}2': alt.value(far)}
    dense = base.transform_filter('datum.dense && isValid(datum.y)').encode(**ends)
    own = f'indexof({list(lines)!r}, datum.line) >= 0'
    dash: dict[str, Any] = dict(strokeDash=[5, 4], strokeWidth=1.5)
    found = []
    if nets & set(lines):
        found.append(dense.transform_filter(own).mark_rule(**dash))
    if nets - set(lines):
        shared = dense.transform_filter(f'!({own})').mark_rule(**dash)
        found.append(shared.encode(color=alt.value(_GREY)))
    return found


def _marks(base: Any, points: Sequence[PlotPoint], channel: str) -> list[Any]:
    """Return rings around collapsed points, and crosses at the edge where nothing was detected."""
    import altair as alt

    found = []
    if any(point.collapsed and not point.dense for point in points):
        rings = base.transform_filter('datum.collapsed && !datum.dense && isValid(datum.y)')
        found.append(rings.mark_point(size=260, filled=False, strokeWidth=1, opacity=1).encode(
            color=alt.value(_GREY)))
    if any(point.lost and not point.dense for point in points):
        place = {channel: alt.value(6 if channel == 'x' else alt.expr('height - 8'))}
        crosses = base.transform_filter('datum.lost && !datum.dense')
        found.append(crosses.mark_point(
            shape='cross', angle=45, size=90, filled=True, opacity=1).encode(**place))
    return found


def _finished(layers: Sequence[Any], values: list[dict[str, Any]], *, zoomed: list[Any],
              height: int) -> Spec:
    """Lay layers over each other; ``hidden`` is the list of the names that are switched off."""
    import altair as alt

    zoom = alt.selection_interval(
        name='zoom', bind='scales', encodings=zoomed, zoom=_PINCH)
    hidden = alt.param(name='hidden', value=[])
    first, *others = [_with_tooltip(layer) for layer in layers]
    first = first.properties(name='first').add_params(zoom)  # else Altair counts names up
    chart = alt.layer(first, *others).transform_filter(_SHOWN)
    chart = chart.add_params(hidden).properties(
        width='container', height=height,
        autosize=alt.AutoSizeParams(type='fit-x', contains='padding'))
    spec: Spec = chart.to_dict(validate=False)  # which takes seconds; tests do it
    del spec['config']  # the page's theme takes its place
    return {**spec, 'datasets': {_DATA: values}}


def _with_tooltip(layer: Any) -> Any:
    return layer if 'tooltip' in layer.encoding.to_dict() else layer.encode(tooltip=_tooltip())
