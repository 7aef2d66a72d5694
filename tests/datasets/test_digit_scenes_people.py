"""DigitScenes: keypoints lie where people show them."""

from collections import Counter

import numpy as np
from digit_scenes_files import image_shapes, read, read_picture

from mmlth.datasets.digit_scenes.masks import decode
from mmlth.datasets.digit_scenes.meta import SPLITS


def test_keypoints_lie_inside_and_flags_tell_what_shows(digit_scenes):
    shapes, flags = image_shapes(digit_scenes), Counter()
    people = [
        record
        for split in SPLITS
        for record in read(digit_scenes, split, 'person_keypoints')['annotations']
    ]
    assert len(people) >= 12 and {record['category_id'] for record in people} == {1}
    for record in people:
        points = np.array(record['keypoints'], float).reshape(17, 3)
        height, width = shapes[record['image_id']]
        mask = decode(record['segmentation'], (height, width))
        assert record['num_keypoints'] == (points[:, 2] > 0).sum() >= 5
        for x, y, flag in points:
            flags[flag] += 1
            assert 0 <= x <= width - 1 and 0 <= y <= height - 1
            assert flag or x == y == 0
            assert flag != 2 or mask[round(y), round(x)]
    assert set(flags) == {0, 1, 2} and flags[2] > 0.7 * flags.total()


def test_left_limbs_are_lighter_than_right_limbs(digit_scenes):
    lighter = []
    for record in read(digit_scenes, 'train', 'person_keypoints')['annotations']:
        points = np.array(record['keypoints'], float).reshape(17, 3)
        if (points[13:15, 2] == 2).all() and record['area'] > 2000:  # both knees
            picture = read_picture(digit_scenes, record['image_id'])
            left, right = (
                picture[round(y), round(x)].sum() for x, y, _ in points[13:15]
            )
            lighter.append(left > right)
    assert len(lighter) > 5 and np.mean(lighter) > 0.9


def test_eyes_lie_on_the_dark_pupils(digit_scenes):
    dark = []
    for record in read(digit_scenes, 'train', 'person_keypoints')['annotations']:
        if record['area'] > 4000:  # where a pupil is several pixels wide
            picture = read_picture(digit_scenes, record['image_id'])
            eyes = np.array(record['keypoints'], float).reshape(17, 3)[1:3]
            dark += [
                picture[round(y), round(x)].max() < 110
                for x, y, flag in eyes
                if flag == 2
            ]
    assert len(dark) > 8 and np.mean(dark) > 0.9
