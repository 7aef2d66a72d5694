"""What panels of curves and panels of bars share: their type, colours and dense nets."""

import itertools
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mmlth.analysis import style
from mmlth.analysis.metrics import NOTHING
from mmlth.analysis.points import PlotPoint

Colours = dict[str, str]  # name of a line -> colour
DENSE = 'dense'
_NOTE_WIDTH = 60  # characters under a panel
_KEPT = '\xa0'  # a space at which no line ends
BAND = '3 sd of 5 runs'  # of the paper's points


@dataclass(frozen=True, kw_only=True)
class Panel:
    """How one pair of axes is filled, and its height in inches."""

    draw: Callable[[Axes], None]
    height: float


def assign_colours(lines: Iterable[str]) -> Colours:
    """Return a colour for each name of a line."""
    return dict(zip(dict.fromkeys(lines), itertools.cycle(style.COLOURS), strict=False))


def colours_beside(own: Colours, lines: Iterable[str]) -> Colours:
    """Return colours of another panel: lines of a shared name keep theirs, no other takes it.

    >>> colours_beside({'a': style.COLOURS[0]}, ['b', 'a']) == {
    ...     'b': style.COLOURS[1], 'a': style.COLOURS[0]}
    True
    """
    names = list(dict.fromkeys(lines))
    free = [colour for colour in style.COLOURS if colour not in own.values()] or style.COLOURS
    others = zip((name for name in names if name not in own), itertools.cycle(free), strict=False)
    return {**{name: own[name] for name in names if name in own}, **dict(others)}


def dense_handle() -> Line2D:
    """Return the entry of a dense net for a legend."""
    return Line2D([], [], color=style.GREY, linestyle='--', linewidth=1, label=DENSE)


def finish(axes: Axes, *, title: str, x: str, y: str) -> None:
    """Label a panel, and say so if nothing could be drawn in it."""
    if not axes.lines and not axes.patches:
        place = axes.transAxes
        axes.text(0.5, 0.5, 'no value', ha='center', transform=place, color=style.GREY)
    style.dress(axes, title=title, x=x, y=y)


def draw_dense(draw: Callable[..., Any], points: Sequence[PlotPoint], colours: Colours) -> str:
    """Draw a line for each value of a dense net.

    Args:
        draw: ``axvline`` or ``axhline`` of the axes.
        points: Of the panel.
        colours: Of its lines.

    Returns:
        A note for the label of the x axis: dense nets that no colour tells apart, and those that
        detected nothing.
    """
    dense = [point for point in points if point.dense]
    nets: dict[float, list[str]] = {}
    for point in dense:
        if point.has_value:
            nets.setdefault(point.y, []).append(point.line)
    grey = []
    for y, lines in nets.items():
        colour = colours.get(lines[0]) if len(lines) == 1 else None
        if colour is None:
            grey.append(f'{lines[0].removesuffix(", dense")} {y:.3g}')
        draw(
            y,
            color=colour or style.GREY,
            linestyle='--',
            linewidth=1,
            zorder=1.5,
            label=DENSE,
        )
    said = grey if len(grey) > 1 else []
    said = said + [_lost_note(point) for point in dense if point.lost]
    whole = '; '.join(each.replace(' ', _KEPT) for each in said)
    note = textwrap.fill(f'(dense: {whole})', _NOTE_WIDTH).replace(_KEPT, ' ')
    return f'\n{note}' if said else ''


def _lost_note(point: PlotPoint) -> str:
    seeds = f' in {point.lost} of {point.n} seeds' if point.n > 1 else ''
    return f'{point.line} {NOTHING}{seeds}'
