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
    ('cli, tools', 'parse, call, exit code', 0.2, 10.0, 11.8, 0.8, '#eef1f4'),
    ('trained', 'evaluate, export, barriers', 0.2, 8.7, 3.0, 0.9, '#e3ecf7'),
    ('transfer', 'a ticket for another model', 3.6, 8.7, 2.8, 0.9, '#e3ecf7'),
    ('study', 'grids of jobs, their pages', 6.8, 8.7, 2.8, 0.9, '#e3ecf7'),
    ('html_report', 'all of it on a page', 10.1, 8.7, 1.9, 0.9, '#e3ecf7'),
    ('analysis', 'records ->\ntables, figures', 10.1, 2.7, 1.9, 5.6, '#e3ecf7'),
]
# title, x, y, width, height, colour of a room that holds others
HALLS = [
    ('job: before, between and after the trainings', 1.1, 5.9, 6.0, 2.4, '#fff6e5'),
    ('settings:\nwhat is asked', 7.5, 2.7, 2.1, 5.6, '#fff6e5'),
    ('engine: one training in MMEngine, nothing of MMDetection', 0.2, 2.7, 6.9, 2.8, '#fff6e5'),
    ('core: tensors in, tensors out; files', 0.2, 0.2, 11.8, 2.1, '#e8f4ec'),
]
MIDDLE = [
    ('imp_runner', 'the loop: finished?\nprune, train, finish', 1.25, 6.7, 1.8, 1.0),
    ('rank_0', 'what rank 0 does:\nplan, ticket, record', 3.2, 6.7, 1.8, 1.0),
    ('policies', 'MASKS and STARTS:\ncontrols, rewinds', 5.15, 6.7, 1.8, 1.0),
    ('preflight, rehearsal, claim, identity', 'what can fail, fails first', 1.25, 6.0, 5.7, 0.55),
    ('imp_config', 'settings, flags', 7.65, 6.3, 1.8, 1.0),
    ('trainings', 'the list of\nwhat is trained', 7.65, 4.8, 1.8, 1.0),
    ('fields, checks', 'defaults, and what\ncontradicts', 7.65, 3.3, 1.8, 1.0),
    ('net', 'weights, aliases,\ngroups, initial state', 3.9, 3.75, 3.1, 0.85),
    ('round_config, train', 'one MMEngine training', 0.4, 3.75, 3.2, 0.85),
    ('hooks, wrapper', 'capture w_k, rewind, keep m * w, watch the mask', 0.4, 2.9, 6.6, 0.65),
]
BASE = [
    ('store', 'owns the work dir: tickets,\nrecords, checkpoints, lock', 0.5, 0.5, 2.9, 1.0),
    ('criteria, selection', 'score, then who survives', 3.7, 0.5, 2.7, 1.0),
    ('masks, ticket', 'm, w_k and their files', 6.7, 0.5, 2.4, 1.0),
    ('roles, scope', 'what may be pruned', 9.4, 0.5, 2.3, 1.0),
]


def main() -> None:
    figure = Figure(figsize=(10.5, 9.3), layout='constrained')
    axes = figure.subplots()
    axes.set(xlim=(0, 12.2), ylim=(0, 11))
    axes.axis('off')
    for name, text, *place in ROOMS:
        _room(axes, *place, title=name, text=text)
    for title, x, y, width, height, colour in HALLS:
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
    for x in (1.7, 5.0, 8.2, 11.05):
        _arrow(axes, (x, 10.0), (x, 9.62))
    _arrow(axes, (6.8, 9.15), (6.42, 9.15))
    _arrow(axes, (3.6, 9.15), (3.22, 9.15))
    _arrow(axes, (0.65, 8.7), (0.65, 5.52))
    _arrow(axes, (9.6, 9.15), (10.08, 9.15))
    for x in (5.0, 8.55, 11.05):
        _arrow(axes, (x, 8.7), (x, 8.32))
    for y in (7.1, 4.1):
        _arrow(axes, (7.1, y), (7.48, y))
    _arrow(axes, (3.6, 5.9), (3.6, 5.52))
    for x in (3.6, 8.55, 11.05):
        _arrow(axes, (x, 2.7), (x, 2.32))
    _arrow(axes, (3.05, 7.2), (3.18, 7.2))
    _arrow(axes, (5.0, 7.2), (5.13, 7.2))
    _arrow(axes, (2.8, 3.75), (2.8, 3.57))


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate('', end, start, arrowprops=dict(arrowstyle='->', color=INK, linewidth=1.2))


if __name__ == '__main__':
    main()
