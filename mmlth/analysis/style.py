"""How figures look: sizes, colours, markers, and the one function that writes a figure."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from mmlth.analysis.metrics import NOTHING
from mmlth.core.files import atomic_path

# Okabe and Ito's, told apart with any colour vision; their yellow is too pale for a line.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
GREY = '#666666'
WIDTH = 6.4  # inches
TICKET_MARKER = 'o'
_CONTROL_MARKERS = 'sDv^P'
_NOTHING_MARKER, _NOTHING_SIZE = 'X', 8
EDGE = 0.03  # how far from the edge crosses are, as a share of the axes
_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of this size in inches, which pyplot doesn't know of."""
    return Figure(figsize=(width, height), layout='constrained')


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure atomically, in the format of the suffix (PNG without one); return the path."""
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, format=path.suffix[1:] or 'png')
    return path


def dress(axes: Axes, *, title: str, x: str = '', y: str = '') -> None:
    """Label axes, and give them the grid and the frame of all figures."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)


def control_markers(controls: Iterable[str]) -> dict[str, str]:
    """Return control -> marker; '' is the ticket."""
    names = dict.fromkeys(control for control in controls if control)
    markers = dict(zip(names, itertools.cycle(_CONTROL_MARKERS), strict=False))
    return {'': TICKET_MARKER, **markers}


def mark_nothing(axes: Axes, x: Sequence[float], colour: str, *, is_open: bool = False) -> None:
    """Put a cross at the bottom of the axes for each x at which a model detected nothing.

    Args:
        axes: Their limits don't change along y.
        x: In the data's unit.
        colour: Of the crosses.
        is_open: Draw the outline alone, as for controls.
    """
    _cross(axes, x, [EDGE] * len(x), axes.get_xaxis_transform(), colour, is_open)


def mark_nothing_left(axes: Axes, y: float, colour: str, *, is_open: bool = False) -> None:
    """Put a cross at the left edge of the axes; see :func:`mark_nothing`."""
    _cross(axes, [EDGE], [y], axes.get_yaxis_transform(), colour, is_open)


def _cross(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    transform: Transform,
    colour: str,
    is_open: bool,
) -> None:
    axes.plot(
        x,
        y,
        marker=_NOTHING_MARKER,
        markersize=_NOTHING_SIZE,
        linestyle='',
        color=colour,
        markerfacecolor='white' if is_open else colour,
        label=NOTHING,
        transform=transform,
    )


def nothing_handle() -> Line2D:
    """Return the entry of :func:`mark_nothing` for a legend of several lines."""
    return Line2D(
        [],
        [],
        color=GREY,
        marker=_NOTHING_MARKER,
        markersize=_NOTHING_SIZE,
        linestyle='',
        label=NOTHING,
    )


def short_tensor(name: str) -> str:
    """Return a tensor's name as a tick shows it.

    >>> short_tensor('roi_head.bbox_head.conv.weight')
    'bbox_head'
    """
    return name.removesuffix('.weight').removesuffix('.conv').replace('roi_head.', '')
