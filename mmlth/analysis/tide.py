"""Which errors cost the most AP, by TIDE.

Source: Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020;
the package ``tidecv``.
"""

import math
from typing import Any

from mmlth.analysis.predictions import Predictions, truth_of

ERRORS = ('Cls', 'Loc', 'Both', 'Dupe', 'Bkg', 'Miss')
_FOREGROUND, _BACKGROUND = 0.5, 0.1  # IoU of a true detection, and of one of the background
_MOST_FOUND = 100
_POINTS = 100.0


def import_tide() -> Any:
    """Return ``tidecv``.

    Raises:
        RuntimeError: It isn't installed; says how to get it.
    """
    try:
        import tidecv
        import tidecv.quantify
    except ImportError as error:
        raise RuntimeError(
            f"errors of boxes and masks need the package tidecv ({error}): `pip install "
            "'mmlth[errors]'`, or leave them out with --questions") from error
    return tidecv


def tide_errors(predictions: Predictions, task: str) -> dict[str, float]:
    """Return error -> points of AP50 (0 to 100) that mending it alone would gain.

    Cls: of the wrong class. Loc: IoU of 0.1 to 0.5. Both: both. Dupe: a second detection of an
    object. Bkg: of the background. Miss: objects that nothing was near.

    Args:
        predictions: With results of the task.
        task: 'bbox' or 'segm'.

    Returns:
        NaN for all where there is no object.

    Raises:
        RuntimeError: ``tidecv`` isn't installed.
    """
    tidecv = import_tide()
    truth, has_objects = _truth(tidecv, predictions, task)
    if not has_objects:
        return dict.fromkeys(ERRORS, math.nan)
    found = tidecv.Data('found', max_dets=_MOST_FOUND)
    for one in predictions.found[task]:
        found.add_detection(
            one['image_id'], one['category_id'], one['score'],
            **_region(task, one['bbox'] if task == 'bbox' else one['segmentation']))
    mode = tidecv.TIDE.BOX if task == 'bbox' else tidecv.TIDE.MASK
    run = tidecv.quantify.TIDERun(truth, found, _FOREGROUND, _BACKGROUND, mode, _MOST_FOUND)
    kinds = {kind.short_name: kind for kind in run.error_dict}
    return {name: _gain(run, kinds[name]) for name in ERRORS}


def _gain(run: Any, kind: Any) -> float:
    try:
        return float(run.fix_main_errors(error_types=[kind])[kind])
    except ZeroDivisionError:  # once these are mended, tidecv has no class left to average over
        return _POINTS - float(run.ap)


def _truth(tidecv: Any, predictions: Predictions, task: str) -> tuple[Any, bool]:
    """Return the ground truth in the form of tidecv, and whether it holds any object."""
    coco = truth_of(predictions)
    data = tidecv.Data('truth', max_dets=_MOST_FOUND)
    for image in coco.dataset['images']:
        data.add_image(image['id'], str(image['id']))
    for number, name in predictions.categories.items():
        data.add_class(number, name)
    objects = 0
    for ann in coco.dataset['annotations']:
        region = _region(task, ann['bbox'] if task == 'bbox' else coco.annToRLE(ann))
        add = data.add_ignore_region if ann['iscrowd'] else data.add_ground_truth
        add(ann['image_id'], ann['category_id'], **region)
        objects += not ann['iscrowd']
    return data, objects > 0


def _region(task: str, region: Any) -> dict[str, Any]:
    return {'box' if task == 'bbox' else 'mask': region}
