"""COCO keypoint AP against OKS computed by hand."""

import json
import math
from pathlib import Path

import keypoint_results
from keypoint_results import (
    BIRD,
    FISH,
    KEYS,
    META,
    POINTS,
    STONE,
    annotation,
    detection,
    measure,
    sample,
)
from mmdet.registry import METRICS

from mmlth.evaluation import CocoKeypointMetric

write = keypoint_results.write


def test_it_is_registered_in_mmdet():
    assert METRICS.get('CocoKeypointMetric') is CocoKeypointMetric


def test_ap_of_one_object_is_the_share_of_thresholds_below_its_oks(write):
    cases = [
        (0, 1, [1, 1, 1, -1, 1]),
        (4, 0.92, [0.9, 1, 1, -1, 0.9]),
        (10, 0.61, [0.3, 1, 0, -1, 0.3]),
        (12, 0.49, [0, 0, 0, -1, 0]),
    ]
    for shift, oks, expected in cases:
        assert round(math.exp(-(shift**2) / 200), 2) == oks
        metrics = measure(write(annotation()), sample(detection(shift)))
        assert metrics == dict(zip(KEYS, expected, strict=True))
        assert {type(value) for value in metrics.values()} == {float}


def test_a_keypoint_that_is_not_labelled_does_not_count(write):
    found = detection()
    found['keypoints'][1] = [0.0, 299.0, 0.5]
    all_labelled = measure(write(annotation()), sample(found))
    assert all_labelled[KEYS[0]] == 0.4  # OKS 2 / 3: .5, .55, .6, .65
    others_labelled = measure(write(annotation(seen=(2, 0, 1))), sample(found))
    assert others_labelled[KEYS[0]] == 1


def test_medium_objects_are_told_from_large_ones(write):
    metrics = measure(write(annotation(area=9000)), sample(detection()))
    assert [metrics[key] for key in KEYS[3:]] == [1, -1]


def test_objects_without_labels_are_ignored(write):
    shifts = [
        # ignored where the crowd is
        (0, 1),
        # a better scored false positive elsewhere
        (400, 0.5),
    ]
    crowds = [
        # crowd
        dict(iscrowd=1),
        # nothing labelled
        {},
        # no values
        dict(keypoints=[]),
        # counted
        dict(num_keypoints=0),
        # positions without labels
        dict(keypoints=[150, 150, 0] * 3),
    ]
    for shift, expected in shifts:
        for crowd in crowds:
            hidden = annotation(2, image=2, seen=(0, 0, 0), **crowd)
            found = [
                sample(detection(score=0.5)),
                sample(detection(shift, score=0.9), image=2),
            ]
            assert (
                measure(write(annotation(), hidden, images=2), *found)[KEYS[0]]
                == expected
            )


def test_hidden_keypoints_are_labelled(write):
    only_hidden = annotation(seen=(1, 1, 1))
    assert measure(write(only_hidden), sample(detection()))[KEYS[0]] == 1


def test_the_count_of_the_file_wins_over_counting(write):
    ignored = annotation(num_keypoints=0)
    assert measure(write(ignored), sample(detection()))[KEYS[0]] == -1


def test_at_most_twenty_detections_of_an_image_count(write):
    wrong = [detection(400, score=0.9)] * 20
    assert (
        measure(write(annotation()), sample(*wrong[1:], detection(score=0.1)))[KEYS[0]]
        == 0.05
    )
    assert (
        measure(write(annotation()), sample(*wrong, detection(score=0.1)))[KEYS[0]] == 0
    )


def test_a_metric_can_be_used_again_and_leaves_the_annotations_alone(write):
    path = write(annotation(), annotation(2, keypoints=[]))
    metric = CocoKeypointMetric(path, 'keypoints')
    metric.dataset_meta = META
    for _ in range(2):
        metric.process({}, [sample(detection(10)).to_dict()])
        assert metric.evaluate(1)[KEYS[0]] == 0.3
    assert metric._coco_api.dataset == json.loads(Path(path).read_text())


