"""What is wrong with keypoints: jitter, inversion, swap, miss, and people who aren't there.

Source: Ronchi and Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation, ICCV
2017, with the thresholds of their paper.
"""

import io
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from mmlth.analysis.predictions import Predictions, results_of, truth_of

ERRORS = ('good', 'jitter', 'inversion', 'swap', 'miss')
BACKGROUND = 'background person'
_CLOSE, _NEAR = 0.85, 0.5  # similarity of a good keypoint, and of one that is near at all
_MATCH = 0.1  # OKS from which on a detection is of a person
_MOST_FOUND = 20

Floats = NDArray[np.float64]


def classify(
    found: Floats, people: Floats, areas: Floats, sigmas: Sequence[float],
    mirrored: Sequence[Sequence[int]],
) -> list[str]:
    """Return what each labelled keypoint of a detection is, one of :data:`ERRORS`.

    A keypoint is what it is most similar to: the point it should be (good from 0.85, jitter from
    0.5), the mirrored one of the same person (inversion), either of another person (swap); a miss
    where nothing is at 0.5. Similarity is exp(-d^2 / (2 * area * (2 * sigma)^2)).

    Args:
        found: (K, 2) places in pixels.
        people: (P, K, 3) places and visibility in the image; that of the detection comes first.
        areas: (P,) in square pixels.
        sigmas: K standard deviations, in square roots of an area.
        mirrored: Pairs of keypoints that trade places in a mirrored image.
    """
    other = np.arange(len(found))
    for a, b in mirrored:
        other[[a, b]] = b, a
    places = np.concatenate([people, people[:, other]])  # (2P, K, 3)
    squared = ((places[..., :2] - found) ** 2).sum(-1)
    variances = 2 * np.tile(areas, 2)[:, None] * (2 * np.asarray(sigmas)) ** 2
    similarity = np.where(places[..., 2] > 0, np.exp(-squared / np.maximum(variances, 1e-12)), -1)
    nearest, best = similarity.argmax(0), similarity.max(0)
    kinds = []
    for k in np.flatnonzero(people[0, :, 2] > 0):
        if best[k] < _NEAR:
            kinds.append('miss')
        elif nearest[k] == 0:
            kinds.append('good' if best[k] >= _CLOSE else 'jitter')
        else:
            kinds.append('inversion' if nearest[k] == len(people) else 'swap')
    return kinds


def keypoint_errors(predictions: Predictions) -> dict[str, float]:
    """Return the share of each kind of keypoint, and of people who aren't there, in [0, 1].

    Keypoints are those labelled of people that a detection has found (OKS of 0.1, at most 20
    detections an image). :data:`BACKGROUND` is the share that found nobody among the detections of
    the highest scores, as many as there are people. NaN where there is none.
    """
    truth = truth_of(predictions)
    found = results_of(predictions, 'keypoints', truth)
    counted: Counter[str] = Counter()
    scores: list[tuple[float, bool]] = []
    for image in _matches(predictions, truth, found):
        for number, match, ignored, score in zip(
                image['dtIds'], image['dtMatches'][0], image['dtIgnore'][0], image['dtScores'],
                strict=True):
            if ignored:
                continue
            scores.append((score, not match))
            if match:
                own = truth.anns[int(match)]
                counted.update(_kinds(predictions, found.anns[number], own, truth))
    total = sum(counted.values())
    shares = {kind: counted[kind] / total if total else math.nan for kind in ERRORS}
    people = sum(ann['num_keypoints'] > 0 and not ann['iscrowd'] for ann in truth.anns.values())
    best = sorted(scores, key=lambda one: -one[0])[:people]
    background = sum(nobody for _, nobody in best) / len(best) if best else math.nan
    return {**shares, BACKGROUND: background}


def _matches(predictions: Predictions, truth: Any, found: Any) -> list[dict[str, Any]]:
    evaluator = COCOeval(truth, found, 'keypoints')
    evaluator.params.catIds = list(predictions.categories)
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, math.inf]], ['all']
    evaluator.params.maxDets = [_MOST_FOUND]
    evaluator.params.iouThrs = np.array([_MATCH])
    evaluator.params.kpt_oks_sigmas = np.asarray(predictions.sigmas)
    with redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    return [image for image in evaluator.evalImgs if image is not None]


def _kinds(
    predictions: Predictions, one: dict[str, Any], own: dict[str, Any], truth: Any,
) -> list[str]:
    others = [ann for ann in truth.imgToAnns[own['image_id']]
              if ann['id'] != own['id'] and ann['category_id'] == own['category_id']]
    people = [own, *others]
    return classify(
        np.reshape(one['keypoints'], (-1, 3))[:, :2].astype(float),
        np.array([np.reshape(ann['keypoints'], (-1, 3)) for ann in people], dtype=float),
        np.array([ann['area'] for ann in people], dtype=float),
        predictions.sigmas, predictions.mirrored)
