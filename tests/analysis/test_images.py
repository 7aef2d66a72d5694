"""Intervals over images: against COCOeval on data sets in which images are repeated."""
import dataclasses
import json
import math

import made_jobs
import numpy as np
import pytest
from made_jobs import NAMES, dump, found, moved, perfect, truth

from mmlth.analysis import object_groups
from mmlth.analysis.analyse import analyse
from mmlth.analysis.images import ap_of_images
from mmlth.analysis.predictions import Predictions


@pytest.fixture(scope='module')
def scenes(digit_scenes):
    return moved(digit_scenes / 'annotations' / 'instances_train.json')


def repeated(given, times):
    """Return predictions of a data set that holds each image so many times, under new ids."""
    ids = sorted(image['id'] for image in given.truth['images'])
    copies = [(new, old) for new, old in enumerate(np.repeat(ids, times).tolist(), 1)]
    boxes = given.truth['annotations']
    anns = [dict(ann, image_id=new) for new, old in copies for ann in boxes
            if ann['image_id'] == old]
    content = dict(
        images=[dict(id=new, width=200, height=200) for new, _ in copies],
        categories=given.truth['categories'],
        annotations=[dict(ann, id=number) for number, ann in enumerate(anns, 1)])
    results = [dict(one, image_id=new) for new, old in copies for one in given.found['bbox']
               if one['image_id'] == old]
    return dataclasses.replace(given, truth=content, found=dict(bbox=results))


def by_coco(given):
    return np.nanmean(list(object_groups.per_category(given, 'bbox').values()))


@pytest.mark.parametrize('seed', range(3))
def test_drawn_images_have_the_ap_of_a_data_set_that_repeats_them(scenes, seed):
    ap, ids = ap_of_images(scenes, 'bbox')
    assert ids == sorted(image['id'] for image in scenes.truth['images'])
    times = np.random.default_rng(seed).integers(0, 4, len(ids))
    expected = by_coco(repeated(scenes, times))
    assert expected > 0 and abs(expected - by_coco(scenes)) > 1e-3
    assert ap(times) == pytest.approx(expected, abs=1e-12)
    assert ap(np.ones_like(times)) == pytest.approx(by_coco(scenes), abs=1e-12)


def test_crowds_and_categories_without_an_object_count_as_in_coco(scenes):
    anns = [dict(ann, iscrowd=int(number % 3 == 0))
            for number, ann in enumerate(scenes.truth['annotations']) if ann['category_id'] != 1]
    given = dataclasses.replace(scenes, truth={**scenes.truth, 'annotations': anns})
    ap, ids = ap_of_images(given, 'bbox')
    assert ap(np.ones(len(ids), dtype=int)) == pytest.approx(by_coco(given), abs=1e-12)


def test_nothing_found_is_zero_and_no_object_is_no_number():
    nothing = Predictions(truth=truth(), found=dict(bbox=[]), categories=NAMES)
    assert ap_of_images(nothing, 'bbox')[0](np.ones(2, dtype=int)) == 0
    empty = dataclasses.replace(nothing, truth={**truth(), 'annotations': []})
    assert math.isnan(ap_of_images(empty, 'bbox')[0](np.ones(2, dtype=int)))


@pytest.fixture
def job(tmp_path):
    """A job of 40 images: the ticket finds one more wide box than the dense net in some."""
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth(40)))
    dense, ticket = made_jobs.write_job(tmp_path / 'job')
    lost = [one for one in perfect(40) if one['category_id'] != 3 or one['image_id'] > 8]
    dump(dense, dict(bbox=lost), path)
    dump(ticket, dict(bbox=perfect(40)), path)
    return tmp_path / 'job'


def numbers(work_dir):
    measured = json.loads((work_dir / 'report' / 'analyses.json').read_text())['measured']
    return {(one['training'], one['item']): one['value'] for one in measured}


def test_a_ticket_and_its_dense_net_are_measured_in_the_same_images(job):
    analyse([job], ['images'])
    found = numbers(job)
    assert found['50.00%', 'mAP'] == found['50.00%', 'mAP, from'] == pytest.approx(1)
    change, low, high = (found['50.00%', f'minus dense{end}'] for end in ('', ', from', ', to'))
    assert change == pytest.approx(1 - found['dense', 'mAP'])
    assert 0 < low < change < high
    # Where the ticket is perfect, the change varies as the dense net does.
    assert low == pytest.approx(1 - found['dense', 'mAP, to'])
    assert (job / 'report' / 'images.png').stat().st_size > 5000


def test_equal_detectors_differ_in_no_draw(job, tmp_path):
    half = [found(image, category) for image in range(1, 21) for category in NAMES]
    for folder in ('round_00', 'round_01'):
        dump(job / folder, dict(bbox=half), tmp_path / 'truth.json')
    analyse([job], ['images'])
    found_now = numbers(job)
    assert found_now['dense', 'mAP, from'] < found_now['dense', 'mAP, to']
    assert found_now['50.00%', 'minus dense, from'] == found_now['50.00%', 'minus dense, to'] == 0


def test_trainings_of_other_images_are_refused(job, tmp_path):
    (tmp_path / 'fewer.json').write_text(json.dumps(truth(30)))
    dump(job / 'round_01', dict(bbox=perfect(30)), tmp_path / 'fewer.json')
    with pytest.raises(ValueError, match='30 images, its dense net on 40, not the same'):
        analyse([job], ['images'])
