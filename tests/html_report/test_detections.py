"""Thumbnails of dense net and ticket: what is right, and what is said where they can't be made."""

import base64
import io
import json

import pytest
from made_jobs import BOXES, dump, found, perfect, truth
from made_page import summary

from mmlth.core import records
from mmlth.core.store import Store
from mmlth.html_report import detections as module
from mmlth.html_report.detections import Found, detections, match

Image = pytest.importorskip('PIL.Image')


@pytest.fixture
def job(tmp_path):
    """A job whose dense net finds all, and whose ticket finds one object and a wrong one."""
    images = tmp_path / 'images'
    images.mkdir()
    for number in (1, 2):
        Image.new('RGB', (200, 200), 'gray').save(images / f'{number}.jpg')
    annotations = tmp_path / 'truth.json'
    annotations.write_text(json.dumps(truth()))
    store = Store(tmp_path / 'job')
    store.work_dir.mkdir()
    records.save(summary(), store.layout.summary)
    facts = dict(images=str(images))
    dump(store.layout.round_dir(0), {'bbox': perfect()}, annotations, **facts)
    ticket = [found(), found(category=2, bbox=[0, 0, 5, 5]), found(category=3, score=0.1)]
    dump(store.layout.round_dir(1), {'bbox': ticket}, annotations, **facts)
    return store


def test_truth_dense_and_ticket_stand_side_by_side(job):
    shown = detections([job])
    assert [[each.text for each in row] for row in shown.rows] == [
        ['1.jpg: 3 objects', '3 found, 0 wrong, 0 missed', '1 found, 1 wrong, 2 missed'],
        ['2.jpg: 3 objects', '3 found, 0 wrong, 0 missed', '0 found, 0 wrong, 3 missed']]
    assert [each.title for each in shown.rows[0]] == [
        'ground truth', 'dense net', 'ticket, 50.00% pruned']
    head, _, data = shown.rows[0][0].uri.partition(',')
    assert head == 'data:image/jpeg;base64'
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (300, 300)


def test_an_object_is_found_once_and_by_its_class():
    objects = [dict(bbox=BOXES[2], category_id=2)]
    twice = [found(category=2, score=0.9), found(category=2, score=0.8),
             found(category=1, bbox=BOXES[2])]
    assert match(objects, twice) == Found(right=[BOXES[2]], wrong=[BOXES[2]] * 2, missed=[])


@pytest.mark.parametrize('box, is_right', [([50, 10, 40, 20], True), ([50, 10, 40, 19], False)])
def test_half_an_overlap_is_right(box, is_right):
    assert bool(match([dict(bbox=BOXES[2], category_id=2)],
                      [found(category=2, bbox=box)]).right) == is_right


def test_rows_end_where_the_budget_does(job, monkeypatch):
    whole = detections([job])
    first = sum(len(each.uri) for each in whole.rows[0])
    monkeypatch.setattr(module, 'MOST_BYTES', first)
    assert detections([job]).rows == whole.rows[:1]


def test_missing_predictions_are_named_with_their_command(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job.layout.round_dir(1) / 'predictions.json').unlink()
    shown = detections([job])
    assert shown.rows == () and '`mmlth test job/round_01 --dump`' in shown.note


def test_missing_images_are_named(job, tmp_path):
    (tmp_path / 'images' / '1.jpg').unlink()
    assert '1.jpg does not exist' in detections([job]).note


def test_a_dense_net_of_another_job_is_found_where_it_was_trained(job, tmp_path):
    other = Store(tmp_path / 'other')
    other.work_dir.mkdir()
    job.layout.round_dir(0).rename(other.layout.round_dir(0))
    whole = summary()
    whole.rounds[0]['trained_in'] = '../other'
    records.save(whole, job.layout.summary)
    assert len(detections([job]).rows) == 2
