"""Average precision by what objects are like: size, shape, how frequent, how hard."""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from typing import NamedTuple

import numpy as np

from mmlth.analysis.coco_matches import EVERY, Range, evaluated
from mmlth.analysis.predictions import Annotation, Predictions, truth_of

Scores = dict[int, float]  # category -> AP, NaN where it has no object
SIZES: dict[str, Range] = {  # square pixels, as COCO has them
    'small': (0, 32**2),
    'medium': (32**2, 96**2),
    'large': (96**2, math.inf),
}
FREQUENCY = ('rare', 'common', 'frequent')
DIFFICULTY = ('hard', 'middle', 'easy')


class Group(NamedTuple):
    """AP of a group of objects or categories, in [0, 1] or NaN, and how many objects it has."""

    name: str
    ap: float
    objects: int


def per_category(predictions: Predictions, task: str) -> Scores:
    """Return the AP of every category over IoU (OKS) .50:.05:.95, as COCO has it."""
    found = _precision(predictions, task, EVERY)
    return dict(zip(predictions.categories, found[:, 0].tolist(), strict=True))


def by_size(predictions: Predictions, task: str) -> list[Group]:
    """Return the AP of small, medium and large objects, as COCO has it; empty groups are NaN."""
    return _by_range(predictions, task, SIZES, None)


def by_shape(predictions: Predictions, task: str) -> list[Group]:
    """Return the AP of thirds of the objects by width / height of their boxes.

    Objects of the other thirds are ignored, and so are detections of their shape that match
    nothing: what COCO does for sizes.
    """
    shapes = sorted(map(_shape, _counted(predictions, task)))
    if not shapes:
        return []
    low, high = np.quantile(shapes, [1 / 3, 2 / 3]).tolist()
    ranges = {
        f'w/h < {low:.2f}': (0.0, low),
        f'{low:.2f} to {high:.2f}': (low, high),
        f'w/h >= {high:.2f}': (high, math.inf),
    }
    return _by_range(predictions, task, ranges, _shape)


def in_thirds(
    scores: Scores, keys: Mapping[int, float], names: Sequence[str], objects: Mapping[int, int],
) -> list[Group]:
    """Return the mean AP of the lowest, middle and highest third of the categories by a key.

    Args:
        scores: Of the categories; those without an object (NaN) are left out.
        keys: Category -> what orders it; equal keys are ordered by the category.
        names: Of the three thirds.
        objects: Category -> how many it has.

    >>> thirds = in_thirds({1: 0.5, 2: 0.25, 3: 1.0}, {1: 30, 2: 10, 3: 20}, 'abc', {})
    >>> [(group.name, group.ap) for group in thirds]
    [('a', 0.25), ('b', 1.0), ('c', 0.5)]
    """
    known = [number for number in scores if number in keys and not math.isnan(scores[number])]
    if len(known) < len(names):
        return []
    order = np.array(sorted(known, key=lambda number: (keys[number], number)))
    return [
        Group(name, math.fsum(scores[n] for n in third) / len(third),
              sum(objects.get(n, 0) for n in third))
        for name, third in zip(names, np.array_split(order, len(names)), strict=True)
        for third in [third.tolist()]
    ]


def count_objects(predictions: Predictions, task: str) -> dict[int, int]:
    """Return category -> objects that are measured: no crowds, nor people without keypoints."""
    numbers = [ann['category_id'] for ann in _counted(predictions, task)]
    return {category: numbers.count(category) for category in predictions.categories}


def _counted(predictions: Predictions, task: str) -> Iterator[Annotation]:
    for ann in truth_of(predictions).dataset['annotations']:
        if not ann['iscrowd'] and (task != 'keypoints' or ann['num_keypoints']):
            yield ann


def _shape(ann: Annotation) -> float:
    return float(ann['bbox'][2] / max(ann['bbox'][3], 1e-9))


def _by_range(
    predictions: Predictions, task: str, ranges: Mapping[str, Range],
    measure: Callable[[Annotation], float] | None,
) -> list[Group]:
    found = _precision(predictions, task, ranges, measure)
    kind = measure or (lambda ann: float(ann['area']))
    values = np.array([kind(ann) for ann in _counted(predictions, task)])
    return [
        Group(name, _mean(found[:, index]), int(((values >= low) & (values < high)).sum()))
        for index, (name, (low, high)) in enumerate(ranges.items())
    ]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _precision(
    predictions: Predictions, task: str, ranges: Mapping[str, Range],
    measure: Callable[[Annotation], float] | None = None,
) -> np.ndarray:
    """Return AP (categories, ranges) in [0, 1]; NaN where there is no object."""
    evaluator = evaluated(predictions, task, ranges, measure)
    with redirect_stdout(io.StringIO()):
        evaluator.accumulate()
    precision = evaluator.eval['precision'][..., -1].mean((0, 1))
    return np.where(precision < 0, np.nan, precision)
