"""The legend under an experiment's figure."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmlth.analysis import style
from mmlth.analysis.averages import average, collapsed_in
from mmlth.analysis.panels import Colours, dense_handle
from mmlth.analysis.rows import Row, control_note, dense_rows, nothing_detected

_CHARACTERS_PER_INCH = 13
_HANDLE = 7  # width of a handle with its gaps, in characters


def add_legend(figure: Figure, rows: Sequence[Row], colours: Colours, kind: str) -> None:
    """Explain lines, controls, dense nets, crosses and intervals.

    Args:
        figure: Gets the legend below its panels.
        rows: Those that it shows.
        colours: Of its lines.
        kind: Of the experiment.
    """
    handles = _lines(colours, kind)
    if kind != 'layers':  # which show neither controls nor metrics
        handles += _controls(rows, kind)
        handles += [dense_handle()] if dense_rows(rows) else []
        handles += [style.nothing_handle()] if any(map(nothing_detected, rows)) else []
        handles += [style.collapsed_handle()] if collapsed_in(rows) else []
    handles += _seeds(rows, kind)
    widest = max(len(str(handle.get_label())) for handle in handles)
    room = int(_CHARACTERS_PER_INCH * figure.get_figwidth() / (_HANDLE + widest))
    figure.legend(
        handles=handles,
        loc='outside lower center',
        frameon=False,
        fontsize=9,
        ncols=max(1, min(room, len(handles))),
    )


def _lines(colours: Colours, kind: str) -> list[Line2D]:
    is_bars = kind == 'bars'
    return [
        Line2D(
            [],
            [],
            color=colour,
            marker='s' if is_bars else style.TICKET_MARKER,
            linestyle='' if is_bars else '-',
            label=line,
        )
        for line, colour in colours.items()
    ]


def _controls(rows: Sequence[Row], kind: str) -> list[Line2D]:
    notes = [control_note(row['label'], row['control']) for row in rows]
    return [
        Line2D(
            [],
            [],
            color='white',
            marker='s' if kind == 'bars' else marker,
            markeredgecolor=style.GREY,
            label=f'control: {control}',
        )
        for control, marker in style.control_markers(notes).items()
        if control
    ]


def _seeds(rows: Sequence[Row], kind: str) -> list[Line2D]:
    """Say of how many seeds the intervals are, where there are any."""
    counts = sorted({group.n for group in average(rows, lambda row: 0.0)})
    if counts[-1] == 1:
        return []
    ends = dict.fromkeys([counts[0], counts[-1]])
    label = f'95% confidence, {"-".join(map(str, ends))} seeds, which are the dots'
    marker = '_' if kind == 'bars' else '|'
    grey = style.GREY
    return [Line2D([], [], color=grey, marker=marker, markersize=11, linestyle='', label=label)]
