"""Textured backgrounds with faint clutter, and the camera noise over the finished scene."""
import cv2
import numpy as np

from .sprite import hsv

_TONES = ((0.14, 0.36), (0.42, 0.60), (0.66, 0.92))  # dark, medium and light, as HSV values
_TONE_ODDS = (0.40, 0.20, 0.40)


def background(rng, width, height):
    """A textured background, float32 (height, width, 3), BGR in 0..255."""
    tone = _TONES[int(rng.choice(3, p=_TONE_ODDS))]
    hue, saturation, value = rng.uniform(0, 360), rng.uniform(0.05, 0.35), rng.uniform(*tone)
    first = hsv(hue, saturation, value)
    other = np.clip(value + rng.choice([-1, 1]) * rng.uniform(0.06, 0.16), 0.08, 0.96)
    second = hsv(hue + rng.normal(0, 25), saturation, other)
    texture = _TEXTURES[int(rng.integers(len(_TEXTURES)))](rng, width, height)
    image = first + texture[..., None].astype(np.float32) * (second - first)
    _clutter(rng, image, (first + second) / 2)
    return image


def photograph(rng, image):
    """The scene as a camera would store it: a little blur at times, noise; uint8 (h, w, 3)."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.8))
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(2.0, 8.0))
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def _clouds(rng, width, height):
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 0.5), (9, 0.3), (24, 0.2)):
        grid = rng.random((cells, cells), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(1.6 * total - 0.3, 0, 1)


def _stripes(rng, width, height):
    angle, period = rng.uniform(0, np.pi), rng.uniform(9, 40)
    y, x = np.mgrid[:height, :width]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return 0.5 + 0.5 * np.tanh(2.0 * wave)


def _tiles(rng, width, height):
    side = int(rng.integers(12, 34))
    y, x = np.mgrid[:height, :width]
    return 0.8 * ((x // side + y // side) % 2) + 0.2 * _clouds(rng, width, height)


def _gradient(rng, width, height):
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    slope = x / width * np.cos(angle) + y / height * np.sin(angle)
    return 0.6 * (slope - slope.min()) / np.ptp(slope) + 0.4 * _clouds(rng, width, height)


_TEXTURES = (_clouds, _stripes, _tiles, _gradient)


def _clutter(rng, image, tone):
    """Up to four faint strokes and ellipses, in place: edges that belong to no object."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, 5))):
        colour = tuple(float(channel) for channel in np.clip(tone + rng.normal(0, 18, 3), 0, 255))
        ends = rng.uniform(0, (width, height), (2, 2)).astype(int).tolist()
        if rng.random() < 0.5:
            cv2.line(image, ends[0], ends[1], colour, int(rng.integers(1, 5)), cv2.LINE_AA)
        else:
            axes = rng.integers(6, 30, 2).tolist()
            cv2.ellipse(image, ends[0], axes, float(rng.uniform(0, 180)), 0, 360, colour, -1,
                        cv2.LINE_AA)
