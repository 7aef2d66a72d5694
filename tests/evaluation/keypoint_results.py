"""Small COCO files of keypoints, detections of them, and what the metric says."""

import json

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmlth.evaluation import CocoKeypointMetric

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
