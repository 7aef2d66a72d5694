"""Bars of what analyses measured: a panel a task and question, a colour a training."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmlth.analysis import style
from mmlth.analysis.measurements import DENSE, Mean, Measurement

_PANEL = 3.4  # inches
_SHARE = 0.8  # of the room of an item that its bars take
MOST_ITEMS = 24  # that a panel has room for


def draw_groups(
    means: Sequence[Mean], measured: Sequence[Measurement], units: Mapping[str, str],
) -> Figure:
    """Draw the mean of every item and training, and each job as a dot where there are several.

    Panels of a task whose units are the same share their axis.

    Args:
        means: Of the questions to draw; a panel of more than :data:`MOST_ITEMS` is left out.
        measured: What they are the means of.
        units: Question -> what its bars are.
    """
    rows = _panels(means)
    columns = max(map(len, rows.values()))
    figure = style.new_figure(max(style.WIDTH, 1 + _PANEL * columns), 0.6 + 3.1 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    trainings = list(dict.fromkeys(mean.training for mean in means))
    for line, (task, questions) in zip(grid, rows.items(), strict=True):
        for axes in line[len(questions):]:
            axes.set_visible(False)
        first: dict[str, Axes] = {}
        for axes, (question, own) in zip(line, questions.items(), strict=False):
            unit = units[question]
            if unit in first:
                axes.sharey(first[unit])
            _panel(axes, own, trainings)
            _dots(axes, own, trainings, measured)
            style.dress(axes, title=f'{task}: {question}', y='' if unit in first else unit)
            first.setdefault(unit, axes)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    n = max(mean.n for mean in means)
    note = 'one job' if n == 1 else f'mean of {n} jobs, which are the dots'
    figure.legend(handles, labels, title=note, loc='outside lower center', ncols=5, frameon=False,
                  fontsize=9, title_fontsize=9)
    return figure


def _panels(means: Sequence[Mean]) -> dict[str, dict[str, list[Mean]]]:
    """Return task -> question -> its means, without the panels that have no room."""
    found: dict[str, dict[str, list[Mean]]] = {}
    for mean in means:
        found.setdefault(mean.task, {}).setdefault(mean.question, []).append(mean)
    return {task: {question: own for question, own in questions.items()
                   if len(_items(own)) <= MOST_ITEMS}
            for task, questions in found.items()}


def _items(means: Sequence[Mean]) -> list[str]:
    return list(dict.fromkeys(mean.item for mean in means))


def _panel(axes: Axes, means: Sequence[Mean], trainings: Sequence[str]) -> None:
    items = _items(means)
    for training in trainings:
        own = {mean.item: mean.value for mean in means if mean.training == training}
        places = [_place(items.index(item), training, trainings) for item in own]
        axes.bar(places, list(own.values()), width=_SHARE / len(trainings),
                 color=_colour(training, trainings), label=training)
    long = sum(map(len, items)) > 28
    axes.set_xticks(range(len(items)), items, fontsize=8, rotation=30 if long else 0,
                    ha='right' if long else 'center')


def _dots(
    axes: Axes, means: Sequence[Mean], trainings: Sequence[str], measured: Sequence[Measurement],
) -> None:
    """Draw each job's value, where a mean is of several."""
    items = _items(means)
    several = {(mean.question, mean.task, mean.item, mean.training) for mean in means if mean.n > 1}
    for one in measured:
        if (one.question, one.task, one.item, one.training) in several:
            place = _place(items.index(one.item), one.training, trainings)
            axes.plot(place, one.value, marker='.', markersize=4, color='black', zorder=3)


def _place(item: int, training: str, trainings: Sequence[str]) -> float:
    return item + _SHARE * ((trainings.index(training) + 0.5) / len(trainings) - 0.5)


def _colour(training: str, trainings: Sequence[str]) -> str:
    others = [name for name in trainings if name != DENSE]
    if training == DENSE:
        return style.GREY
    return style.COLOURS[others.index(training) % len(style.COLOURS)]
