"""COCO keypoints as a data set of MMDet: what is read, what is left out, what is refused."""

from pathlib import Path

import coco_files
import pytest
from coco_files import CAT, DOG, METAINFO, NAMES, READ, annotation, instances
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from pycocotools.coco import COCO
from pycocotools.cocoeval import Params

from mmlth.datasets import coco_keypoints
from mmlth.datasets.coco_keypoints import CocoKeypointDataset
from mmlth.datasets.digit_scenes import meta

load = coco_files.load
SAMPLE = (
    Path(__file__).parents[2].parent / 'shared' / 'data' / 'coco_kpt' / 'annotations'
)


def labelled(ann_file):
    """Sum COCO's own counts, without crowds."""
    coco = COCO(str(ann_file))
    return sum(
        record.get('num_keypoints', 0)
        for record in coco.loadAnns(coco.getAnnIds(iscrowd=False))
    )


def count(dataset):
    return sum(
        coco_keypoints.count_labelled(dataset.get_data_info(i))
        for i in range(len(dataset))
    )


def test_labelled_points_move_to_the_centre_of_their_pixel_and_unlabelled_are_zero(
    load,
):
    (instance,) = instances(load(annotation(1)))
    assert instance['keypoints'] == READ
    assert {type(value) for value in instance['keypoints']} == {float}


def test_boxes_keep_their_own_keypoints_where_mmdet_leaves_annotations_out(load):
    dogs = annotation(3, category_id=5)
    dropped = [
        annotation(2, area=0),
        dogs,
        annotation(5, ignore=1),
        annotation(7, bbox=[30, 0, 5, 5]),
    ]
    kept = [annotation(i, [i, i, 2] * 3) for i in (1, 4, 6)]
    found = instances(
        load(
            kept[0], *dropped[:2], kept[1], *dropped[2:], kept[2], categories=[CAT, DOG]
        )
    )
    box_of = [(i['bbox'][0], i['keypoints']) for i in found]
    assert box_of == [(n, [n + 0.5, n + 0.5, 2] * 3) for n in (1, 4, 6)]


def test_every_image_knows_what_a_flip_swaps(load):
    dataset = load(annotation(1), images=2)
    assert [dataset.get_data_info(i)['flip_indices'] for i in (0, 1)] == [
        [0, 2, 1],
        [0, 2, 1],
    ]
    assert dataset.get_data_info(1)['instances'] == []


def test_which_categories_have_keypoints(load):
    cases = [
        # a category without a list gets zeros
        ([CAT, DOG], [READ, [0.0] * 9]),
        # no list at all: all have keypoints
        ([dict(id=1, name='cat'), DOG], [READ, READ]),
        # an empty list is none
        ([dict(CAT, keypoints=[]), DOG], [READ, READ]),
        # both have lists
        ([CAT, dict(DOG, keypoints=NAMES)], [READ, READ]),
    ]
    for categories, expected in cases:
        dataset = load(
            annotation(1),
            annotation(2, category_id=5),
            categories=categories,
            metainfo={**METAINFO, 'classes': ('cat', 'dog')},
        )
        assert [i['keypoints'] for i in instances(dataset)] == expected


def test_other_categories_need_no_keypoints(load):
    dataset = load(
        annotation(1),
        annotation(2, None, category_id=5),
        categories=[CAT, DOG],
        metainfo={**METAINFO, 'classes': ('cat', 'dog')},
    )
    assert [i['keypoints'] for i in instances(dataset)] == [READ, [0.0] * 9]


def test_the_list_of_a_class_that_is_not_chosen_does_not_count(load):
    dogs = dict(DOG, keypoints=['tail'])
    dataset = load(annotation(1), categories=[dict(id=1, name='cat'), dogs])
    assert instances(dataset)[0]['keypoints'] == READ


UNLABELLED = [5, 5, 0] * 3


def names(dataset):
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


def test_images_without_keypoints_are_left_out_of_training(load):
    cases = [
        # at least one
        (dict(filter_cfg=dict(filter_empty_gt=True)), [1, 3]),
        # summed over instances
        (dict(filter_cfg=dict(min_keypoints=3)), [3]),
        # any
        (dict(filter_cfg=dict(filter_empty_gt=True, min_keypoints=0)), [1, 2, 3, 4]),
        # empty ones too
        (dict(filter_cfg=dict(min_keypoints=0)), [1, 2, 3, 4, 5]),
        # no filter_cfg
        (dict(), [1, 2, 3, 4, 5]),
        # testing
        (dict(filter_cfg=dict(min_keypoints=1), test_mode=True), [1, 2, 3, 4, 5]),
    ]
    for kwargs, expected in cases:
        dataset = load(
            annotation(1),
            annotation(2, UNLABELLED, image=2),
            annotation(3, image=3),
            annotation(4, image=3),
            annotation(5, image=4, iscrowd=1),
            images=5,
            **kwargs,
        )
        assert names(dataset) == expected


def test_tolerances_are_those_of_pycocotools():
    found = CocoKeypointDataset.METAINFO
    assert found['sigmas'] == pytest.approx(
        Params(iouType='keypoints').kpt_oks_sigmas, rel=1e-12
    )


def test_what_a_flip_swaps_are_left_and_right():
    found = CocoKeypointDataset.METAINFO
    keypoints, flipped = found['keypoint_names'], coco_keypoints.flip_indices(found)
    mirror = [
        name.replace('left', '?').replace('right', 'left').replace('?', 'right')
        for name in keypoints
    ]
    assert [keypoints[i] for i in flipped] == mirror


def digit_scenes_dataset(folder, classes, **kwargs):
    init_default_scope('mmdet')
    return DATASETS.build(
        dict(
            type='CocoKeypointDataset',
            data_root=str(folder),
            ann_file='annotations/instances_train.json',
            data_prefix=dict(img='VOC2007/JPEGImages/'),
            metainfo=dict(classes=classes),
            pipeline=[],
            **kwargs,
        )
    )


def test_digit_scenes_of_all_classes(digit_scenes):
    dataset = digit_scenes_dataset(digit_scenes, meta.CLASSES)
    assert len(dataset) == 16
    assert (
        count(dataset)
        == labelled(digit_scenes / 'annotations' / 'instances_train.json')
        > 0
    )
    digits = [
        i
        for n in range(16)
        for i in dataset.get_data_info(n)['instances']
        if i['bbox_label'] > 0
    ]
    assert digits and all(i['keypoints'] == [0.0] * 51 for i in digits)


def test_people_of_digit_scenes(digit_scenes):
    dataset = digit_scenes_dataset(
        digit_scenes, ('person',), filter_cfg=dict(filter_empty_gt=True)
    )
    coco = COCO(str(digit_scenes / 'annotations' / 'person_keypoints_train.json'))
    assert names(dataset) == sorted(
        {record['image_id'] for record in coco.anns.values()}
    )


@pytest.mark.skipif(not SAMPLE.is_dir(), reason='the sample of COCO is not here')
@pytest.mark.parametrize('split, images', [('train', 25), ('val', 11)])
def test_coco_itself(split, images):
    path = SAMPLE / f'person_keypoints_{split}.json'
    dataset = CocoKeypointDataset(
        ann_file=str(path), data_prefix=dict(img=''), pipeline=[]
    )
    assert len(dataset) == images and count(dataset) == labelled(path) > 0
    (category,) = COCO(str(path)).cats.values()
    assert category['keypoints'] == list(dataset.metainfo['keypoint_names'])
    bones = [(a - 1, b - 1) for a, b in category['skeleton']]
    assert tuple(bones) == dataset.metainfo['skeleton']