TWO = dict(classes=('bird', 'fish', 'stone'), sigmas=META['sigmas'])
ZEROS = dict(detection(label=2), keypoints=[[0.0, 0.0, 0.0]] * 3)


def two_kinds(write):
    stone = annotation(3, category=9)
    del stone['keypoints']
    return write(
        annotation(), annotation(2, category=2), stone, categories=(BIRD, FISH, STONE)
    )


def test_classes_without_keypoints_are_left_out_of_the_average_and_of_the_file(
    write, tmp_path
):
    found = sample(detection(), detection(10, label=1), ZEROS)
    metrics = measure(
        two_kinds(write),
        found,
        meta=TWO,
        classwise=True,
        outfile_prefix=str(tmp_path / 'out'),
    )
    assert metrics == dict(zip(KEYS, [0.65, 1, 0.5, -1, 0.65], strict=True)) | {
        'coco/bird_keypoints_precision': 1,
        'coco/fish_keypoints_precision': 0.3,
    }
    rows = json.loads((tmp_path / 'out.keypoints.json').read_text())
    assert [row['category_id'] for row in rows] == [5, 2]


def test_only_chosen_classes_count(write):
    meta = dict(TWO, classes=('fish',))
    metrics = measure(
        two_kinds(write), sample(detection(10)), meta=meta, classwise=True
    )
    assert metrics == dict(zip(KEYS, [0.3, 1, 0, -1, 0.3], strict=True))


def test_a_class_that_never_occurs_has_no_precision(write):
    path = write(annotation(), categories=(BIRD, FISH))
    metrics = measure(path, sample(detection()), meta=TWO, classwise=True)
    assert metrics[KEYS[0]] == metrics['coco/bird_keypoints_precision'] == 1
    assert math.isnan(metrics['coco/fish_keypoints_precision'])


def test_without_any_list_of_keypoints_all_chosen_classes_have_some(write):
    plain = [{k: v for k, v in c.items() if k != 'keypoints'} for c in (BIRD, FISH)]
    path = write(annotation(), annotation(2, category=2), categories=plain)
    assert (
        measure(path, sample(detection(), detection(10, label=1)), meta=TWO)[KEYS[0]]
        == 0.65
    )


def test_no_detections_at_all(write):
    assert measure(write(annotation()), sample()) == dict(
        zip(KEYS, [0, 0, 0, -1, 0], strict=True)
    )
    assert measure(write(annotation(seen=(0, 0, 0))), sample()) == dict.fromkeys(
        KEYS, -1
    )


def test_boxes_alone_need_no_keypoints(write):
    found = sample(detection())
    del found.pred_instances.keypoints
    assert measure(write(annotation()), found, metric='bbox')['coco/bbox_mAP'] == 1


def test_thresholds_of_the_user_are_those_of_the_oks(write):
    cases = [
        ([0.6], 1),
        (0.6, 1),
        ([0.65], 0),
    ]
    for threshold, expected in cases:
        metrics = measure(
            write(annotation()),
            sample(detection(10)),
            iou_thrs=threshold,
            metric_items=['mAP'],
        )
        assert metrics == {KEYS[0]: expected}


def test_results_are_written_as_coco_wants_them(write, tmp_path):
    prefix = tmp_path / 'some' / 'where'
    metrics = measure(
        write(annotation()),
        sample(detection(score=0.5)),
        metric=['bbox', 'keypoints'],
        format_only=True,
        outfile_prefix=str(prefix),
    )
    assert metrics == {}
    flat = [number for x, y in POINTS for number in (x, y, 0.25)]
    assert json.loads(prefix.with_name('where.keypoints.json').read_text()) == [
        dict(image_id=1, category_id=5, keypoints=flat, score=0.5)
    ]
    assert prefix.with_name('where.bbox.json').exists()


def test_results_can_be_written_for_images_without_annotations(write, tmp_path):
    measure(
        write(),
        sample(detection()),
        format_only=True,
        outfile_prefix=str(tmp_path / 'test'),
    )
    assert len(json.loads((tmp_path / 'test.keypoints.json').read_text())) == 1
