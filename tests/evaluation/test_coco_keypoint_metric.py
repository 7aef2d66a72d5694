"""COCO keypoint AP against hand-computed OKS, pycocotools called by hand, and the ground truth itself."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.models import DetTTAModel
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmlth.evaluation import CocoKeypointMetric

COCO_SAMPLE = Path(__file__).parents[2].parent / 'shared' / 'data' / 'coco_kpt'
KEYS = [
    f'coco/keypoints_{item}' for item in ('mAP', 'mAP_50', 'mAP_75', 'mAP_m', 'mAP_l')
]
# 2 * area * (2 * sigma)^2 = 2 * 10000 * 0.01, so a point d pixels off counts exp(-d^2 / 200).
META = dict(classes=('bird',), sigmas=[0.05] * 3)
POINTS = [[120, 130], [150, 140], [160, 180]]  # pixel indices, as in a file
BIRD = dict(id=5, name='bird', keypoints=['beak', 'left_wing', 'right_wing'])
FISH = dict(id=2, name='fish', keypoints=['mouth', 'left_fin', 'right_fin'])
STONE = dict(id=9, name='stone')


def annotation(number=1, image=1, category=5, seen=(2, 2, 2), **fields):
    flat = [
        value
        for (x, y), v in zip(POINTS, seen, strict=True)
        for value in (x * (v > 0), y * (v > 0), v)
    ]
    return (
        dict(
            id=number,
            image_id=image,
            category_id=category,
            bbox=[100, 100, 100, 100],
            area=10000,
            iscrowd=0,
            keypoints=flat,
        )
        | fields
    )


@pytest.fixture
def write(tmp_path):
    def write(*annotations, categories=(BIRD,), images=1):
        path = tmp_path / 'truth.json'
        sizes = [
            dict(id=i + 1, width=300, height=300, file_name=f'{i + 1}.jpg')
            for i in range(images)
        ]
        path.write_text(
            json.dumps(
                dict(images=sizes, categories=categories, annotations=annotations)
            )
        )
        return str(path)

    return write


def detection(shift=0.0, score=0.9, label=0):
    """A detection of POINTS, moved to the right; in continuous coordinates."""
    points = [[x + 0.5 + shift, y + 0.5, 0.25] for x, y in POINTS]
    return dict(
        bboxes=[100.0, 100.0, 200.0, 200.0],
        scores=score,
        labels=label,
        keypoints=points,
    )


def sample(*detections, image=1, num_keypoints=3):
    shapes = dict(
        bboxes=(-1, 4), scores=(-1,), labels=(-1,), keypoints=(-1, num_keypoints, 3)
    )
    found = InstanceData(
        **{
            key: torch.tensor(
                [d[key] for d in detections], dtype=torch.float32
            ).reshape(shape)
            for key, shape in shapes.items()
        }
    )
    found.labels = found.labels.long()
    return DetDataSample(
        pred_instances=found, metainfo=dict(img_id=image, ori_shape=(300, 300))
    )


def measure(path, *samples, meta=META, metric='keypoints', **settings):
    evaluator = CocoKeypointMetric(path, metric, **settings)
    evaluator.dataset_meta = meta
    for start in range(0, len(samples), 2):
        evaluator.process({}, [s.to_dict() for s in samples[start : start + 2]])
    return evaluator.evaluate(len(samples))


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
    assert (
        measure(write(annotation()), sample(found))[KEYS[0]] == 0.4
    )  # OKS 2 / 3: .5, .55, .6, .65
    assert measure(write(annotation(seen=(2, 0, 1))), sample(found))[KEYS[0]] == 1


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


def test_boxes_are_measured_as_by_mmdet(write):
    path = write(annotation(), annotation(2, image=2), images=2)
    found = [sample(detection()), sample(detection(score=0.3), image=2)]
    both = measure(
        path,
        *found,
        metric=['keypoints', 'bbox'],
        metric_items=['mAP', 'mAP_s', 'mAP_50'],
    )
    boxes = CocoMetric(path, 'bbox', metric_items=['mAP', 'mAP_s', 'mAP_50'])
    boxes.dataset_meta = META
    boxes.process({}, [s.to_dict() for s in found])
    assert both == boxes.evaluate(2) | dict.fromkeys(KEYS[:2], 1)


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
        ValueError, match='image 1: .*no keypoints.*augmentation isn.t.*without --tta'
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
        ValueError, match='truth.json: none of its 1 annotations.*person_keypoints'
    ):
        CocoKeypointMetric(write(boxes))


# Real files, 17 keypoints


def sources():
    missing = pytest.mark.skipif(
        not COCO_SAMPLE.exists(), reason='the COCO sample is not here'
    )
    return [
        pytest.param('digit_scenes', id='digit_scenes'),
        *(
            pytest.param(
                COCO_SAMPLE / 'annotations' / f'person_keypoints_{split}.json',
                marks=missing,
                id=f'COCO, {split}',
            )
            for split in ('train', 'val')
        ),
    ]


@pytest.fixture(params=sources())
def people(request):
    if request.param != 'digit_scenes':
        return str(request.param)
    return str(
        request.getfixturevalue('digit_scenes') / 'annotations' / 'instances_train.json'
    )


def predictions(path, noise):
    """Predict the labelled people, with noise * sqrt(area) pixels of normal noise and random scores."""
    truth, random, samples = COCO(path), np.random.default_rng(0), []
    for image in truth.getImgIds():
        found = []
        for ann in truth.loadAnns(truth.getAnnIds([image], [1], iscrowd=False)):
            points = np.array(ann['keypoints'], dtype=float).reshape(-1, 3)
            points[:, :2] += (
                0.5 + random.normal(size=(17, 2)) * noise * ann['area'] ** 0.5
            )
            x, y, w, h = ann['bbox']
            found += [
                dict(
                    bboxes=[x, y, x + w, y + h],
                    scores=random.random(),
                    labels=0,
                    keypoints=points.tolist(),
                )
            ] * bool(ann['num_keypoints'])
        samples.append(sample(*found, image=image, num_keypoints=17))
    return samples


PERSON = dict(classes=('person',))


def test_the_ground_truth_itself_is_perfect(people):
    metrics = measure(people, *predictions(people, noise=0), meta=PERSON)
    assert metrics[KEYS[0]] == 1 and set(metrics.values()) <= {1, -1}


def test_pycocotools_called_by_hand_finds_the_same(people, tmp_path):
    found = predictions(people, noise=0.06)
    metrics = measure(people, *found, meta=PERSON, outfile_prefix=str(tmp_path / 'p'))
    truth = COCO(people)
    oracle = COCOeval(
        truth, truth.loadRes(str(tmp_path / 'p.keypoints.json')), 'keypoints'
    )
    oracle.params.catIds = [1]
    oracle.evaluate()
    oracle.accumulate()
    oracle.summarize()
    assert 0.2 < metrics[KEYS[0]] < 0.8
    assert [metrics[key] for key in KEYS] == pytest.approx(
        oracle.stats[:5], abs=0.00051
    )


def evaluate_on_rank(rank, path, folder):
    torch.distributed.init_process_group(
        'gloo', f'file://{folder}/store', rank=rank, world_size=2
    )
    try:
        metric = CocoKeypointMetric(path, 'keypoints')
        metric.dataset_meta = META
        shares = [
            (1, 3),
            (2, 1),
        ]  # as a sampler deals three images to two ranks: one is dealt twice
        for image in shares[rank]:
            metric.process({}, [found_on(image).to_dict()])
        (Path(folder) / f'{rank}.json').write_text(json.dumps(metric.evaluate(3)))
    finally:
        torch.distributed.destroy_process_group()


def found_on(image):
    return sample(detection(4 * image, score=1 / image), image=image)


def test_two_ranks_find_what_one_finds(write, tmp_path):
    path = write(*(annotation(i, image=i) for i in (1, 2, 3)), images=3)
    torch.multiprocessing.spawn(evaluate_on_rank, (path, str(tmp_path)), nprocs=2)
    one = measure(path, *(found_on(image) for image in (1, 2, 3)))
    assert 0 < one[KEYS[0]] < 1
    assert [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in (0, 1)] == [
        one,
        one,
    ]
