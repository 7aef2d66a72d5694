"""Draw the tasks of a study as a graph: a column for each level, an arrow to what waits.

Rings are tasks of which every training is taken over from another.
"""
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

from mmlth.analysis import style
from mmlth.study.folder import StudyFolder
from mmlth.study.states import STATES, state_of
from mmlth.study.tasks import Task, levels

_COLOURS = dict(zip(STATES, ('#009e73', '#0072b2', '#d55e00', '#c4c9d0'), strict=True))
_ARROW = dict(arrowstyle='-|>', color='#9aa3ad', lw=0.6, shrinkA=4, shrinkB=4)
_PAPER = dict(facecolor='white', edgecolor='none', pad=0.5, alpha=0.8)
_MOST_NAMED = 60  # tasks in a column; above, names would cover each other


def draw(tasks: Mapping[str, Task], folder: StudyFolder, out: Path) -> Path:
    """Draw the graph and return the file.

    Args:
        tasks: Of the study.
        folder: Of the study, which tells what became of them.
        out: Image to write; its ending decides the format.
    """
    columns = levels(tasks)
    tallest = max(map(len, columns))
    places = _places(columns, tallest)
    figure = style.new_figure(3.2 * len(columns) + 1, min(20.0, 1 + 0.28 * tallest))
    axes = figure.add_subplot()
    for task in tasks.values():
        for need in task.needs:
            axes.annotate('', places[task.name], places[need], arrowprops=_ARROW)
    states = {name: state_of(task, folder) for name, task in tasks.items()}
    for state in STATES:
        of_state = [places[name] for name in tasks if states[name] == state]
        label = f'{state} ({len(of_state)})'
        _dots(axes, of_state, s=30, color=_COLOURS[state], label=label, zorder=3)
    taken_over = [places[name] for name, task in tasks.items() if not task.count]
    _dots(axes, taken_over, s=8, color='white', zorder=4)
    if tallest <= _MOST_NAMED:
        start = _common_start([task.job for task in tasks.values()])
        for name, (x, y) in places.items():
            axes.text(x + 0.04, y, _short(tasks[name], start), fontsize=6, va='center', bbox=_PAPER)
    axes.set_xlim(-0.2, len(columns) - 0.1)
    axes.invert_yaxis()
    axes.axis('off')
    axes.legend(loc='upper right', fontsize=7, frameon=False)
    return style.save_figure(figure, out)


def _dots(axes: Any, places: Sequence[tuple[float, float]], **look: Any) -> None:
    if places:
        axes.scatter(*zip(*places, strict=True), **look)


def _places(columns: Sequence[Sequence[Task]], height: int) -> dict[str, tuple[float, float]]:
    """Return task -> (x, y): each column as tall as the others, near what its tasks need."""
    places: dict[str, tuple[float, float]] = {}
    for x, column in enumerate(columns):
        above = {task.name: fmean(places[name][1] for name in task.needs) if task.needs else 0
                 for task in column}
        for i, task in enumerate(sorted(column, key=lambda task: above[task.name])):
            places[task.name] = (x, (i + 0.5) / len(column) * height)
    return places


def _common_start(names: Sequence[str]) -> str:
    """Return the parts between underscores that all names start with."""
    words = [name.split('_') for name in names]
    same = takewhile(lambda parts: len(set(parts)) == 1, zip(*words, strict=False))
    return '_'.join(parts[0] for parts in same)


def _short(task: Task, start: str) -> str:
    """Return what tells a task from its like: no digest, and not what all names start with."""
    control = task.name.removeprefix(task.job).lstrip('_')
    return control or task.job.removeprefix(start).rpartition('_')[0].lstrip('_')
