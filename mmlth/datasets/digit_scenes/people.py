"""Poses of articulated people: where the 17 COCO keypoints lie, in units of the body height.

x runs to the right of the image and y down; the person faces the viewer, so the person's left
side is on the right of the image.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]

HEAD_RADIUS = 0.125
_HEAD_Y = 0.135
_SHOULDER = (0.125, 0.30)
_HIP = (0.075, 0.56)
_ARM_BONES = (0.165, 0.155)
_LEG_BONES = (0.215, 0.215)
_LEFT, _RIGHT = 1, -1

# Degrees: the first limb bone from straight down, outwards; the second relative to the first.
_ARM_MOODS = (
    ((5, 30), (-35, 25)),
    ((42, 60), (-115, -85)),
    ((65, 110), (-15, 25)),
    ((60, 100), (50, 95)),
    ((130, 165), (-25, 25)),
)
_ARM_ODDS = (0.36, 0.14, 0.18, 0.17, 0.15)
_LEG_MOODS = (
    ((2, 14), (-6, 6)),
    ((14, 36), (-30, 5)),
    ((45, 75), (-95, -60)),
)
_LEG_ODDS = (0.60, 0.33, 0.07)

# Nose, eyes and ears on the head: azimuth from its front in degrees, height in head radii.
_FACE_AZIMUTH = (0.0, 27.0, -27.0, 82.0, -82.0)
_FACE_HEIGHT = (0.12, -0.18, -0.18, -0.02, -0.02)


@dataclass(frozen=True)
class Pose:
    """joints: float64 (17, 2); head: float64 (2,), its centre; both in body heights.

    turned_away: bool (17,), face points behind the head; yaw: degrees, positive to image right.
    """

    joints: np.ndarray
    head: np.ndarray
    turned_away: np.ndarray
    yaw: float


def sample_pose(rng: np.random.Generator) -> Pose:
    """Draw a plausible upright pose."""
    yaw = float(rng.uniform(-45.0, 45.0))
    narrow = np.cos(np.deg2rad(yaw))
    joints = np.zeros((17, 2))
    for side, first in ((_LEFT, 5), (_RIGHT, 6)):
        shoulder = _root(_SHOULDER, side, narrow)
        arm = _limb(rng, shoulder, side, _ARM_BONES, _ARM_MOODS, _ARM_ODDS)
        joints[first:first + 6:2] = arm
        hip = _root(_HIP, side, narrow)
        leg = _limb(rng, hip, side, _LEG_BONES, _LEG_MOODS, _LEG_ODDS)
        joints[first + 6:first + 12:2] = leg
    head = np.array([0.02 * np.sin(np.deg2rad(yaw)), _HEAD_Y])
    face_yaw = np.clip(yaw + rng.normal(0, 8), -50, 50)
    azimuth = np.array(_FACE_AZIMUTH) + face_yaw
    tilt = rng.normal(0.0, 6.0)
    joints[:5] = head + _on_head(azimuth, tilt)
    turned_away = np.zeros(17, bool)
    turned_away[:5] = np.abs(azimuth) > 98.0
    lean = np.clip(rng.normal(0.0, 6.0), -14.0, 14.0)
    return Pose(_rotate(joints, lean), _rotate(head, lean), turned_away, yaw)


def _root(joint: Span, side: int, narrow: float) -> np.ndarray:
    x, y = joint
    return np.array([side * x * narrow, y])


def _limb(
    rng: np.random.Generator,
    root: np.ndarray,
    side: int,
    lengths: Sequence[float],
    moods: Sequence[Sequence[Span]],
    odds: Sequence[float],
) -> np.ndarray:
    """Return root, middle and end joint of one arm or leg, float64 (3, 2)."""
    mood = int(rng.choice(len(moods), p=odds))
    points = [root]
    angle = 0.0
    for span, length in zip(moods[mood], lengths, strict=True):
        angle += rng.uniform(*span)
        radians = np.deg2rad(angle)
        direction = np.array([side * np.sin(radians), np.cos(radians)])
        drawn_length = length * rng.uniform(0.88, 1.0)
        points.append(points[-1] + drawn_length * direction)
    return np.stack(points)


def _on_head(azimuth: np.ndarray, tilt: float) -> np.ndarray:
    """Return offsets of the face from the head's centre, float64 (5, 2), tilted in degrees."""
    across = np.sin(np.deg2rad(azimuth))
    down = np.array(_FACE_HEIGHT)
    flat = np.stack([across, down], axis=1) * HEAD_RADIUS
    return _rotate(flat, tilt, centre=(0.0, 0.0))


def _rotate(points: np.ndarray, degrees: float, centre: Span = (0.0, 0.55)) -> np.ndarray:
    angle = np.deg2rad(degrees)
    cosine = np.cos(angle)
    sine = np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return (points - np.array(centre)) @ turn.T + centre
