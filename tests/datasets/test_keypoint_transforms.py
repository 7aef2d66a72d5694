"""Keypoints follow the image through resize, flip and crop; MMDet's own transforms are noticed."""

import copy

import keypoint_images
import numpy as np
import pytest
from keypoint_images import (
    BOX,
    CROP,
    HEIGHT,
    LOAD,
    POINTS,
    RESIZE,
    UNLABELLED,
    WIDTH,
    flip,
    image,
    run,
)
from mmcv.transforms.utils import cache_random_params
from mmdet.registry import TRANSFORMS

import mmlth.keypoints  # noqa: F401  registers the transforms

mmdet_scope = keypoint_images.mmdet_scope


def test_loading():
    cases = [
        0,
        1,
        2,
    ]
    for objects in cases:
        found = run(image(*[(BOX, POINTS)] * objects))['gt_keypoints']
        assert found.shape == (objects, 3, 3) and found.dtype == np.float32
        assert found.tolist() == [POINTS] * objects


def test_loading_needs_the_keypoint_data_set():
    results = image((BOX, POINTS))
    del results['flip_indices']
    with pytest.raises(
        ValueError, match=r'cats/1\.jpg: no keypoints .* CocoKeypointDataset'
    ):
        run(results)


def test_by_hand():
    cases = [
        # resize
        (RESIZE, [[4, 9, 2], [9, 1.5, 1], UNLABELLED]),
        # shrink
        (dict(RESIZE, scale=(5, 4)), [[1, 1.5, 2], [2.25, 0.25, 1], UNLABELLED]),
        # horizontal: left and right swap
        (flip(), [[8, 3, 2], UNLABELLED, [5.5, 0.5, 1]]),
        # vertical: swap
        (flip('vertical'), [[2, 5, 2], UNLABELLED, [4.5, 7.5, 1]]),
        # diagonal: no swap
        (flip('diagonal'), [[8, 5, 2], [5.5, 7.5, 1], UNLABELLED]),
        # no flip
        (flip(prob=0.0), POINTS),
        # list of directions
        (
            flip(['vertical', 'horizontal'], prob=[0.0, 1.0]),
            [[8, 3, 2], UNLABELLED, [5.5, 0.5, 1]],
        ),
        # inside RandomChoiceResize
        (
            dict(
                type='RandomChoiceResize',
                scales=[(20, 24)],
                resize_type='KeypointResize',
            ),
            [[4, 9, 2], [9, 1.5, 1], UNLABELLED],
        ),
        # inside ResizeShortestEdge
        (
            dict(type='ResizeShortestEdge', scale=16, resize_type='KeypointResize'),
            [[4, 6, 2], [9, 1, 1], UNLABELLED],
        ),
    ]
    for transform, expected in cases:
        found = run(image((BOX, POINTS)), transform)['gt_keypoints']
        assert found.tolist() == [expected] and found.dtype == np.float32


def crop(results, **kwargs):
    """Crop 6 x 5 pixels at x = 3, y = 2."""
    transform = TRANSFORMS.build({**CROP, **kwargs})
    transform._rand_offset = lambda margin: (2, 3)
    return transform(run(results))


def test_crop_by_hand():
    points = [[4.5, 3, 2], [3, 7, 1], [9, 2, 2]]  # the last two are on the edges
    assert crop(image((BOX, points)))['gt_keypoints'].tolist() == [
        [[1.5, 1, 2], [0, 5, 1], [6, 0, 2]]
    ]


def test_points_outside_the_crop_lose_their_label():
    cases = [
        [2.9, 3, 2],
        [4, 1.9, 1],
        [9.1, 3, 2],
        [4, 7.1, 2],
    ]
    for point in cases:
        found = crop(image((BOX, [point, [4, 3, 2], UNLABELLED])))['gt_keypoints']
        assert found.tolist() == [[UNLABELLED, [1, 1, 2], UNLABELLED]]


@pytest.mark.parametrize('with_mask', [False, True])
def test_crop_keeps_the_keypoints_of_the_boxes_that_stay(monkeypatch, with_mask):
    monkeypatch.setitem(LOAD, 'with_mask', with_mask)
    left, right = (0, 0, 2, 8), (9, 0, 10, 8)  # beside the crop
    objects = [
        (box, [[4 + i, 3, 2]] * 3)
        for i, box in enumerate([BOX, left, BOX, right, (3, 2, 5, 4)])
    ]
    found = crop(image(*objects), recompute_bbox=with_mask)
    assert found['gt_bboxes_labels'].tolist() == [0, 2, 4]
    assert found['gt_keypoints'][:, 0].tolist() == [[1, 1, 2], [3, 1, 2], [5, 1, 2]]
    assert len(found['gt_bboxes']) == 3 and 'gt_instances_ids' not in found


