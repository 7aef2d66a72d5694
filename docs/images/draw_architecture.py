#!/usr/bin/env python
"""Draw docs/images/architecture.png: the rooms of mmlth, and who uses whom."""
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

OUT = Path(__file__).with_name('architecture.png')
INK, SOFT = '#22303c', '#6b7a88'
# name, what lives there, x, y, width, height, colour
ROOMS = [
    ('tools', 'parse, call, exit code', 0.2, 8.5, 11.8, 0.8, '#eef1f4'),
    ('transfer', 'a ticket for another model', 0.2, 7.2, 4.4, 0.9, '#e3ecf7'),
    ('study', 'grids of jobs, their pages', 5.2, 7.2, 4.4, 0.9, '#e3ecf7'),
    ('analysis', 'records ->\ntables, figures', 10.1, 2.7, 1.9, 5.4, '#e3ecf7'),
]
ENGINE = ('engine: MMEngine, and nothing of MMDetection', 0.2, 2.7, 9.4, 4.1, '#fff6e5')
CORE = ('core: tensors in, tensors out; files', 0.2, 0.2, 11.8, 2.1, '#e8f4ec')
MIDDLE = [
    ('imp_runner', 'the loop: finished?\nprune, train, finish', 0.5, 5.0, 2.2, 1.2),
    ('job', 'what rank 0 does:\nplan, ticket, record', 3.2, 5.0, 2.2, 1.2),
    ('net', 'weights, aliases,\ngroups, initial state', 6.0, 5.55, 3.3, 0.8),
    ('settings, trainings', 'the list of what is trained', 6.0, 4.7, 3.3, 0.65),
    ('policies', 'MASKS and STARTS: every\ncontrol and rewind policy', 6.0, 3.75, 3.3, 0.8),
    ('round_config, train', 'one MMEngine training', 0.5, 3.9, 4.9, 0.65),
    ('hooks, wrapper', 'capture w_k, rewind, keep m * w, watch the mask', 0.5, 2.9, 8.8, 0.65),
]
BASE = [
    ('store', 'owns the work dir: tickets,\nrecords, checkpoints, lock', 0.5, 0.5, 2.9, 1.0),
    ('criteria, selection', 'score, then who survives', 3.7, 0.5, 2.7, 1.0),
    ('masks, ticket', 'm, w_k and their files', 6.7, 0.5, 2.4, 1.0),
    ('roles, scope', 'what may be pruned', 9.4, 0.5, 2.3, 1.0),
]


def main() -> None:
    figure = Figure(figsize=(10.5, 8.2), layout='constrained')
    axes = figure.subplots()
    axes.set(xlim=(0, 12.2), ylim=(0, 9.5))
    axes.axis('off')
    for name, text, *place in ROOMS:
        _room(axes, *place, title=name, text=text)
    for title, x, y, width, height, colour in (ENGINE, CORE):
        _room(axes, x, y, width, height, colour)
        axes.text(x + 0.2, y + height - 0.17, title, va='top', size=10.5, color=INK, weight='bold')
    for name, text, *place in [*MIDDLE, *BASE]:
        _room(axes, *place, 'white', title=name, text=text)
    _arrows(axes)
    figure.savefig(OUT, dpi=110)


def _room(
    axes: Any, x: float, y: float, width: float, height: float, colour: str, *, title: str = '',
    text: str = '',
) -> None:
    box = FancyBboxPatch((x, y), width, height, boxstyle='round,pad=0,rounding_size=0.12',
                         facecolor=colour, edgecolor=SOFT, linewidth=1)
    axes.add_patch(box)
    if title:
        lines = text.count('\n') + 1
        top = y + height / 2 + 0.12 * lines
        axes.text(x + width / 2, top, title, ha='center', va='center', size=10.5, color=INK,
                  weight='bold')
        axes.text(x + width / 2, top - 0.16, text, ha='center', va='top', size=9, color=INK)


def _arrows(axes: Any) -> None:
    """An arrow says who uses whom; none points up."""
    for x in (2.4, 7.4, 11.05):
        _arrow(axes, (x, 8.5), (x, 8.12))
    _arrow(axes, (5.2, 7.65), (4.62, 7.65))
    _arrow(axes, (9.6, 7.65), (10.08, 7.65))
    for x in (2.4, 7.4):
        _arrow(axes, (x, 7.2), (x, 6.82))
    for x in (4.9, 11.05):
        _arrow(axes, (x, 2.7), (x, 2.32))
    _arrow(axes, (2.7, 5.6), (3.18, 5.6))
    for y in (5.95, 5.05, 4.2):
        _arrow(axes, (5.4, 5.6), (5.98, y))
    _arrow(axes, (1.6, 5.0), (1.6, 4.57))
    _arrow(axes, (2.9, 3.9), (2.9, 3.57))


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate('', end, start, arrowprops=dict(arrowstyle='->', color=INK, linewidth=1.2))


if __name__ == '__main__':
    main()
