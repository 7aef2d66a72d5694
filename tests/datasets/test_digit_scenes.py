"""DigitScenes: what is written agrees with itself, with COCO and VOC, and with its promises."""

import io
import json
from collections import Counter
from contextlib import redirect_stdout

import cv2
import numpy as np
import pytest
from digit_scenes_files import all_annotations, image_shapes, read
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params

from mmlth.datasets import digit_scenes
from mmlth.datasets.digit_scenes import CLASSES, generate, handwriting_split
from mmlth.datasets.digit_scenes.masks import decode, encode
from mmlth.datasets.digit_scenes.meta import FREQUENCY_ORDER, SPLITS, band_of_area
from mmlth.datasets.digit_scenes.plan import generators, plan_scene
from mmlth.datasets.digit_scenes.scene import compose

SIZES = dict(train=24, val=12, crops_per_class=5)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('digit_scenes') / 'set'
    generate(path, seed=0, **SIZES, log=None)
    return path


def test_handwriting_of_train_and_val_is_disjoint(folder):
    used = [
        {
            index
            for record in read(folder, split)['annotations']
            for index in record['handwriting']
        }
        for split in SPLITS
    ]
    allowed = [
        set(np.concatenate(handwriting_split()[split]).tolist()) for split in SPLITS
    ]
    assert len(used[0]) > 50 and len(used[1]) > 25
    assert not allowed[0] & allowed[1] and len(allowed[0] | allowed[1]) == 1797
    assert used[0] <= allowed[0] and used[1] <= allowed[1]


def test_ground_truth_against_itself_is_perfect(folder):
    kinds = [
        ('bbox', 'instances'),
        ('segm', 'instances'),
        ('keypoints', 'person_keypoints'),
    ]
    for kind, stem in kinds:
        for split in SPLITS:
            with redirect_stdout(io.StringIO()):
                truth = COCO(str(folder / 'annotations' / f'{stem}_{split}.json'))
                found = [
                    dict(
                        image_id=record['image_id'],
                        category_id=record['category_id'],
                        score=1.0,
                        **result(truth, record, kind),
                    )
                    for record in truth.dataset['annotations']
                    if not record['iscrowd']
                ]
                evaluation = COCOeval(truth, truth.loadRes(found), kind)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
            assert evaluation.stats[0] == pytest.approx(1.0, abs=1e-9)


def result(truth, record, kind):
    if kind == 'segm':
        return dict(segmentation=truth.annToRLE(record))
    return {kind: record[kind]}


def test_areas_boxes_and_masks_agree(folder):
    shapes, bands = image_shapes(folder), Counter()
    for record in all_annotations(folder):
        mask = decode(record['segmentation'], shapes[record['image_id']])
        rows, columns = (
            np.flatnonzero(mask.any(axis=1)),
            np.flatnonzero(mask.any(axis=0)),
        )
        assert record['bbox'] == [
            columns[0],
            rows[0],
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
        assert record['area'] == mask.sum()
        bands[band_of_area(record['area'])] += 1
    share = {band: count / bands.total() for band, count in bands.items()}
    assert (
        0.15 < share['small'] < 0.45 and share['medium'] > 0.4 and share['large'] > 0.05
    )


def test_polygons_and_run_lengths_both_occur_and_crowds_are_run_lengths(folder):
    kinds = {
        (record['category_id'] == 1, bool(record['iscrowd'])): set()
        for record in all_annotations(folder)
    }
    for record in all_annotations(folder):
        kind = type(record['segmentation']).__name__
        kinds[record['category_id'] == 1, bool(record['iscrowd'])].add(kind)
    assert kinds[True, False] == {'dict'} and kinds[False, True] == {'dict'}
    assert 'list' in kinds[False, False]


def test_polygons_follow_the_visible_pixels_and_no_object_is_mostly_hidden():
    for index in range(12):
        for instance in compose(5, 'train', index, 0.5).instances:
            assert instance.mask.sum() >= 0.6 * instance.full_area
            decoded = decode(
                encode(instance.mask, polygons=True)[0], instance.mask.shape
            )
            assert (decoded & instance.mask).sum() > 0.96 * (
                decoded | instance.mask
            ).sum()


def test_metadata_is_cocos(folder):
    categories = read(folder, 'val')['categories']
    assert [category['name'] for category in categories] == list(CLASSES)
    assert [category['id'] for category in categories] == list(range(1, 12))
    assert categories[0]['keypoints'] == list(digit_scenes.KEYPOINTS)
    assert categories[0]['skeleton'][:2] == [[16, 14], [14, 12]]
    assert pytest.approx(Params('keypoints').kpt_oks_sigmas) == digit_scenes.SIGMAS
    assert len(digit_scenes.METAINFO['palette']) == len(CLASSES) == 11
    for left, right in digit_scenes.FLIP_PAIRS:
        names = digit_scenes.KEYPOINTS[left], digit_scenes.KEYPOINTS[right]
        assert names[0].replace('left', 'right') == names[1]


def test_no_two_images_share_their_random_numbers():
    draws = [
        generator.random()
        for seed in (0, 1)
        for split in SPLITS
        for index in range(4)
        for generator in generators(seed, split, index)
    ]
    assert len(set(draws)) == 2 * 2 * 4 * 2


def test_the_tail_is_long_and_still_in_val():
    cases = [
        0,
        7,
    ]
    for seed in cases:
        counts = {}
        for split, size in (('train', 1000), ('val', 200)):
            plans = [
                plan_scene(seed, split, index, generators(seed, split, index)[0])
                for index in range(size)
            ]
            items = [item for plan in plans for item in plan.items]
            counts[split] = Counter(item.category for item in items if not item.crowd)
            assert 0.008 < sum(item.crowd for item in items) / len(items) < 0.022
        first, last = FREQUENCY_ORDER[0] + 2, FREQUENCY_ORDER[-1] + 2
        assert 17 < counts['train'][first] / counts['train'][last] < 23
        assert min(counts['val'].values()) == counts['val'][last] >= 15
        assert counts['train'][1] >= 500


def test_crops_are_balanced(folder):
    for split, count in (('train', 5), ('val', 1)):
        root = folder / 'crops' / split
        assert {path.name for path in root.iterdir()} == set(CLASSES)
        for name in CLASSES:
            crops = [
                cv2.imread(str(path)) for path in sorted((root / name).glob('*.png'))
            ]
            assert [crop.shape for crop in crops] == [(48, 48, 3)] * count
            assert len({crop.tobytes() for crop in crops}) == count


def test_manifest_and_contact_sheet_describe_the_set(folder):
    manifest = json.loads((folder / 'manifest.json').read_text())
    records = [
        record for record in read(folder, 'val')['annotations'] if not record['iscrowd']
    ]
    counts = Counter(CLASSES[record['category_id'] - 1] for record in records)
    assert {
        name: n for name, n in manifest['counts']['val']['per_category'].items() if n
    } == counts
    assert sum(manifest['counts']['val']['share_by_area'].values()) == pytest.approx(
        1, abs=1e-3
    )
    sheet = cv2.imread(str(folder / 'contact_sheet.png'))
    assert sheet.shape == (1662, 2660, 3)
    drawn = {record['category_id'] for record in read(folder, 'train')['annotations']}
    for category in drawn:  # the colour of its boxes and of its bar
        bgr = digit_scenes.METAINFO['palette'][category - 1][::-1]
        assert (sheet == bgr).all(-1).sum() > 100