@pytest.mark.parametrize(
    'objects', [[], [((0, 0, 2, 1), POINTS)]], ids=['no objects', 'none in the crop']
)
def test_crop_without_boxes(objects):
    assert crop(image(*objects))['gt_keypoints'].shape == (0, 3, 3)
    assert crop(image(*objects), allow_negative_crop=False) is None


def test_crop_is_repeatable_where_mmcv_caches_randomness():
    transform = TRANSFORMS.build(CROP)
    results = run(image((BOX, [[5, 4, 2]] * 3)))
    with cache_random_params(transform):
        first, second = (transform(copy.deepcopy(results)) for _ in range(2))
    assert first['gt_keypoints'].tolist() == second['gt_keypoints'].tolist()


def test_points_outside_the_image_lose_their_label_and_those_on_its_edge_do_not():
    points = [[-0.5, 1, 2], [WIDTH, HEIGHT, 2], [3, 8.5, 1]]
    found = run(image((BOX, points)), RESIZE)['gt_keypoints']
    assert found.tolist() == [[UNLABELLED, [20, 24, 2], UNLABELLED]]


def test_an_edge_survives_any_resize():
    points = [[WIDTH, HEIGHT, 2]] * 3
    for side in range(1, 200):
        assert (
            run(image((BOX, points)), dict(RESIZE, scale=(side, side)))['gt_keypoints'][
                0, 0, 2
            ]
            == 2
        )


def test_two_flips_are_none():
    cases = [
        'horizontal',
        'vertical',
        'diagonal',
    ]
    for direction in cases:
        found = run(
            image((BOX, POINTS), (BOX, [[0, 0, 2], [10, 8, 1], [0.5, 7.5, 2]])),
            *[flip(direction)] * 2,
        )
        assert found['gt_keypoints'].tolist() == [
            POINTS,
            [[0, 0, 2], [10, 8, 1], [0.5, 7.5, 2]],
        ]


def many(count, height=HEIGHT, width=WIDTH):
    """Give objects of random visible points, no two keypoints of which are mirror images."""
    points = np.random.rand(count, 3, 3) * (width, height, 0) + (0, 0, 2)
    return image(
        *[((0, 0, width, height), p) for p in points.tolist()],
        height=height,
        width=width,
    )


def test_points_go_where_the_matrix_that_mmdet_records_sends_them():
    cases = [
        # resize
        ([RESIZE], False),
        # horizontal
        ([flip()], True),
        # vertical
        ([flip('vertical')], True),
        # crop
        ([CROP], False),
        # resize, flip, crop
        ([RESIZE, flip(), dict(CROP, crop_size=(15, 12))], True),
        # crop, diagonal, resize, crop
        ([CROP, flip('diagonal'), RESIZE, CROP], False),
    ]
    for transforms, swapped in cases:
        np.random.seed(0)
        before = run(many(20))['gt_keypoints']
        np.random.seed(0)
        results = run(many(20), *transforms)
        sent = (
            np.concatenate([before[..., :2], np.ones((20, 3, 1))], -1)
            @ results['homography_matrix'].T
        )
        found = (
            results['gt_keypoints'][:, [0, 2, 1]]
            if swapped
            else results['gt_keypoints']
        )
        height, width = results['img'].shape[:2]
        inside = ((sent[..., :2] >= 0) & (sent[..., :2] <= (width, height))).all(-1)
        assert inside.sum() > 0 and (found[..., 2] > 0).tolist() == inside.tolist()
        np.testing.assert_allclose(found[inside][:, :2], sent[inside][:, :2], atol=1e-4)
        assert not found[~inside].any()


def test_the_matrix_is_the_one_of_mmdets_crop():
    found = []
    for name in ('KeypointRandomCrop', 'RandomCrop'):
        np.random.seed(3)
        results = run(image((BOX, POINTS)), RESIZE, flip(), dict(CROP, type=name))
        found.append(results['homography_matrix'])
    np.testing.assert_array_equal(*found)


def test_the_pixel_under_a_keypoint_stays_under_it():
    cases = [
        [flip()],
        [flip('vertical')],
        [CROP],
        [CROP, flip('diagonal')],
    ]
    for transforms in cases:
        results = image((BOX, [[6.5, 3.5, 2], UNLABELLED, UNLABELLED]))
        results['img'][3, 6] = 255
        results = run(results, *transforms)
        x, y, v = results['gt_keypoints'][0, 0].tolist()
        lit = np.argwhere(results['img'][..., 0])[:, ::-1].tolist()
        assert lit == ([[int(x), int(y)]] if v else [])
