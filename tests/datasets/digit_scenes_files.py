"""Reads what DigitScenes writes."""

import json

import cv2

from mmlth.datasets.digit_scenes.meta import SPLITS


def read(folder, split, stem='instances'):
    return json.loads((folder / 'annotations' / f'{stem}_{split}.json').read_text())


def read_picture(folder, number):
    return cv2.imread(str(folder / 'VOC2007' / 'JPEGImages' / f'{number:06d}.jpg'))


def all_annotations(folder):
    return [record for split in SPLITS for record in read(folder, split)['annotations']]


def image_shapes(folder):
    return {
        image['id']: (image['height'], image['width'])
        for split in SPLITS
        for image in read(folder, split)['images']
    }
