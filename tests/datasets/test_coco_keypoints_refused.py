"""What a COCO file of keypoints and its metainfo must not hold."""

import coco_files
import pytest
from coco_files import CAT, METAINFO, NAMES, POINTS, annotation

load = coco_files.load


def test_bad_keypoints_are_refused_with_file_and_annotation(load):
    cases = [
        # missing
        (None, 'None for keypoints; wanted are 9 numbers'),
        # too few
        (POINTS[:-1], '8 values in keypoints; wanted are 9 numbers'),
        # too many
        ([*POINTS, 0], '10 values in keypoints; wanted are 9'),
        # nested
        ([[1, 2, 2]] * 3, '3 values in keypoints; wanted are 9'),
        # nan
        ([float('nan'), *POINTS[1:]], r'no finite numbers: \[nan, 2'),
        # infinite though unlabelled
        ([*POINTS[:-2], float('inf'), 0], 'no finite numbers'),
        # a string
        (['1', *POINTS[1:]], r"no finite numbers: \['1'"),
        # v = 3
        ([*POINTS[:2], 3, *POINTS[3:]], r'visibilities \[3, 1, 0\]; allowed are 0'),
        # v = -1
        ([*POINTS[:2], -1, *POINTS[3:]], r'visibilities \[-1, 1, 0\]'),
        # v is a score
        ([*POINTS[:2], 0.5, *POINTS[3:]], r'visibilities \[0.5, 1, 0\]'),
    ]
    for keypoints, message in cases:
        with pytest.raises(
            ValueError, match=r'cats\.json: annotation 77 has .*' + message
        ):
            load(annotation(1), annotation(77, keypoints, bbox=[0, 0, 5, 5]))


def test_a_category_with_other_keypoints_is_refused(load):
    with pytest.raises(
        ValueError,
        match=r"cats\.json: category 'cat' has 2 keypoints, but "
        r'metainfo.keypoint_names has 3',
    ):
        load(annotation(1), categories=[dict(CAT, keypoints=NAMES[:2])])


def test_metainfo_that_does_not_fit_is_refused(load):
    cases = [
        # no names
        (dict(keypoint_names=[]), r'keypoint_names=\[\]'),
        # names are a string
        (dict(keypoint_names='nose'), "keypoint_names='nose'"),
        # too few sigmas
        (dict(sigmas=[0.1, 0.2]), r'sigmas=\[0.1, 0.2\]: wanted are 3'),
        # sigma 0
        (dict(sigmas=[0.1, 0, 0.2]), 'sigmas=.* wanted are 3 positive'),
        # sigma nan
        (dict(sigmas=[0.1, float('nan'), 1]), 'sigmas=.* wanted are 3 positive'),
        # too high
        (dict(flip_pairs=[(1, 3)]), r'flip_pairs has \(1, 3\): wanted .* 0 to 2'),
        # pair too low
        (dict(flip_pairs=[(-1, 1)]), r'flip_pairs has \(-1, 1\)'),
        # three
        (dict(flip_pairs=[(0, 1, 2)]), r'flip_pairs has \(0, 1, 2\)'),
        # twice
        (dict(flip_pairs=[(0, 1), (1, 2)]), r'flip_pairs=.* has \[1\] more than once'),
        # with itself
        (dict(flip_pairs=[(1, 1)]), r'flip_pairs=.* has \[1\] more'),
        # 1-based skeleton
        (dict(skeleton=[(3, 1)]), r'skeleton has \(3, 1\): wanted are pairs'),
    ]
    for changes, message in cases:
        with pytest.raises(ValueError, match=r'metainfo\.' + message):
            load(annotation(1), metainfo={**METAINFO, **changes}, lazy_init=True)


def test_a_training_set_that_is_empty_is_refused(load):
    with pytest.raises(
        ValueError,
        match=r"cats\.json: no image is left for training.*'min_size': 5.* keeps "
        r'1 of its 2 images .* 3 \(min_keypoints\)',
    ):
        load(
            annotation(1),
            images=2,
            filter_cfg=dict(filter_empty_gt=True, min_size=5, min_keypoints=3),
        )
