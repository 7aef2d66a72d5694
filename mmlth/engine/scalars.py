"""Give numbers that are known after a training to the visualizer backends of its config."""
import copy
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

FILES = 'LocalVisBackend'  # MMEngine's own: what is sent here lies in files of ours already


def add_scalars(
    cfg: Config, folder: str | Path, name: str, scalars: Mapping[int, Mapping[str, float]],
) -> bool:
    """Send scalars to TensorBoard, W&B or whatever else the config logs to.

    Args:
        cfg: Its ``visualizer``, or where that has none ``vis_backends``, names the backends.
        folder: Where those that write files write them.
        name: Of the visualizer.
        scalars: Step -> name -> value; values that aren't finite are left out.

    Returns:
        Whether the config has a backend other than MMEngine's own files, which get nothing.
    """
    named = (cfg.get('visualizer') or {}).get('vis_backends') or cfg.get('vis_backends') or []
    backends = [copy.deepcopy(each) for each in named if FILES not in str(each['type'])]
    if not backends:
        return False
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        visualizer = Visualizer(name=name, vis_backends=backends, save_dir=str(folder))
    for step, values in sorted(scalars.items()):
        shown = {key: value for key, value in values.items() if isfinite(value)}
        visualizer.add_scalars(shown, step=step)
    visualizer.close()
    return True
