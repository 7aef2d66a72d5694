"""How figures look: sizes, colours, markers, and the one function that writes a figure."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from mmlth.analysis.metrics import NOTHING
from mmlth.core.files import atomic_path

# Okabe and Ito's, told apart with any colour vision; their yellow is too pale for a line.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
GREY = '#666666'
BLACK = '#000000'
WIDTH = 6.4  # inches
TICKET_MARKER = 'o'
_CONTROL_MARKERS = 'sDv^P'
_NOTHING_MARKER, _NOTHING_SIZE = 'X', 8
COLLAPSED = 'a layer keeps less than 1% of its share'
_RING: dict[str, Any] = dict(
    marker='o', markersize=13, markerfacecolor='none', markeredgecolor=GREY, linestyle='')
EDGE = 0.03  # from the edge of the axes to the first cross, as a share of the axes
STEP = 0.09  # from there to the next
_NO_ENTRY = '_'  # labels that start so are in no legend
_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of this size in inches, which pyplot doesn't know of."""
    return Figure(figsize=(width, height), layout='constrained')


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure atomically, in the format of the suffix (PNG without one); return the path.

    The text of a PDF is TrueType, which publishers ask for, and it holds no time of writing.
    """
    path = Path(path)
    form = path.suffix[1:] or 'png'
    undated = {'CreationDate': None} if form == 'pdf' else None
    with matplotlib.rc_context({'pdf.fonttype': 42}), atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, format=form, metadata=undated)
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


@dataclass(frozen=True, kw_only=True)
class Cross:
    """A training, or the seeds of a point, for which nothing was detected.

    Attributes:
        x: Where the axes have it.
        colour: Of its line.
        is_open: Whether the outline alone is drawn, as for controls.
        note: Text over it.
        label: Its entry in a legend.
    """

    x: float
    colour: str
    is_open: bool = False
    note: str = ''
    label: str = NOTHING


def mark_nothing(axes: Axes, crosses: Iterable[Cross]) -> None:
    """Put crosses at the bottom of the axes, over each other where they share an x.

    A legend lists each label once.
    """
    transform = axes.get_xaxis_transform()
    taken: Counter[float] = Counter()
    labels: set[str] = set()
    for cross in crosses:
        y = EDGE + STEP * taken[cross.x]
        taken[cross.x] += 1
        label = cross.label if cross.label not in labels else _NO_ENTRY
        labels.add(cross.label)
        _draw_cross(axes, (cross.x, y), replace(cross, label=label), transform)
        if cross.note:
            axes.annotate(
                cross.note,
                (cross.x, y),
                xycoords=transform,
                xytext=(0, 5),
                textcoords='offset points',
                ha='center',
                fontsize=7,
                color=cross.colour,
            )


def mark_nothing_left(axes: Axes, y: float, cross: Cross) -> None:
    """Put a cross at the left edge of the axes, whatever its x."""
    _draw_cross(axes, (EDGE, y), cross, axes.get_yaxis_transform())


def _draw_cross(axes: Axes, place: tuple[float, float], cross: Cross, transform: Transform) -> None:
    axes.plot(
        *place,
        marker=_NOTHING_MARKER,
        markersize=_NOTHING_SIZE,
        linestyle='',
        color=cross.colour,
        markerfacecolor='white' if cross.is_open else cross.colour,
        label=cross.label,
        transform=transform,
    )


def mark_seeds(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Put a dot at the value of each seed of a point."""
    axes.plot(x, y, marker='.', markersize=4, linestyle='', color=BLACK, zorder=3)


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


def mark_collapsed(axes: Axes, x: float, y: float) -> None:
    """Put a ring around a point: a layer of its tickets is all but empty."""
    axes.plot(x, y, **_RING)


def collapsed_handle() -> Line2D:
    """Return the entry of :func:`mark_collapsed` for a legend."""
    return Line2D([], [], label=COLLAPSED, **_RING)


def short_tensor(name: str) -> str:
    """Return a tensor's name as a tick shows it.

    >>> short_tensor('roi_head.bbox_head.conv.weight')
    'bbox_head'
    """
    return name.removesuffix('.weight').removesuffix('.conv').replace('roi_head.', '')
