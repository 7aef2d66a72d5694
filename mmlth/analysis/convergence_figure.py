"""The figure of loss and mAP along trainings."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from mmlth.analysis import style
from mmlth.analysis.convergence import Followed, Points, dense_metrics, steps_to_reach
from mmlth.analysis.measurements import DENSE
from mmlth.analysis.metrics import short_name


def plot_convergence(followed: Followed, path: Path) -> Path:
    """Draw loss and main metrics of every training; jobs share the colour of a label.

    A dashed line is what a dense net ended with. A ring on it marks the first evaluation at which
    a training is there.
    """
    dense = dense_metrics(followed)
    metrics = list(dict.fromkeys(name for own in dense.values() for name in own))
    figure = style.new_figure(style.WIDTH, 2.8 * (1 + len(metrics)))
    above, *below = figure.subplots(1 + len(metrics), 1, squeeze=False, sharex=True)[:, 0]
    colours = _colours(followed)
    for one, curves in followed:
        _draw(above, curves.loss, color=colours[one.label])
        for axes, metric in zip(below, metrics, strict=True):
            points = curves.metrics.get(metric, [])
            target = dense[one.job].get(metric)
            _draw(axes, points, color=colours[one.label], marker='.')
            if target is not None:
                axes.axhline(target, color=style.GREY, linestyle='--', linewidth=1)
                axes.plot(steps_to_reach(points, target), target, marker='o', markersize=8,
                          color=colours[one.label], markerfacecolor='none')
    style.dress(above, title='Loss in training', y='loss')
    for axes, metric in zip(below, metrics, strict=True):
        title = "Evaluations; dashed: the dense net's last one"
        style.dress(axes, title=title, x='optimizer steps', y=short_name(metric))
    for label, colour in colours.items():
        above.plot([], [], color=colour, label=label)
    above.legend(frameon=False, fontsize=9)
    return style.save_figure(figure, path)


def _colours(followed: Followed) -> dict[str, str]:
    others = dict.fromkeys(one.label for one, _ in followed if one.label != DENSE)
    several = style.COLOURS * (1 + len(others) // len(style.COLOURS))
    return {DENSE: style.GREY, **dict(zip(others, several, strict=False))}


def _draw(axes: Axes, points: Points, **looks: Any) -> None:
    axes.plot([x for x, _ in points], [y for _, y in points], linewidth=1.2, **looks)
