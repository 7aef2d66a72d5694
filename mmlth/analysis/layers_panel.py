"""The panel that shows how much of each layer is pruned, and the paper's layers on its axis."""
import re
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes

from mmlth.analysis import style
from mmlth.analysis.curves import draw_curves
from mmlth.analysis.panels import Colours, Panel, finish
from mmlth.analysis.paper_columns import Y_LABELS
from mmlth.analysis.points import PlotPoint

PAPER = 'paper, at the same convolutions'
_HEIGHT = 4.4
_IN_A_STAGE = re.compile(r'backbone\.layer\d+\.\d+\.conv\d+\.weight$')  # in MMDet's ResNets


def layers_panel(
    names: Sequence[str],
    points: Sequence[PlotPoint],
    theirs: Sequence[PlotPoint],
    colours: Colours,
    *,
    title: str,
) -> Panel:
    """Return a panel with a place for each tensor.

    Args:
        names: Of the tensors.
        points: Pruned per cent at the places of the tensors.
        theirs: The paper's, likewise; [] without them.
        colours: Of the lines of the points.
        title: Over the panel.
    """

    def draw(axes: Axes) -> None:
        draw_curves(axes, points, colours)
        if theirs:
            x, y = zip(*((point.x, point.y) for point in theirs), strict=True)
            axes.plot(x, y, 's:', markersize=4, color=style.BLACK, label=PAPER)
            axes.legend(handles=axes.lines[-1:], loc='lower right', frameon=False)
        ticks = [style.short_tensor(name) for name in names]
        axes.set_xticks(range(len(names)), ticks, rotation=90, fontsize=8)
        finish(axes, title=title, x='', y=Y_LABELS['pruned'])

    return Panel(draw=draw, height=_HEIGHT)


def at_layers(points: Sequence[PlotPoint], names: Sequence[str]) -> list[PlotPoint]:
    """Put the paper's points for the 16 convolutions of a ResNet-18 on an axis of tensors.

    Args:
        points: In order of the convolutions.
        names: Of the tensors, as :func:`mmlth.analysis.points.layer_points` returns them.

    Returns:
        The points at the places of the convolutions in the stages of a backbone, shortcuts aside;
        [] where it has another number of them.
    """
    places = [float(i) for i, name in enumerate(names) if _IN_A_STAGE.match(name)]
    if len(places) != len(points):
        return []
    return [replace(point, x=place) for point, place in zip(points, places, strict=True)]
