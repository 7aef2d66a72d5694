"""Figures of error barriers: along one path, and against the step that was rewound to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmlth.analysis import style
from mmlth.analysis.barriers import LOSS, Point, main_of, values_of
from mmlth.analysis.metrics import NOTHING, short_name

MATCHING = {True: 'matching', False: 'not matching', None: 'no dense net to compare with'}


def plot_path(
    points: Sequence[Point], barriers: Mapping[str, Mapping[str, float]], path: str | Path,
) -> Path:
    """Draw metrics and loss along a path, a panel each, with the barrier as an arrow.

    Args:
        points: Of the path, from 0 to 1.
        barriers: Name -> barrier, as :func:`mmlth.analysis.barriers.barriers_of` gives them.
        path: PNG, PDF or SVG to write.
    """
    names = [*main_of(points), LOSS]
    figure, panels = _panels(len(names))
    for axes, name, colour in zip(panels, names, style.COLOURS, strict=False):
        _path(axes, points, name, barriers[name], colour)
    return style.save_figure(figure, path)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    figure = style.new_figure(3.6 * count, 3.4)
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _path(
    axes: Axes, points: Sequence[Point], name: str, barrier: Mapping[str, float], colour: str,
) -> None:
    x = [100 * point['share'] for point in points]
    y = values_of(points, name)
    axes.plot(x, y, marker=style.TICKET_MARKER, color=colour)
    axes.plot([0, 100], [y[0], y[-1]], linestyle='--', linewidth=1, color=style.GREY)
    share, height = barrier['share'], barrier['height']
    if height:
        line = (1 - share) * y[0] + share * y[-1]
        end = line + height if name == LOSS else line - height
        axes.annotate('', (100 * share, end), (100 * share, line),
                      arrowprops=dict(arrowstyle='<->', color=style.GREY))
    if name != LOSS:
        lost = [point for point in points if name not in point['metrics']]
        style.mark_nothing(
            axes, [style.Cross(x=100 * p['share'], colour=style.GREY) for p in lost])
        if lost:
            axes.legend([style.nothing_handle()], [NOTHING], frameon=False, fontsize=8)
    title = 'training loss' if name == LOSS else short_name(name)
    style.dress(axes, title=f'{title}: barrier {height:.3f}', x='share of the second net (%)')


def plot_against_k(results: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Draw barriers against k; a filled marker is a pair of nets that match the dense one.

    Args:
        results: Of :func:`mmlth.analysis.barriers.load_barriers`.
        path: PNG, PDF or SVG to write.
    """
    names = list(dict.fromkeys(name for each in results for name in each['barriers']))
    figure, panels = _panels(len(names))
    for axes, name, colour in zip(panels, names, style.COLOURS, strict=False):
        _against_k(axes, [each for each in results if name in each['barriers']], name, colour)
    return style.save_figure(figure, path)


def _against_k(
    axes: Axes, results: Sequence[Mapping[str, Any]], name: str, colour: str,
) -> None:
    for matching, face in ((True, colour), (False, 'white'), (None, style.GREY)):
        own = [each for each in results if each['matching'] is matching]
        if own:
            heights = [each['barriers'][name]['height'] for each in own]
            axes.plot([each['k'] for each in own], heights, style.TICKET_MARKER, color=colour,
                      markerfacecolor=face, label=MATCHING[matching])
    style.dress(axes, title=f'barrier of {short_name(name)}', x='k, the step rewound to')
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
