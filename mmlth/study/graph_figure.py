"""Draw the tasks of a study as a graph: a column for each level, an arrow to what waits."""
from collections.abc import Mapping
from pathlib import Path

from mmlth.analysis import style
from mmlth.study.folder import StudyFolder
from mmlth.study.states import STATES, state_of
from mmlth.study.tasks import Task, levels

_COLOURS = dict(zip(STATES, ('#009e73', '#0072b2', '#d55e00', '#c4c9d0'), strict=True))
_ARROW = dict(arrowstyle='-|>', color='#9aa3ad', lw=0.6, shrinkA=4, shrinkB=4)
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
    places = {task.name: (x, (tallest - len(column)) / 2 + y)
              for x, column in enumerate(columns) for y, task in enumerate(column)}
    height = min(20.0, 1 + 0.28 * tallest)
    figure = style.new_figure(3.2 * len(columns) + 1, height)
    axes = figure.add_subplot()
    for task in tasks.values():
        for need in task.needs:
            axes.annotate('', places[task.name], places[need], arrowprops=_ARROW)
    states = {name: state_of(task, folder) for name, task in tasks.items()}
    for state in STATES:
        chosen = [place for name, place in places.items() if states[name] == state]
        if chosen:
            axes.scatter(*zip(*chosen, strict=True), s=30, color=_COLOURS[state],
                         label=f'{state} ({len(chosen)})', zorder=3)
    if tallest <= _MOST_NAMED:
        for name, (x, y) in places.items():
            axes.text(x + 0.03, y, _short(tasks[name]), fontsize=6, va='center')
    axes.set_xlim(-0.2, len(columns) - 0.1)
    axes.invert_yaxis()
    axes.axis('off')
    axes.legend(loc='upper right', fontsize=7, frameon=False)
    return style.save_figure(figure, out)


def _short(task: Task) -> str:
    """Return what tells a task from its like: the end of its name without the digest."""
    control = task.name.removeprefix(task.job).lstrip('_')
    return control or task.job.rpartition('_')[0][-44:]
