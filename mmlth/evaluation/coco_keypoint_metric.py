"""COCO's keypoint AP (OKS), beside the box and mask APs of MMDet."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import dump
from mmengine.logging import print_log
from pycocotools.cocoeval import Params
from terminaltables import AsciiTable

METRIC_NAMES = ('bbox', 'segm', 'proposal', 'proposal_fast', 'keypoints')
# In the order of COCOeval's keypoint summary; COCO has no small people with keypoints.
ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_m', 'mAP_l')
COCO_SIGMAS = Params(iouType='keypoints').kpt_oks_sigmas
# Continuous coordinates minus this are indices of pixels, in which COCO's files are.
_TO_INDEX = np.array([0.5, 0.5, 0])


@METRICS.register_module()
class CocoKeypointMetric(CocoMetric):
    """Measure keypoints by COCO's OKS: AP over .50:.05:.95, at most 20 detections an image.

    Predictions are ``pred_instances.keypoints`` (N, K, 3) float, (x, y, score) in the original
    image, beside bboxes, scores and labels; detections are ranked by the score of their box.
    Coordinates are continuous here (centre of a pixel = index + 0.5) and pixel indices in the file
    ``{outfile_prefix}.keypoints.json``.

    The K standard deviations come from ``sigmas`` in the data set's metainfo (COCO's 17 where it
    has none). The classes that count are those whose category in ``ann_file`` lists ``keypoints``
    (all where none does).

    Results: ``keypoints_mAP``, ``_mAP_50``, ``_mAP_75``, ``_mAP_m``, ``_mAP_l``, each in [0, 1],
    or -1 without labelled ground truth; with ``classwise`` and several classes
    ``{name}_keypoints_precision``.

    Source: https://cocodataset.org/#keypoints-eval

    Args:
        ann_file: COCO annotations with keypoints.
        metric: One or several of 'bbox', 'segm', 'proposal', 'proposal_fast', 'keypoints'.
        kwargs: Those of MMDet's ``CocoMetric``. ``iou_thrs`` are thresholds of the OKS, too;
            ``metric_items`` that keypoints don't have (such as 'mAP_s') go to the other metrics
            alone.

    Raises:
        KeyError: Unknown metric or metric item.
        ValueError: Keypoints are wanted and ``ann_file`` is None or holds none, or the predictions
            have none, a wrong number of them, or values that aren't finite.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | Sequence[str] = ('bbox', 'keypoints'),
        **kwargs: Any,
    ) -> None:
        names = [metric] if isinstance(metric, str) else list(metric)
        unknown = [name for name in names if name not in METRIC_NAMES]
        if unknown:
            raise KeyError(f'metric={unknown[0]!r}: allowed are {", ".join(METRIC_NAMES)}')
        of_mmdet = [name for name in names if name != 'keypoints']
        super().__init__(ann_file=ann_file, metric=of_mmdet, **kwargs)
        self.ann_file = ann_file
        self.with_keypoints = 'keypoints' in names
        if self.with_keypoints:
            self._check_settings()

    def _check_settings(self) -> None:
        if self.ann_file is None:
            raise ValueError(
                "ann_file=None: OKS needs the areas in the annotation file, which the data set's "
                "instances lack; set ann_file, or leave 'keypoints' out of metric"
            )
        truth = self._coco_api.dataset.get('annotations', [])
        if not self.format_only and not any('keypoints' in ann for ann in truth):
            raise ValueError(
                f'ann_file={self.ann_file}: none of its {len(truth)} annotations has the field '
                "'keypoints' (COCO keeps them in person_keypoints_*.json)"
            )
        if self.metrics:
            return  # CocoMetric checks the items itself while it measures something
        unknown = sorted(set(self.metric_items or ()) - set(ITEMS))
        if unknown:
            raise KeyError(f'metric_items={unknown[0]!r}: keypoints have {", ".join(ITEMS)}')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store the predictions of a batch; see ``CocoMetric.process``."""
        super().process(data_batch, data_samples)
        if not self.with_keypoints:
            return
        first = len(self.results) - len(data_samples)
        stored = self.results[first:]
        for sample, (_, result) in zip(data_samples, stored, strict=True):
            result['keypoints'] = self._read(sample)

    def _read(self, sample: dict) -> np.ndarray:
        """Return an image's predicted keypoints (N, K, 3); raise ValueError for what is unfit."""
        image = f'image {sample["img_id"]}'
        predicted = sample['pred_instances']
        if 'keypoints' not in predicted:
            raise ValueError(
                f"{image}: the predictions have no keypoints. Test-time augmentation isn't "
                'supported for keypoints, since MMDet merges boxes alone: evaluate without --tta. '
                "A model without a keypoint head is evaluated with metric='bbox'"
            )
        keypoints = predicted['keypoints'].float().cpu().numpy()
        wanted = len(self._sigmas())
        if keypoints.shape[1:] != (wanted, 3):
            raise ValueError(
                f'{image}: predicted keypoints have shape {keypoints.shape}, but the data '
                f"set's metainfo calls for (N, {wanted}, 3): set keypoint_head.num_keypoints to "
                'its number, or give metainfo one of sigmas per keypoint'
            )
        if not np.isfinite(keypoints).all():
            raise ValueError(
                f'{image}: predicted keypoints are NaN or infinite; did the training diverge?'
            )
        return keypoints

    def _sigmas(self) -> np.ndarray:
        """Return the K standard deviations, in units of the square root of an object's area."""
        given = self.dataset_meta.get('sigmas', COCO_SIGMAS)
        sigmas = np.asarray(given, dtype=float)
        if not (sigmas > 0).all():
            raise ValueError(f"metainfo's sigmas={sigmas.tolist()}: all must be above 0")
        return sigmas

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return ``CocoMetric``'s metrics, then those of keypoints; write the result files."""
        metrics = super().compute_metrics(results)  # looks up cat_ids, too
        if not self.with_keypoints:
            return metrics
        categories = self._keypoint_categories()
        found: list[dict] = []
        for _, result in results:
            found += self._to_coco(result, categories)
        if self.outfile_prefix is not None:
            dump(found, f'{self.outfile_prefix}.keypoints.json')
        if not self.format_only:
            metrics.update(self._evaluate(found, categories))
        return metrics

    def _keypoint_categories(self) -> dict[int, str]:
        """Return id -> name of the data set's classes that have keypoints."""
        chosen = self._coco_api.loadCats(self.cat_ids)
        named = [category for category in chosen if category.get('keypoints')]
        return {category['id']: category['name'] for category in named or chosen}

    def _to_coco(self, result: dict, categories: dict[int, str]) -> list[dict]:
        """Write the detections of an image as COCO's keypoint results."""
        points = result['keypoints'].astype(float) - _TO_INDEX
        flat = points.reshape(len(points), 3 * points.shape[1]).tolist()
        ids = [self.cat_ids[label] for label in result['labels']]
        scores = result['scores'].tolist()
        rows = []
        for category, keypoints, score in zip(ids, flat, scores, strict=True):
            if category in categories:
                # No bbox: pycocotools would take areas from it, and COCO takes them from keypoints.
                row = dict(
                    image_id=result['img_id'],
                    category_id=category,
                    keypoints=keypoints,
                    score=score,
                )
                rows.append(row)
        return rows

    def _evaluate(self, found: list[dict], categories: dict[int, str]) -> dict[str, float]:
        truth = self._complete_truth(categories)
        evaluator = COCOeval(truth, _load(found, truth), 'keypoints')
        evaluator.params.catIds = list(categories)
        evaluator.params.iouThrs = np.atleast_1d(self.iou_thrs)
        evaluator.params.kpt_oks_sigmas = self._sigmas()
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
        total = [round(float(value), 3) for value in evaluator.stats[:len(ITEMS)]]
        line = ' '.join(f'{value:.3f}' for value in total)
        print_log(f'keypoints_mAP_copypaste: {line}', 'current')
        wanted = ITEMS if self.metric_items is None else self.metric_items
        pairs = zip(ITEMS, total, strict=True)
        metrics = {f'keypoints_{item}': value for item, value in pairs if item in wanted}
        if self.classwise and len(categories) > 1:
            metrics.update(_classwise(evaluator, categories))
        return metrics

    def _complete_truth(self, categories: dict[int, str]) -> COCO:
        """Copy the annotations of these categories and fill in the fields a file may leave out.

        A copy also because COCOeval marks in it what it ignores, which isn't the same for boxes.
        """
        length = 3 * len(self._sigmas())
        given = self._coco_api.dataset
        chosen = [ann for ann in given['annotations'] if ann['category_id'] in categories]
        completed = [self._complete(ann, length) for ann in chosen]
        return _indexed({**given, 'annotations': completed})

    def _complete(self, ann: dict, length: int) -> dict:
        keypoints = ann.get('keypoints') or [0] * length
        if len(keypoints) != length:
            raise ValueError(
                f'{self.ann_file}: annotation {ann["id"]} has {len(keypoints)} keypoint values, '
                f"but the data set's metainfo calls for {length}: it must give one of sigmas per "
                'keypoint'
            )
        labelled = sum(v > 0 for v in keypoints[2::3])
        return {'num_keypoints': labelled, **ann, 'keypoints': keypoints}


