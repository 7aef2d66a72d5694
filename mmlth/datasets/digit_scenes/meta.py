"""Names, colours and the COCO person skeleton: everything about DigitScenes that never varies."""

NAME = 'DigitScenes'
# Any change to what is drawn or written must raise this: a folder of an older version is stale.
VERSION = '1.0'

SPLITS = ('train', 'val')
DIGITS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
CLASSES = ('person',) + DIGITS
PERSON = 1  # category ids run 1..11, person first; digit d has id d + 2

# Most to least frequent. The digits that are easiest to confuse (1, 8, 9, 3, 5) stay out of the
# tail, so that a rare class is hard because it is rare and not because it is also ambiguous.
FREQUENCY_ORDER = (1, 2, 3, 5, 8, 9, 7, 4, 6, 0)
HEAD_TO_TAIL = 20.0

#: ``metainfo`` for mmdet's CocoDataset and VOCDataset: ``palette`` holds RGB triples in 0..255.
METAINFO = dict(
    classes=CLASSES,
    palette=[(220, 20, 60), (31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189),
             (140, 86, 75), (227, 119, 194), (23, 190, 207), (188, 189, 34), (255, 187, 0),
             (0, 128, 128)])

#: The 17 COCO keypoint names, in COCO's order.
KEYPOINTS = (
    'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder',
    'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip',
    'left_knee', 'right_knee', 'left_ankle', 'right_ankle')

#: Bones as 0-based pairs into :data:`KEYPOINTS` (the COCO JSON holds the same pairs 1-based).
SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6))

#: Keypoints that trade places when an image is mirrored, as 0-based pairs.
FLIP_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))

#: COCO's per-keypoint standard deviations for OKS, in units of the square root of the area.
SIGMAS = (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107,
          0.107, 0.087, 0.087, 0.089, 0.089)

# COCO's bounds between small, medium and large objects, in mask pixels.
SMALL_BELOW = 32 ** 2
LARGE_FROM = 96 ** 2


def category_of_digit(digit):
    """Category id (2..11) of a digit 0..9."""
    return digit + 2


def digit_of_category(category):
    """Digit 0..9 of a category id 2..11."""
    return category - 2


def band_of_area(area):
    """COCO's name for a mask area in pixels: 'small', 'medium' or 'large'."""
    if area < SMALL_BELOW:
        return 'small'
    return 'medium' if area < LARGE_FROM else 'large'
