"""Dumped predictions of a training, beside the ground truth that they are measured with."""

import copy
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from mmlth.core.dump import read_facts
from mmlth.core.files import read_json

Annotation = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a detector found in a set of images.

    Attributes:
        truth: Content of the COCO file of the images: ``images``, ``annotations``, ``categories``.
        found: 'bbox', 'segm' or 'keypoints' -> results in COCO's form.
        categories: Ids of the classes that the detector knows -> names, by id.
        training: Id -> how many objects the training data has; empty where that isn't known.
        sigmas: COCO's standard deviation of each keypoint; empty for other tasks.
        mirrored: Pairs of keypoints that trade places in a mirrored image, by index.
    """

    truth: dict[str, Any]
    found: dict[str, list[Annotation]]
    categories: dict[int, str]
    training: dict[int, int] = field(default_factory=dict)
    sigmas: Sequence[float] = ()
    mirrored: Sequence[Sequence[int]] = ()


def load_predictions(
    folder: Path, annotations: str | None = None, train_annotations: str | None = None,
) -> Predictions:
    """Read what ``mmlth test --dump`` left in the folder of a training.

    Args:
        folder: Holds ``predictions.json``.
        annotations: COCO file of the ground truth; None takes the one that the dump names.
        train_annotations: The same of the training data.

    Raises:
        FileNotFoundError: A file is missing; says how to name another.
        ValueError: The predictions are of other images than the annotations.
    """
    facts = read_facts(folder)
    source = annotations or facts['annotations']
    truth = _read_coco(source, '--annotations')
    categories = _categories(truth, facts['classes'])
    train_file = train_annotations or facts['train_annotations']
    counted: dict[str, int] = {}
    if train_file:
        counted = _count(_read_coco(train_file, '--train-annotations'), categories.values())
    found = {task: read_json(folder / name) for task, name in facts['files'].items()}
    images = {image['id'] for image in truth['images']}
    foreign = {one['image_id'] for results in found.values() for one in results} - images
    if foreign:
        raise ValueError(f'{folder} holds predictions of images that {source} lacks, such as '
                         f'{min(foreign)}. Give the annotations that they were made for')
    return Predictions(
        truth=truth,
        found=found,
        categories=categories,
        training={number: counted[name] for number, name in categories.items()
                  if name in counted},
        sigmas=facts['sigmas'],
        mirrored=facts['mirrored'],
    )


def _read_coco(path: str, flag: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} does not exist; say where the annotations lie: {flag}')
    content: dict[str, Any] = json.loads(Path(path).read_text(encoding='utf-8'))
    return content


def _categories(truth: dict[str, Any], classes: Iterable[str]) -> dict[int, str]:
    known = {category['id']: category['name'] for category in truth['categories']}
    wanted = set(classes)
    return {number: known[number] for number in sorted(known) if known[number] in wanted}


def _count(coco: dict[str, Any], names: Iterable[str]) -> dict[str, int]:
    """Return category -> objects that are no crowd."""
    known = {category['id']: category['name'] for category in coco['categories']}
    counted = Counter(known[ann['category_id']] for ann in coco['annotations']
                      if not ann.get('iscrowd'))
    return {name: counted[name] for name in names}


def narrowed(predictions: Predictions, task: str) -> Predictions:
    """Return the predictions with the categories that a task measures.

    Those of keypoints are the ones that list some, all where none does.
    """
    having = {category['id'] for category in predictions.truth['categories']
              if category.get('keypoints')}
    chosen = {n: name for n, name in predictions.categories.items() if n in having}
    if task != 'keypoints' or not chosen:
        return predictions
    return dataclasses.replace(predictions, categories=chosen)


def truth_of(predictions: Predictions) -> COCO:
    """Return a fresh copy of the ground truth of the known classes, which COCOeval may mark."""
    chosen = [dict(ann) for ann in predictions.truth['annotations']
              if ann['category_id'] in predictions.categories]
    for ann in chosen:
        ann.setdefault('iscrowd', 0)
        if predictions.sigmas:
            ann['keypoints'] = ann.get('keypoints') or [0] * 3 * len(predictions.sigmas)
            ann.setdefault('num_keypoints', sum(v > 0 for v in ann['keypoints'][2::3]))
    return _indexed({**predictions.truth, 'annotations': chosen})


def results_of(predictions: Predictions, task: str, truth: COCO) -> COCO:
    """Return a fresh copy of the results of a task; areas are those of masks for 'segm'."""
    found = copy.deepcopy(predictions.found[task])
    if task == 'segm':
        for one in found:
            one.pop('bbox', None)  # pycocotools would take areas from it
    if not found:  # loadRes fails for none at all
        return _indexed({**truth.dataset, 'annotations': []})
    with redirect_stdout(io.StringIO()):
        return truth.loadRes(found)


def _indexed(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    with redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