def _indexed(dataset: dict) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _load(found: list[dict], truth: COCO) -> COCO:
    """Load results; pycocotools' own ``loadRes`` fails for none at all, which is an AP of 0."""
    if found:
        return truth.loadRes(found)
    return _indexed({**truth.dataset, 'annotations': []})


def _classwise(evaluator: COCOeval, categories: dict[int, str]) -> dict[str, float]:
    """Return each category's AP (NaN without labelled ground truth); log a table of all items."""
    thresholds = evaluator.params.iouThrs
    precision = evaluator.eval['precision']  # (T, R, categories, areas, 1)
    half = thresholds == .5
    strict = thresholds == .75
    rows = []
    metrics = {}
    for index, category in enumerate(evaluator.params.catIds):  # COCOeval has sorted them
        name = categories[category]
        p = precision[:, :, index, :, 0]
        slices = (p[..., 0], p[half, :, 0], p[strict, :, 0], p[..., 1], p[..., 2])
        means = [_mean(values) for values in slices]
        rows.append([name, *means])
        metrics[f'{name}_keypoints_precision'] = means[0]
    header = ['keypoints of', *ITEMS]
    table = AsciiTable([header, *rows]).table
    print_log('\n' + table, 'current')
    return metrics


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]  # -1 stands for no ground truth
    return round(float(known.mean()), 3) if known.size else float('nan')
