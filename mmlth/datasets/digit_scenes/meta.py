"""Names, colours and the COCO person skeleton: everything about DigitScenes that never varies."""
from mmlth.datasets.coco_person import FLIP_PAIRS, KEYPOINTS, SIGMAS, SKELETON  # noqa: F401

NAME = 'DigitScenes'
# Any change to what is drawn or written must raise this: a folder of an older version is stale.
VERSION = '1.0'

SPLITS = ('train', 'val')
DIGITS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
CLASSES = ('person', *DIGITS)
PERSON = 1  # category ids run 1..11, person first; digit d has id d + 2

# Most to least frequent. The digits that are easiest to confuse (1, 8, 9, 3, 5) stay out of the
# tail, so that a rare class is hard because it is rare and not because it is also ambiguous.
FREQUENCY_ORDER = (1, 2, 3, 5, 8, 9, 7, 4, 6, 0)
HEAD_TO_TAIL = 20.0

#: A colour for each of :data:`CLASSES`, RGB in 0..255.
PALETTE = [
    (220, 20, 60),
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (23, 190, 207),
    (188, 189, 34),
    (255, 187, 0),
    (0, 128, 128),
]
#: ``metainfo`` for mmdet's CocoDataset and VOCDataset.
METAINFO = dict(classes=CLASSES, palette=PALETTE)

# COCO's bounds between small, medium and large objects, in mask pixels.
SMALL_BELOW = 32 ** 2
LARGE_FROM = 96 ** 2
BANDS = ('small', 'medium', 'large')


def category_of_digit(digit: int) -> int:
    """Return the category id (2..11) of a digit 0..9."""
    return digit + 2


def digit_of_category(category: int) -> int:
    """Return the digit 0..9 of a category id 2..11."""
    return category - 2


def band_of_area(area: int) -> str:
    """Return COCO's name for a mask area in pixels: 'small', 'medium' or 'large'."""
    if area < SMALL_BELOW:
        return 'small'
    return 'medium' if area < LARGE_FROM else 'large'
