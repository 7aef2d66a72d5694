"""Kinds of wrong keypoints, on people of three points whose similarity is exp(-d^2 / 200)."""
import math

import numpy as np
import pytest

from mmlth.analysis.keypoint_errors import BACKGROUND, ERRORS, classify, keypoint_errors
from mmlth.analysis.predictions import Predictions

SIGMAS, MIRRORED = [0.05] * 3, [[1, 2]]  # 2 * area * (2 * sigma)^2 = 2 * 10000 * 0.01
NOSE, LEFT, RIGHT = (100, 100), (60, 150), (140, 150)
FAR = 300  # from one person to the next


def person(seen=(2, 2, 2), shift=0):
    return np.array([(x + shift, y, v) for (x, y), v in zip((NOSE, LEFT, RIGHT), seen)], float)


def kinds(*places, people=None):
    people = [person(), person(shift=FAR)] if people is None else people
    found = np.array([place or (NOSE, LEFT, RIGHT)[k] for k, place in enumerate(places)], float)
    return classify(found, np.array(people), np.full(len(people), 1e4), SIGMAS, MIRRORED)


@pytest.mark.parametrize('place, kind', [
    ((105, 100), 'good'),  # exp(-25 / 200) = 0.88
    ((106, 100), 'jitter'),  # exp(-36 / 200) = 0.84
    ((111, 100), 'jitter'),  # exp(-121 / 200) = 0.55
    ((112, 100), 'miss'),  # exp(-144 / 200) = 0.49
    ((100 + FAR, 105), 'swap'),
    ((60, 150), 'miss'),  # on the left point, which is no mirrored nose
])
def test_a_nose(place, kind):
    assert kinds(place, None, None) == [kind, 'good', 'good']


def test_sides_that_are_taken_for_each_other_are_inverted():
    assert kinds(None, RIGHT, LEFT) == ['good', 'inversion', 'inversion']


def test_the_side_of_another_person_is_swapped():
    assert kinds(None, (60 + FAR, 150), (60 + FAR, 152)) == ['good', 'swap', 'swap']


def test_what_is_not_labelled_is_not_judged():
    assert kinds(None, (0, 0), None, people=[person(seen=(2, 0, 1))]) == ['good', 'good']
    assert kinds(None, RIGHT, None, people=[person(seen=(2, 2, 0))]) == ['good', 'miss']


def truth(people, **fields):
    return dict(
        images=[dict(id=1, width=900, height=300)],
        categories=[dict(id=1, name='person', keypoints=['nose', 'left', 'right'])],
        annotations=[
            dict(id=n, image_id=1, category_id=1, area=1e4, iscrowd=0, bbox=[0, 0, 100, 100],
                 keypoints=points.ravel().tolist()) | fields
            for n, points in enumerate(people, 1)])


def found(points, score):
    return dict(image_id=1, category_id=1, keypoints=points.ravel().tolist(), score=score)


def errors_of(people, *results, **fields):
    return keypoint_errors(Predictions(
        truth=truth(people, **fields), found=dict(keypoints=list(results)),
        categories={1: 'person'}, sigmas=SIGMAS, mirrored=MIRRORED))


def test_shares_are_of_the_keypoints_of_people_that_were_found():
    inverted = person()[[0, 2, 1]]
    nobody = person(shift=600)
    shares = errors_of([person(), person(shift=FAR)], found(inverted, 0.9), found(nobody, 0.8))
    assert shares == {**dict.fromkeys(ERRORS, 0), 'good': pytest.approx(1 / 3),
                      'inversion': pytest.approx(2 / 3), BACKGROUND: 0.5}


def test_detections_beyond_the_number_of_people_are_no_background():
    shares = errors_of([person()], found(person(), 0.9), found(person(shift=600), 0.8))
    assert shares[BACKGROUND] == 0 and shares['good'] == 1
    shares = errors_of([person()], found(person(), 0.8), found(person(shift=600), 0.9))
    assert shares[BACKGROUND] == 1


def test_nothing_found_is_no_number():
    assert all(map(math.isnan, errors_of([person()]).values()))


def test_a_crowd_is_neither_right_nor_wrong():
    assert all(map(math.isnan, errors_of([person()], found(person(), 0.9), iscrowd=1).values()))
