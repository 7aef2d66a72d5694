"""Points of a figure as the data of a chart: numbers to place them, words for hovering."""

import math
from typing import Any

from mmlth.analysis import style
from mmlth.analysis.metrics import NOTHING
from mmlth.analysis.points import PlotPoint
from mmlth.analysis.rows import place_name


def chart_values(point: PlotPoint, x: str) -> dict[str, Any]:
    """Return a point as data of a chart; numbers that are missing are left out.

    Args:
        point: To draw.
        x: Label of its axis, '' where it has none.
    """
    numbers = {key: _short(getattr(point, key)) for key in ('x', 'y', 'low', 'high')}
    at = place_name('', point.x, x) if math.isfinite(point.x) and x else point.label
    notes = [f'{point.n} seed{"s" * (point.n != 1)}']
    notes += [f'control: {point.control}'] if point.control else []
    notes += [f'{NOTHING} in {point.lost} of {point.n}'] if point.lost else []
    notes += [style.COLLAPSED] if point.collapsed else []
    said: dict[str, Any] = dict(
        line=point.line, label=point.label, at=at, control=point.control, value=_value(point),
        note='; '.join(notes))
    flags = {key: True for key in ('dense', 'lost', 'collapsed') if getattr(point, key)}
    return said | flags | {key: number for key, number in numbers.items() if number is not None}


def _value(point: PlotPoint) -> str:
    if not point.has_value:
        return NOTHING if point.lost else '-'
    if not math.isfinite(point.low):
        return f'{point.y:.4g}'
    return f'{point.y:.4g} [{point.low:.4g}, {point.high:.4g}]'


def _short(number: float) -> float | None:
    return float(f'{number:.5g}') if math.isfinite(number) else None
