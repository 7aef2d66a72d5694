"""Figure of masks and signs: every ticket against every other."""
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mmlth.analysis import style


def plot_pairs(found: dict[str, Any], path: str | Path) -> Path:
    """Draw IoU of masks, and signs of trained weights, in a field for every two tickets.

    Below the diagonal what was found, above it what chance would give.

    Args:
        found: Of :func:`mmlth.analysis.mask_pairs.compare_all`.
        path: PNG, PDF or SVG to write.
    """
    names = [each['name'] for each in found['tickets']]
    width = 1.6 + 0.75 * len(names)
    figure = style.new_figure(2 * width, width)
    left, right = figure.subplots(1, 2)
    masks = [(each['names'], each['iou'], each['chance_iou']) for each in found['pairs']]
    signs = [(each['names'], each['end_signs']['equal'], each['end_signs']['chance'])
             for each in found['pairs'] if each['end_signs']]
    _fields(left, names, masks, 'IoU of masks')
    _fields(right, names, signs, 'equal signs of trained weights')
    return style.save_figure(figure, path)


def _fields(
    axes: Axes, names: list[str], values: list[tuple[list[str], float, float]], title: str,
) -> None:
    table = np.full((len(names), len(names)), np.nan)
    for (first, second), found, chance in values:
        row, column = names.index(second), names.index(first)
        table[row, column], table[column, row] = found, chance
    axes.imshow(table, vmin=0, vmax=1, cmap='viridis')
    for row, column in np.argwhere(~np.isnan(table)):
        value = table[row, column]
        axes.text(column, row, f'{value:.2f}', ha='center', va='center', fontsize=8,
                  color='black' if value > 0.6 else 'white')
    axes.set_xticks(range(len(names)), names, rotation=30, ha='right', fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title(f'{title}\n(below the diagonal; above it by chance)', fontsize=9)
    axes.spines[:].set_visible(False)
