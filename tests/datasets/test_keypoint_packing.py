"""Keypoints are packed, and transforms that leave them behind are noticed."""

from pathlib import Path

import keypoint_images
import numpy as np
import pytest
import torch
from keypoint_images import (
    BOX,
    CROP,
    LOAD,
    PACK,
    POINTS,
    RESIZE,
    UNLABELLED,
    WIDTH,
    flip,
    image,
    run,
)
from mmdet.datasets.transforms import Resize
from mmengine.dataset import Compose

import mmlth.keypoints  # noqa: F401  registers the transforms
from mmlth.datasets.coco_keypoints import CocoKeypointDataset

mmdet_scope = keypoint_images.mmdet_scope
SAMPLE = Path(__file__).parents[2].parent / 'shared' / 'data' / 'coco_kpt'


def test_the_input_is_not_changed():
    results = run(image((BOX, POINTS)))
    before = results['gt_keypoints']
    Compose([RESIZE, flip(), CROP])(results)
    assert before.tolist() == [POINTS]


def test_packing():
    sample = run(image((BOX, POINTS), (BOX, [[1, 1, 2]] * 3, True)), RESIZE, PACK)[
        'data_samples'
    ]
    assert sample.gt_instances.keypoints.tolist() == [
        [[4, 9, 2], [9, 1.5, 1], UNLABELLED]
    ]
    assert sample.gt_instances.keypoints.dtype == torch.float32
    assert sample.ignored_instances.keypoints.tolist() == [[[2, 3, 2]] * 3]
    assert len(sample.gt_instances) == len(sample.ignored_instances) == 1


def test_packing_an_image_without_objects():
    sample = run(image(), RESIZE, flip(), CROP, PACK)['data_samples']
    assert sample.gt_instances.keypoints.shape == (
        0,
        3,
        3,
    ) and sample.gt_instances.bboxes.shape == (0, 4)


def test_packing_where_nothing_was_loaded():
    results = image()
    sample = Compose([RESIZE, flip(), CROP, PACK])(results)['data_samples']
    assert 'keypoints' not in sample.gt_instances


def test_a_transform_that_leaves_keypoints_behind_is_noticed():
    afters = [
        # pack
        PACK,
        # resize
        RESIZE,
        # flip
        flip(),
        # crop
        CROP,
    ]
    foreigns = [
        # Resize
        dict(type='Resize', scale=(20, 24)),
        # RandomFlip
        dict(type='RandomFlip', prob=1.0),
        # RandomCrop
        dict(type='RandomCrop', crop_size=(6, 5)),
        # Expand
        dict(type='Expand', prob=1.0, ratio_range=(2, 2)),
        # TranslateX
        dict(type='TranslateX', prob=1.0, level=9),
    ]
    for after in afters:
        for foreign in foreigns:
            with pytest.raises(
                ValueError,
                match=r'cats/1\.jpg: .* without its keypoints.* use KeypointResize, '
                'KeypointRandomFlip and KeypointRandomCrop',
            ):
                run(image((BOX, POINTS)), flip(), foreign, after)


def test_boxes_that_are_removed_alone_are_noticed():
    small = ((0, 0, 1, 1), POINTS)
    foreign = dict(type='FilterAnnotations', min_gt_bbox_wh=(2, 2))
    with pytest.raises(
        ValueError,
        match=r'cats/1\.jpg: 1 boxes, but keypoints of 2 .*FilterAnnotations\?',
    ):
        run(image((BOX, POINTS), small), foreign, PACK)


def test_transforms_that_move_nothing_are_fine():
    cases = [
        # Resize by 1
        dict(type='Resize', scale_factor=1.0),
        # RandomFlip that never flips
        dict(type='RandomFlip', prob=0.0),
        # Pad
        dict(type='Pad', size_divisor=32),
        # colours
        dict(type='PhotoMetricDistortion'),
        # FilterAnnotations that finds nothing
        dict(type='FilterAnnotations'),
    ]
    for harmless in cases:
        results = image((BOX, POINTS))
        results['img'] = results['img'].astype(np.float32)
        sample = run(results, harmless, flip(), PACK)['data_samples']
        shift = sample.img_shape[1] - WIDTH
        assert sample.gt_instances.keypoints.tolist() == [
            [[8 + shift, 3, 2], UNLABELLED, [5.5 + shift, 0.5, 1]]
        ]


def test_a_resize_before_loading_is_fine():
    """As in MMDet's test pipelines, where annotations stay in the original image's coordinates."""
    results = Resize(scale=(20, 24))(image((BOX, POINTS)))
    assert run(results, PACK)['data_samples'].gt_instances.keypoints.tolist() == [
        POINTS
    ]


PIPELINE = [
    dict(type='LoadImageFromFile'),
    LOAD,
    dict(
        type='RandomChoiceResize',
        scales=[(640, 400), (640, 200)],
        keep_ratio=True,
        resize_type='KeypointResize',
    ),
    flip(prob=0.5),
    PACK,
]


@pytest.mark.skipif(not SAMPLE.is_dir(), reason='the sample of COCO is not here')
def test_coco_through_the_pipeline_keeps_every_label():
    dataset = CocoKeypointDataset(
        ann_file=str(SAMPLE / 'annotations' / 'person_keypoints_val.json'),
        pipeline=PIPELINE,
        data_prefix=dict(img=str(SAMPLE / 'images')),
    )
    for i in range(len(dataset)):
        found = dataset[i]['data_samples'].gt_instances.keypoints
        loaded = [
            o['keypoints']
            for o in dataset.get_data_info(i)['instances']
            if not o['ignore_flag']
        ]
        expected = np.reshape(loaded, (-1, 17, 3))
        assert sorted(found[..., 2].sum(1).tolist()) == sorted(
            expected[..., 2].sum(1).tolist()
        )
