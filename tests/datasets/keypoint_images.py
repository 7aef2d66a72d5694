"""An image with keypoints on its way through a pipeline."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

import mmlth.keypoints  # noqa: F401  registers the transforms

HEIGHT, WIDTH = 8, 10
LOAD, PACK = dict(type='LoadKeypointAnnotations'), dict(type='PackKeypointInputs')
# Twice as wide, three times as high.
RESIZE = dict(type='KeypointResize', scale=(20, 24))
CROP = dict(type='KeypointRandomCrop', crop_size=(6, 5), allow_negative_crop=True)
UNLABELLED = [0, 0, 0]


def flip(direction='horizontal', prob=1.0):
    return dict(type='KeypointRandomFlip', prob=prob, direction=direction)


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')
    np.random.seed(0)


def image(*objects, height=HEIGHT, width=WIDTH):
    """What comes out of LoadImageFromFile; an object is (box, keypoints[, crowd])."""
    instances = [
        dict(
            bbox=list(box),
            bbox_label=i,
            ignore_flag=int(bool(crowd)),
            keypoints=[float(value) for point in points for value in point],
            mask=[[0, 0, 4, 0, 4, 4]],
        )
        for i, (box, points, *crowd) in enumerate(objects)
    ]
    return dict(
        img=np.zeros((height, width, 3), np.uint8),
        img_path='cats/1.jpg',
        img_shape=(height, width),
        ori_shape=(height, width),
        flip_indices=[0, 2, 1],
        instances=instances,
    )


def run(results, *transforms):
    return Compose([LOAD, *transforms])(results)


BOX = (0, 0, WIDTH, HEIGHT)
POINTS = [[2, 3, 2], [4.5, 0.5, 1], UNLABELLED]
