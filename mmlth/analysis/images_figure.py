"""Change of mAP from the dense net: a dot a training, its interval over images as a bar."""

from collections.abc import Sequence
from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmlth.analysis import style
from mmlth.analysis.images import CHANGE, HIGH, LOW
from mmlth.analysis.measurements import DENSE, Measurement

_ROW = 0.3  # inches


def draw_images(measured: Sequence[Measurement]) -> Figure:
    """Draw a panel a task: trainings as rows, their jobs beside each other within one."""
    tasks = list(dict.fromkeys(one.task for one in measured))
    trainings = list(dict.fromkeys(one.training for one in measured if one.training != DENSE))
    jobs = list(dict.fromkeys(one.job for one in measured))
    height = 1.1 + _ROW * max(2, len(trainings) * len(jobs))
    figure = style.new_figure(style.WIDTH, height * len(tasks))
    for axes, task in zip(figure.subplots(len(tasks), squeeze=False)[:, 0], tasks, strict=True):
        found = {(one.job, one.training, one.item): one.value for one in measured
                 if one.task == task}
        _panel(axes, found, trainings, jobs)
        style.dress(axes, title=f'{task}: lines are 95% of 1,000 draws of images',
                    x='mAP minus that of the dense net')
    return figure


def _panel(
    axes: Axes, found: dict[tuple[str, str, str], float], trainings: Sequence[str],
    jobs: Sequence[str],
) -> None:
    axes.axvline(0, color=style.GREY, linestyle='--', linewidth=1)
    for (row, training), (place, job) in product(enumerate(trainings), enumerate(jobs)):
        if (job, training, CHANGE) not in found:
            continue
        value, low, high = (found[job, training, item]
                            for item in (CHANGE, f'{CHANGE}, {LOW}', f'{CHANGE}, {HIGH}'))
        height = row + 0.6 * ((place + 0.5) / len(jobs) - 0.5)
        axes.plot([low, high], [height, height], color=style.COLOURS[0], linewidth=1.5)
        axes.plot(value, height, marker=style.TICKET_MARKER, markersize=4,
                  color=style.COLOURS[0])
    axes.set_yticks(range(len(trainings)), trainings)
    axes.set_ylim(len(trainings) - 0.5, -0.5)
