"""Early-bird masks as a figure and a table: how near a step's mask is to the final one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from mmlth.analysis import style
from mmlth.core.mask_history import read_final

MOST_CURVES = 6


class MaskRow(TypedDict):
    """A stored mask beside the final one.

    ``step`` is of the optimizer, ``share`` that of the whole training, in [0, 1]; the others are
    those of :func:`mmlth.core.overlap.describe`.
    """

    step: int
    share: float
    iou: float
    chance_iou: float
    hamming: float
    chance_hamming: float
    distance: float


def plot_final_iou(folders: Mapping[str, str | Path], path: str | Path) -> Path:
    """Draw the IoU of the mask at each step with the final mask, beside the level of chance.

    Source: the right panel of the figure on early-bird masks in Girish et al., CVPR 2021.

    Args:
        folders: Label -> folder of a training's looks, with its ``final.json``; up to six.
        path: PNG, PDF or SVG to write.

    Raises:
        FileNotFoundError: A folder has no ``final.json``.
        ValueError: There are no folders, or more than six.
    """
    if not 1 <= len(folders) <= MOST_CURVES:
        raise ValueError(f'{len(folders)} curves: give one to {MOST_CURVES}')
    curves = {label: final_rows(folder) for label, folder in folders.items()}
    figure = style.new_figure(style.WIDTH, 3.8)
    axes = figure.subplots()
    for (label, masks), colour in zip(curves.items(), style.COLOURS, strict=False):
        by_chance = 'by chance' if len(curves) == 1 else f'{label}, by chance'
        x = [100 * mask['share'] for mask in masks]
        found = [mask['iou'] for mask in masks]
        chance = [mask['chance_iou'] for mask in masks]
        axes.plot(x, found, marker='.', color=colour, label=label)
        axes.plot(x, chance, linestyle='--', linewidth=1.2, color=colour, label=by_chance)
    axes.set_ylim(0, 1.04)
    style.dress(
        axes,
        title='How early the mask is found',
        x='training before the mask is taken (%)',
        y='IoU with the final mask',
    )
    axes.legend(loc='best', frameon=False, fontsize=8)
    return style.save_figure(figure, path)


def final_rows(folder: str | Path) -> list[MaskRow]:
    """Return a flat dict per stored mask, in order of steps.

    Raises:
        FileNotFoundError: The folder has no ``final.json``.
    """
    return [
        MaskRow(
            step=look['step'],
            share=look['step'] / look['max_iters'],
            iou=look['iou'],
            chance_iou=look['chance_iou'],
            hamming=look['hamming'],
            chance_hamming=look['chance_hamming'],
            distance=look['distance'],
        )
        for look in read_final(folder)['looks']
    ]
