"""Settings, predictions and files that cannot be measured are named."""

import math

import keypoint_results
import pytest
from keypoint_results import META, annotation, detection, measure, sample
from mmdet.models import DetTTAModel
from mmengine.config import ConfigDict
from mmengine.model import BaseModel

from mmlth.evaluation import CocoKeypointMetric

write = keypoint_results.write


def broken(key, change):
    found = detection()
    found[key] = change(found[key])
    return found


def test_predictions_that_cannot_be_measured(write):
    cases = [
        # too few
        (
            sample(broken('keypoints', lambda p: p[:2]), num_keypoints=2),
            META,
            r'image 1: .*\(1, 2, 3\).*\(N, 3, 3\).*num_keypoints',
        ),
        # no sigmas for another number than 17
        (
            sample(detection()),
            dict(classes=('bird',)),
            r'\(1, 3, 3\).*\(N, 17, 3\).*sigmas',
        ),
        # NaN
        (
            sample(broken('keypoints', lambda p: [*p[:2], [math.nan, 1, 1]])),
            META,
            'image 1: .*NaN',
        ),
        # sigma of zero
        (
            sample(detection()),
            dict(META, sigmas=[0.1, 0, 0.1]),
            r'sigmas=\[0.1, 0.0, 0.1\].*above 0',
        ),
    ]
    for found, meta, message in cases:
        with pytest.raises(ValueError, match=message):
            measure(write(annotation()), found, meta=meta)


def test_ground_truth_with_another_number_of_keypoints_is_named(write):
    path = write(annotation(), annotation(7, keypoints=[1, 1, 2] * 4))
    with pytest.raises(
        ValueError, match=rf'{path}: annotation 7 has 12 .*calls for 9.*sigmas'
    ):
        measure(path, sample(detection()))


class Plain(BaseModel):
    def forward(self, inputs):
        raise NotImplementedError


def test_merged_boxes_of_test_time_augmentation_are_refused(write):
    model = DetTTAModel(
        tta_cfg=ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=9),
        module=Plain(),
    )
    views = [sample(detection()) for _ in range(2)]
    for view in views:
        view.set_metainfo(dict(flip=False, flip_direction=None))
    (merged,) = model.merge_preds([views])
    assert len(merged.pred_instances) == 1
    with pytest.raises(
        ValueError, match=r'image 1: .*no keypoints.*augmentation isn.t.*without --tta'
    ):
        measure(write(annotation()), merged)


def test_settings_are_checked_at_once(write):
    cases = [
        # metric
        (dict(metric='keypoint'), KeyError, "metric='keypoint'.*segm.*keypoints"),
        # no file
        (dict(ann_file=None), ValueError, 'ann_file=None.*areas'),
        # item
        (dict(metric='keypoints', metric_items=['mAP_s']), KeyError, "'mAP_s'.*mAP_m"),
    ]
    for settings, error, message in cases:
        with pytest.raises(error, match=message):
            CocoKeypointMetric(**(dict(ann_file=write(annotation())) | settings))


def test_a_file_of_boxes_is_refused_at_once(write):
    boxes = {k: v for k, v in annotation().items() if k != 'keypoints'}
    with pytest.raises(
        ValueError, match=r'truth\.json: none of its 1 annotations.*person_keypoints'
    ):
        CocoKeypointMetric(write(boxes))
