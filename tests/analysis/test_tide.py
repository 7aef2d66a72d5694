"""Errors of boxes and masks: scenes of one error each, and tidecv's own readers."""
import json
import math
import sys

import matplotlib
import numpy as np
import pytest
from made_jobs import NAMES, found, perfect, truth

from mmlth.analysis.predictions import Predictions
from mmlth.analysis.tide import ERRORS, import_tide, tide_errors

A = [10, 10, 20, 20]
NONE = dict.fromkeys(ERRORS, 0)


def test_without_the_package_its_name_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tidecv', None)
    with pytest.raises(RuntimeError, match='need the package tidecv'):
        import_tide()


def errors_of(*results, boxes=None, images=1):
    pytest.importorskip('tidecv')
    given = Predictions(truth=truth(images, {1: A} if boxes is None else boxes), categories=NAMES,
                        found=dict(bbox=list(results)))
    return tide_errors(given, 'bbox')


def one(category=1, bbox=A, score=0.9, image=1):
    return found(image, category, score, bbox=bbox)


@pytest.mark.parametrize('results, expected', [
    pytest.param([one()], {}, id='none at all'),
    pytest.param([one(category=2)], dict(Cls=100), id='class'),
    pytest.param([one(bbox=[18, 10, 20, 20])], dict(Loc=100), id='place'),
    pytest.param([one(category=2, bbox=[18, 10, 20, 20])], {}, id='both: mending leaves a miss'),
    pytest.param([one(score=0.5), one(bbox=[90, 90, 9, 9])], dict(Bkg=50), id='background'),
    pytest.param([], dict(Miss=100), id='nothing found: tidecv divides by zero'),
])
def test_a_scene_with_one_error_has_that_error(results, expected):
    assert errors_of(*results) == NONE | expected


def test_no_object_at_all_is_no_number():
    assert all(map(math.isnan, errors_of(one(), boxes={}).values()))


def test_a_second_detection_that_comes_before_others_costs():
    boxes = {1: A}
    results = [one(), one(score=0.8), one(image=2, score=0.7)]
    gained = errors_of(*results, boxes=boxes, images=2)
    assert gained['Dupe'] > 10 and gained['Bkg'] == gained['Miss'] == 0


@pytest.mark.parametrize('task, mode', [('bbox', 'bbox'), ('segm', 'mask')])
def test_errors_are_those_of_tidecvs_own_readers(tmp_path, task, mode):
    tidecv = pytest.importorskip('tidecv')
    content = truth(images=12)
    generator = np.random.default_rng(0)
    results = []
    for row in [*perfect(12), *perfect(6)]:
        x, y, w, h = np.add(row['bbox'], generator.integers(-8, 9, 4)).tolist()
        polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        results.append(row | dict(
            bbox=[x, y, w, h], score=float(generator.random()), segmentation=rle(polygon),
            category_id=int(generator.choice([row['category_id']] * 3 + [1, 2, 3]))))
    for name, value in (('truth', content), ('found', results)):
        (tmp_path / f'{name}.json').write_text(json.dumps(value))
    with matplotlib.rc_context():  # its plotter sets a style for all figures
        tide = tidecv.TIDE()
    run = tide.evaluate(tidecv.datasets.COCO(str(tmp_path / 'truth.json')),
                        tidecv.datasets.COCOResult(str(tmp_path / 'found.json')), mode=mode)
    expected = {kind.short_name: gain for kind, gain in run.fix_main_errors().items()}
    given = Predictions(truth=content, found={task: results}, categories=NAMES)
    assert tide_errors(given, task) == pytest.approx(expected)
    assert sum(gain > 0 for gain in expected.values()) >= 4


def rle(polygon):
    from pycocotools import mask
    coded = mask.merge(mask.frPyObjects(polygon, 200, 200))
    return dict(coded, counts=coded['counts'].decode())
