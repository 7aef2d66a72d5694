"""AP by size, shape and category: against MMDet's metric, and scenes small enough to see it."""
import json
import math

import made_jobs
import numpy as np
import pytest
import torch
from made_jobs import NAMES, found, moved, perfect, truth
from mmdet.evaluation import CocoMetric

from mmlth.analysis import object_groups as groups
from mmlth.analysis.objects import difficulty
from mmlth.analysis.predictions import Predictions, load_predictions


def predictions(*results, **fields):
    return Predictions(truth=truth(), found=dict(bbox=list(results)), categories=NAMES, **fields)


@pytest.fixture(scope='module')
def scenes(digit_scenes):
    path = digit_scenes / 'annotations' / 'instances_train.json'
    return str(path), moved(path)


def by_mmdet(path, given):
    metric = CocoMetric(path, 'bbox', classwise=True)
    metric.dataset_meta = dict(classes=tuple(given.categories.values()))
    labels = list(given.categories)
    for image in given.truth['images']:
        own = [one for one in given.found['bbox'] if one['image_id'] == image['id']]
        boxes = torch.tensor([one['bbox'] for one in own], dtype=torch.float64).reshape(-1, 4)
        instances = dict(
            bboxes=torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            scores=torch.tensor([one['score'] for one in own], dtype=torch.float64),
            labels=torch.tensor([labels.index(one['category_id']) for one in own]))
        metric.process({}, [dict(img_id=image['id'], pred_instances=instances,
                                 ori_shape=(image['height'], image['width']))])
    return metric.evaluate(len(given.truth['images']))


def test_ap_of_categories_and_sizes_is_that_of_mmdet(scenes):
    path, given = scenes
    expected = by_mmdet(path, given)
    scores = groups.per_category(given, 'bbox')
    assert 0.1 < np.nanmean(list(scores.values())) < 0.9
    names = given.categories
    assert {names[n]: ap for n, ap in scores.items()} == pytest.approx(
        {name: expected[f'coco/{name}_precision'] for name in names.values()}, abs=6e-4)
    sizes = [group.ap for group in groups.by_size(given, 'bbox')]
    absent = [expected[f'coco/bbox_mAP_{s}'] for s in 'sml']
    assert np.nan_to_num(sizes, nan=-1).tolist() == pytest.approx(absent, abs=6e-4)


def test_measuring_leaves_the_predictions_as_they_were(scenes):
    given = scenes[1]
    before = json.dumps(given.found) + json.dumps(given.truth)
    groups.by_shape(given, 'bbox')
    assert json.dumps(given.found) + json.dumps(given.truth) == before


def test_a_shape_that_is_never_found_costs_its_own_third_alone():
    tall, square, wide = groups.by_shape(predictions(*perfect(categories=[1, 2])), 'bbox')
    assert (tall.ap, square.ap, wide.ap) == (1, 1, 0)
    assert (tall.objects, square.objects, wide.objects) == (2, 2, 2)


def test_a_false_detection_costs_the_third_of_its_shape_alone():
    false = found(category=1, score=1.0, bbox=[100, 150, 90, 20])  # wide, and called tall
    categories = {1: 'tall'}
    boxes = {1: [10, 10, 20, 60]}
    given = Predictions(truth=truth(boxes=boxes), categories=categories,
                        found=dict(bbox=[false, *perfect(categories=[1])]))
    assert groups.per_category(given, 'bbox')[1] < 0.9
    assert groups.by_shape(given, 'bbox')[1].ap == 1  # all truth has one shape


def test_masks_are_sized_by_their_area_and_not_by_their_box():
    half = [[50, 10, 90, 10, 50, 50]]  # half of a square of 40: 800 px, so small
    content = truth(images=1, boxes={2: [50, 10, 40, 40]})
    content['annotations'][0].update(segmentation=half, area=800)
    one = found(category=2, segmentation=rle(content))
    given = Predictions(truth=content, found=dict(segm=[one]), categories=NAMES)
    small, medium, _ = groups.by_size(given, 'segm')
    assert small.ap == pytest.approx(1) and math.isnan(medium.ap)
    assert (small.objects, medium.objects) == (1, 0)


def rle(content):
    from pycocotools import mask
    coded = mask.merge(mask.frPyObjects(content['annotations'][0]['segmentation'], 200, 200))
    return dict(coded, counts=coded['counts'].decode())


def test_no_detection_at_all_is_an_ap_of_zero():
    assert set(groups.per_category(predictions(), 'bbox').values()) == {0}


def test_thirds_leave_out_categories_without_objects_and_need_three():
    scores = {1: 0.5, 2: math.nan, 3: 0.25, 4: 1.0}
    thirds = groups.in_thirds(scores, {1: 2, 2: 1, 3: 3, 4: 4}, 'abc', {3: 7})
    assert [tuple(third) for third in thirds] == [('a', 0.5, 0), ('b', 0.25, 7), ('c', 1.0, 0)]
    assert groups.in_thirds(scores, {1: 2, 3: 3}, 'abc', {}) == []


def test_difficulty_is_that_of_other_jobs_where_there_are_any():
    dense = {'a': {1: 0.2, 2: 0.8}, 'b': {1: 0.4, 2: math.nan}}
    assert difficulty(dense, 'a') == {1: 0.4}
    assert difficulty({'a': dense['a']}, 'a') == dense['a']


def test_a_dump_is_read_with_the_counts_of_the_training_data(tmp_path):
    path, train = tmp_path / 'truth.json', tmp_path / 'train.json'
    path.write_text(json.dumps(truth()))
    of_training = truth(images=5)
    of_training['annotations'][0]['iscrowd'] = 1
    train.write_text(json.dumps(of_training))
    made_jobs.dump(tmp_path, dict(bbox=perfect()), path, train)
    read = load_predictions(tmp_path)
    assert read.training == {1: 4, 2: 5, 3: 5} and read.found == dict(bbox=perfect())
    made_jobs.dump(tmp_path, dict(bbox=perfect(images=3)), path, classes=['wide'])
    with pytest.raises(ValueError, match=r'images that .*/truth\.json lacks, such as 3'):
        load_predictions(tmp_path)
    path.rename(tmp_path / 'moved.json')
    with pytest.raises(FileNotFoundError, match='say where the annotations lie: --annotations'):
        load_predictions(tmp_path)
