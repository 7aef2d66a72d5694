"""Poses of articulated people: where the 17 COCO keypoints lie, in units of the body height.

x runs to the right of the image and y down; the person faces the viewer, so the person's left
side is on the right of the image.
"""
from dataclasses import dataclass

import numpy as np

HEAD_RADIUS = 0.125
_HEAD_Y = 0.135
_SHOULDER = (0.125, 0.30)
_HIP = (0.075, 0.56)
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.165, 0.155, 0.215, 0.215
_LEFT, _RIGHT = 1, -1

# Degrees: the first limb bone from straight down, outwards; the second relative to the first.
_ARM_MOODS = (((5, 30), (-35, 25)), ((42, 60), (-115, -85)), ((65, 110), (-15, 25)),
              ((60, 100), (50, 95)), ((130, 165), (-25, 25)))
_ARM_ODDS = (0.36, 0.14, 0.18, 0.17, 0.15)
_LEG_MOODS = (((2, 14), (-6, 6)), ((14, 36), (-30, 5)), ((45, 75), (-95, -60)))
_LEG_ODDS = (0.60, 0.33, 0.07)

# Nose, eyes and ears on the head: azimuth from its front in degrees, height in head radii.
_FACE = ((0.0, 0.12), (27.0, -0.18), (-27.0, -0.18), (82.0, -0.02), (-82.0, -0.02))


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
    """A plausible upright :class:`Pose` drawn with the numpy Generator ``rng``."""
    yaw = float(rng.uniform(-45.0, 45.0))
    narrow = np.cos(np.deg2rad(yaw))
    joints = np.zeros((17, 2))
    for side, first in ((_LEFT, 5), (_RIGHT, 6)):
        joints[first:first + 6:2] = _limb(rng, _SHOULDER, side, narrow, (_UPPER_ARM, _FOREARM),
                                          _ARM_MOODS, _ARM_ODDS)
        joints[first + 6:first + 12:2] = _limb(rng, _HIP, side, narrow, (_THIGH, _SHIN),
                                               _LEG_MOODS, _LEG_ODDS)
    head = np.array([0.02 * np.sin(np.deg2rad(yaw)), _HEAD_Y])
    azimuth = np.array([spot[0] for spot in _FACE]) + np.clip(yaw + rng.normal(0, 8), -50, 50)
    joints[:5] = head + _on_head(azimuth, [spot[1] for spot in _FACE], rng.normal(0.0, 6.0))
    turned_away = np.zeros(17, bool)
    turned_away[:5] = np.abs(azimuth) > 98.0
    lean = np.clip(rng.normal(0.0, 6.0), -14.0, 14.0)
    return Pose(_rotate(joints, lean), _rotate(head, lean), turned_away, yaw)


def _limb(rng, root, side, narrow, lengths, moods, odds):
    """Root, middle and end joint of one arm or leg, float64 (3, 2)."""
    spans = moods[int(rng.choice(len(moods), p=odds))]
    points, angle = [np.array([side * root[0] * narrow, root[1]])], 0.0
    for span, length in zip(spans, lengths):
        angle += rng.uniform(*span)
        direction = np.array([side * np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
        points.append(points[-1] + length * rng.uniform(0.88, 1.0) * direction)
    return np.stack(points)


def _on_head(azimuth, height, tilt):
    """Offsets from the head's centre of points on a sphere, float64 (n, 2), tilted in degrees."""
    flat = np.stack([np.sin(np.deg2rad(azimuth)), np.asarray(height)], axis=1) * HEAD_RADIUS
    return _rotate(flat, tilt, centre=(0.0, 0.0))


def _rotate(points, degrees, centre=(0.0, 0.55)):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (np.asarray(points) - centre) @ turn.T + centre
