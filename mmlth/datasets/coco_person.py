"""COCO's skeleton of a person: names, bones, mirror pairs, tolerances (https://cocodataset.org)."""

#: The 17 COCO keypoint names, in COCO's order.
KEYPOINTS = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)

#: Bones as 0-based pairs into :data:`KEYPOINTS` (the COCO JSON holds the same pairs 1-based).
SKELETON = (
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)

#: Keypoints that trade places when an image is mirrored, as 0-based pairs.
FLIP_PAIRS = (
    (1, 2),
    (3, 4),
    (5, 6),
    (7, 8),
    (9, 10),
    (11, 12),
    (13, 14),
    (15, 16),
)

_HALF_OF_SIGMAS = (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089)
#: COCO's per-keypoint standard deviations for OKS, in units of the square root of the area.
SIGMAS = (0.026, *(sigma for sigma in _HALF_OF_SIGMAS for _ in ('left', 'right')))
