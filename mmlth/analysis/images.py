"""How sure an mAP is for one trained net: other images might have been in the validation set."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from pycocotools.cocoeval import COCOeval

from mmlth.analysis.coco_matches import evaluated
from mmlth.analysis.measurements import DENSE, Measurement
from mmlth.analysis.objects import Loaded
from mmlth.analysis.predictions import Predictions, narrowed
from mmlth.analysis.statistics import bootstrap, percentiles
from mmlth.analysis.trainings import Analysed

QUESTION = 'images'
MAP, CHANGE = 'mAP', 'minus dense'
LOW, HIGH = 'from', 'to'  # ends of an interval
_EPS = np.spacing(1)  # as COCOeval has it


def measure_images(loaded: Loaded) -> list[Measurement]:
    """Return the mAP of every training and its change from the dense net, with their intervals.

    Those are 95% of 1,000 draws of images with replacement (Efron, 1979); dense net and ticket are
    measured in the same draws.

    Raises:
        ValueError: Trainings of one job were tested on different images.
    """
    tasks = dict.fromkeys(task for _, predictions in loaded for task in predictions.found)
    return [one for task in tasks for one in _of_task(loaded, task)]


def _of_task(loaded: Loaded, task: str) -> Iterator[Measurement]:
    having = [(training, narrowed(found, task)) for training, found in loaded
              if task in found.found]
    dense: dict[object, _Drawn] = {}  # job -> its dense net, which comes first
    for training, found in having:
        own = _drawn(found, task)
        values = {MAP: own.all_images, **_ends(MAP, own.draws)}
        if training.label == DENSE:
            dense[training.job] = own
        elif training.job in dense:
            other = dense[training.job]
            _check_images(training, own, other)
            values |= {CHANGE: own.all_images - other.all_images,
                       **_ends(CHANGE, own.draws - other.draws)}
        for item, value in values.items():
            yield Measurement(
                question=QUESTION, job=str(training.job), training=training.label, task=task,
                item=item, value=value, shows='none')


def _ends(name: str, draws: np.ndarray) -> dict[str, float]:
    low, high = percentiles(draws)
    return {f'{name}, {LOW}': low, f'{name}, {HIGH}': high}


class _Drawn(NamedTuple):
    """mAP over all images, and over those of each draw."""

    all_images: float
    draws: np.ndarray  # float64 (draws)
    images: list[int]  # their ids


def _drawn(predictions: Predictions, task: str) -> _Drawn:
    ap, images = ap_of_images(predictions, task)
    return _Drawn(ap(np.ones(len(images), dtype=np.int64)), bootstrap(ap, len(images)), images)


def _check_images(training: Analysed, own: _Drawn, dense: _Drawn) -> None:
    if own.images != dense.images:
        raise ValueError(
            f'{training.folder} was tested on {len(own.images)} images, its dense net on '
            f'{len(dense.images)}, not the same ones. Dump both from the same data')


def ap_of_images(
    predictions: Predictions, task: str,
) -> tuple[Callable[[np.ndarray], float], list[int]]:
    """Return a function from how often each image is seen to COCO's mAP, and the images' ids.

    Its argument: int64 (images), each at least 0, in the order of the ids. It is the mAP that
    COCOeval gives for a data set in which an image is repeated that often; NaN without an object.
    """
    evaluator = evaluated(predictions, task)
    categories = _rank(evaluator)
    recalls = np.asarray(evaluator.params.recThrs)

    def ap(times: np.ndarray) -> float:
        found = [_ap(category, times, recalls) for category in categories]
        known = [one for one in found if not math.isnan(one)]
        return math.fsum(known) / len(known) if known else math.nan

    return ap, [int(image) for image in evaluator.params.imgIds]


class _Ranked(NamedTuple):
    """Detections of a category over all images, best score first."""

    true: np.ndarray  # bool (thresholds, detections): matched an object
    false: np.ndarray  # the same: matched none; what matches a crowd is neither
    image: np.ndarray  # int64 (detections): index of the image
    objects: np.ndarray  # int64 (images): how many of the category there are


def _rank(evaluator: COCOeval) -> list[_Ranked]:
    images = len(evaluator.params.imgIds)
    return [_ranked(evaluator.evalImgs[start:start + images], len(evaluator.params.iouThrs))
            for start in range(0, len(evaluator.evalImgs), images)]


def _ranked(of_images: list[dict | None], thresholds: int) -> _Ranked:
    empty = np.zeros((thresholds, 0), dtype=bool)
    having = [(index, one) for index, one in enumerate(of_images) if one is not None]
    scores = np.concatenate([np.zeros(0), *(one['dtScores'] for _, one in having)])
    order = np.argsort(-scores, kind='stable')
    matched = np.concatenate([empty, *(one['dtMatches'] > 0 for _, one in having)], 1)[:, order]
    ignored = np.concatenate([empty, *(one['dtIgnore'] > 0 for _, one in having)], 1)[:, order]
    objects = np.zeros(len(of_images), dtype=np.int64)
    for index, one in having:
        objects[index] = np.count_nonzero(np.asarray(one['gtIgnore']) == 0)
    image = np.repeat([index for index, _ in having], [len(one['dtScores']) for _, one in having])
    return _Ranked(matched & ~ignored, ~matched & ~ignored, image.astype(np.int64)[order], objects)


def _ap(ranked: _Ranked, times: np.ndarray, recalls: np.ndarray) -> float:
    """Return the AP over all thresholds, as COCOeval.accumulate has it for repeated images."""
    objects = int(times @ ranked.objects)
    if not objects:
        return math.nan
    seen = times[ranked.image]
    true = np.cumsum(ranked.true * seen, 1, dtype=np.float64)
    false = np.cumsum(ranked.false * seen, 1, dtype=np.float64)
    precision = true / (true + false + _EPS)
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # of recalls that are never reached
    reached = [row[np.searchsorted(recall, recalls)]
               for row, recall in zip(precision, true / objects, strict=True)]
    return float(np.mean(reached))
