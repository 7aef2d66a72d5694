"""Figure of a deployed detector: what every layer takes, in torch and skipping zeros."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmlth.analysis import style

_ROW, _MARGIN = 0.2, 1.3  # inches


def plot_plan(plan: Mapping[str, Any], path: str | Path) -> Path:
    """Draw two bars for each layer, and how much of its weight is kept; that which runs is dark.

    Args:
        plan: As the ``plan.json`` of a deployed detector has it: ``layers``, ``threads``,
            ``processor``.
        path: PNG, PDF or SVG to write.
    """
    layers = plan['layers']
    figure = style.new_figure(1.2 * style.WIDTH, _MARGIN + _ROW * len(layers))
    axes = figure.subplots()
    rows = np.arange(len(layers))
    sparse = np.array([layer['sparse'] for layer in layers.values()], dtype=bool)
    for offset, key, runs, colour, label in (
            (-0.2, 'torch_ms', ~sparse, style.GREY, 'torch'),
            (0.2, 'sparse_ms', sparse, style.COLOURS[0], 'skipping zeros')):
        times = np.array([layer[key] for layer in layers.values()])
        axes.barh(rows + offset, times, 0.38, color=colour, alpha=0.35)
        axes.barh((rows + offset)[runs], times[runs], 0.38, color=colour, label=f'{label}: planned')
    for row, layer in zip(rows, layers.values(), strict=True):
        longer = max(layer['torch_ms'], layer['sparse_ms'])
        axes.annotate(f'{layer["kept"] / layer["weights"]:.0%} kept', (longer, row), (4, 0),
                      textcoords='offset points', va='center', fontsize=6, color=style.GREY)
    axes.set_yticks(rows, list(layers), fontsize=7)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.margins(x=0.12)
    style.dress(axes, title=f'{plan["threads"]} thread(s) of {plan["processor"]}',
                x='ms of all calls for one image (pale: not planned)')
    axes.legend(loc='lower right', fontsize=8)
    return style.save_figure(figure, path)
