"""Early-bird masks as a figure and a table: how near the mask of a step is to the final one."""
from pathlib import Path
from typing import Any, Mapping

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

from mmlth.analysis.figures import _save  # noqa: E402
from mmlth.core.mask_history import read_final  # noqa: E402

_COLOURS = ('#1f5fa8', '#c8553d', '#3a8f5c', '#7d4fa0', '#b8860b', '#555555')
MOST_CURVES = len(_COLOURS)


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
    if not 1 <= len(folders) <= len(_COLOURS):
        raise ValueError(f'{len(folders)} curves: give one to {len(_COLOURS)}')
    curves = {label: read_final(folder)['looks'] for label, folder in folders.items()}
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout='constrained')
    for (label, looks), colour in zip(curves.items(), _COLOURS):
        x = [100 * look['step'] / look['max_iters'] for look in looks]
        axes.plot(x, [look['iou'] for look in looks], marker='.', color=colour, label=label)
        axes.plot(x, [look['chance_iou'] for look in looks], linestyle='--', linewidth=1.2, color=colour,
                  label='by chance' if len(curves) == 1 else f'{label}, by chance')
    axes.set_xlabel('training before the mask is taken (%)')
    axes.set_ylabel('IoU with the final mask')
    axes.set_ylim(0, 1.04)
    axes.set_title('How early the mask is found', fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc='best', frameon=False, fontsize=8)
    return _save(figure, path)


def final_rows(folder: str | Path) -> list[dict[str, Any]]:
    """Return a flat dict per stored mask: step, share of the training, how near it is to the final one."""
    names = ('iou', 'chance_iou', 'hamming', 'chance_hamming', 'distance')
    return [dict(step=look['step'], share=look['step'] / look['max_iters'], **{n: look[n] for n in names})
            for look in read_final(folder)['looks']]
