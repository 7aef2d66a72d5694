"""Match dumped predictions with their ground truth, as COCO does it."""

import io
import math
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmlth.analysis.predictions import Annotation, Predictions, results_of, truth_of

Range = tuple[float, float]
EVERY: Mapping[str, Range] = {'all': (0, math.inf)}
_MOST_FOUND = dict(keypoints=20)  # detections an image, as COCO has them
_OTHERWISE_FOUND = 100


def evaluated(
    predictions: Predictions, task: str, ranges: Mapping[str, Range] = EVERY,
    measure: Callable[[Annotation], float] | None = None,
) -> COCOeval:
    """Return an evaluator that has matched every image, category and range; not yet accumulated.

    Args:
        predictions: With results of the task.
        task: 'bbox', 'segm' or 'keypoints'.
        ranges: Name -> least and greatest area, in square pixels.
        measure: What takes the place of the area; None keeps it.
    """
    truth = truth_of(predictions)
    found = results_of(predictions, task, truth)
    if measure is not None:  # COCOeval looks at the field 'area' alone to see what is in a range
        _remeasure(truth, measure)
        _remeasure(found, measure)
    evaluator = COCOeval(truth, found, task)
    evaluator.params.catIds = list(predictions.categories)
    evaluator.params.areaRng = [list(limits) for limits in ranges.values()]
    evaluator.params.areaRngLbl = list(ranges)
    evaluator.params.maxDets = [_MOST_FOUND.get(task, _OTHERWISE_FOUND)]
    if task == 'keypoints':
        evaluator.params.kpt_oks_sigmas = np.asarray(predictions.sigmas)
    with redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    return evaluator


def _remeasure(coco: COCO, measure: Callable[[Annotation], float]) -> None:
    for ann in coco.dataset['annotations']:
        ann['area'] = measure(ann)
