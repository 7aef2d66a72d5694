"""COCO keypoint AP against MMDet, pycocotools called by hand, the truth itself, and one rank."""

import json
from pathlib import Path

import keypoint_results
import numpy as np
import pytest
import torch
from keypoint_results import KEYS, META, annotation, detection, measure, sample
from mmdet.evaluation import CocoMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmlth.evaluation import CocoKeypointMetric

write = keypoint_results.write
COCO_SAMPLE = Path(__file__).parents[2].parent / 'shared' / 'data' / 'coco_kpt'


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
    """Predict the labelled people, noise * sqrt(area) pixels off, with random scores."""
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
    # Forked ranks have MMDet at once; spawned ones would import it again for most of the test.
    torch.multiprocessing.start_processes(
        evaluate_on_rank,
        (path, str(tmp_path)),
        nprocs=2,
        start_method='fork',
    )
    one = measure(path, *(found_on(image) for image in (1, 2, 3)))
    assert 0 < one[KEYS[0]] < 1
    assert [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in (0, 1)] == [
        one,
        one,
    ]
