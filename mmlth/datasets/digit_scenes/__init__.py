"""DigitScenes: a detection data set made on the spot, without a download.

Real handwriting (the UCI digits of scikit-learn) and articulated stick figures in textured
scenes, written as COCO JSON, as Pascal VOC and as crops for classification::

    from mmlth.datasets.digit_scenes import generate
    generate('data/digit_scenes', seed=0)

``mmlth digit-scenes`` does the same from the command line.
"""
from .build import generate
from .contact_sheet import draw_contact_sheet
from .digits import handwriting, handwriting_split
from .manifest import check_arguments, digest, read_manifest
from .meta import (
    CLASSES,
    FLIP_PAIRS,
    FREQUENCY_ORDER,
    KEYPOINTS,
    METAINFO,
    SIGMAS,
    SKELETON,
    VERSION,
)

__all__ = [
    'CLASSES',
    'FLIP_PAIRS',
    'FREQUENCY_ORDER',
    'KEYPOINTS',
    'METAINFO',
    'SIGMAS',
    'SKELETON',
    'VERSION',
    'check_arguments',
    'digest',
    'draw_contact_sheet',
    'generate',
    'handwriting',
    'handwriting_split',
    'read_manifest',
]
