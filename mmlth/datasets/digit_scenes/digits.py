"""Handwritten digits as smooth die-cut stickers of any size.

The source is the UCI digits that ship with scikit-learn: 1797 images of 8x8. One is enlarged
bicubically, thresholded into a stroke, and given a rim with its holes closed, as a sticker has.
The object is the whole sticker: a simple polygon that fills its box well, with an edge of good
contrast on any background. Both outlines are kept as signed distances, which stay smooth and
free of stair-steps when they are resampled to a size.
"""
from functools import lru_cache

import cv2
import numpy as np
from sklearn.datasets import load_digits

from .meta import SPLITS
from .sprite import Sprite, hsv, paste, shade

VAL_SHARE = 0.2
_SPLIT_SEED = 20240  # fixed: the val handwriting of one seed never trains under another
_ZOOM = 8  # canonical pixels per source pixel
_RIM = 4.0  # canonical pixels
_STROKE_LEVEL, _SHARPEN = 0.42, 1.5


@lru_cache(maxsize=None)
def handwriting() -> tuple[np.ndarray, np.ndarray]:
    """The source: images float32 (1797, 8, 8) in 0..1 and labels int (1797,)."""
    source = load_digits()
    return (source.images / 16.0).astype(np.float32), source.target


@lru_cache(maxsize=None)
def handwriting_split() -> dict[str, list[np.ndarray]]:
    """{'train' or 'val': ten int arrays, the source indices for each digit}; disjoint."""
    labels = handwriting()[1]
    rng = np.random.default_rng(_SPLIT_SEED)
    split = {name: [] for name in SPLITS}
    for digit in range(10):
        order = rng.permutation(np.flatnonzero(labels == digit))
        held_out = round(VAL_SHARE * len(order))
        split['val'].append(np.sort(order[:held_out]))
        split['train'].append(np.sort(order[held_out:]))
    return split


class Digit:
    """A handwritten digit whose looks are settled, to be rendered at any size.

    Args: ``digit`` 0..9; ``split`` 'train' or 'val' chooses the handwriting; ``rng`` a numpy
    Generator; ``hue_bias`` in 0..1, the chance that the digit wears the hue of its category
    instead of a random one.
    """

    def __init__(self, digit, split, rng, hue_bias):
        self.index = int(rng.choice(handwriting_split()[split][digit]))
        self._stroke, self._outline = _outlines(self.index)
        self._area = float((self._outline < 0).sum())
        self._turn = _turn(rng.normal(0.0, 7.0), rng.normal(0.0, 0.10))
        own_hue = rng.random() < hue_bias
        hue = 36.0 * digit + rng.normal(0.0, 8.0) if own_hue else rng.uniform(0.0, 360.0)
        self._colour = hsv(hue, rng.uniform(0.7, 1.0), rng.uniform(0.85, 1.0))
        self._rng = rng

    def render(self, area, limit):
        """A :class:`Sprite` of about ``area`` mask pixels that fits ``limit`` = (width, height)."""
        scale = np.sqrt(area / self._area)
        rows, columns = np.nonzero(self._outline < 0)
        points = np.stack([columns, rows]) + 0.5
        turned = self._turn @ points
        extent = turned.max(axis=1) - turned.min(axis=1) + 2.0
        scale = min(scale, *((np.asarray(limit) - 4) / extent))
        size = np.ceil(extent * scale).astype(int) + 2
        matrix = np.column_stack([self._turn * scale, 1.0 - scale * turned.min(axis=1)])
        return self._paint(matrix, tuple(int(side) for side in size), scale)

    def _paint(self, matrix, size, scale):
        ink, alpha = (_coverage(field, matrix, size, scale)
                      for field in (self._stroke, self._outline))
        light = shade(self._rng, alpha.shape, 0.15)
        colour = (light[..., None] * self._colour).astype(np.float32)
        return Sprite(colour, ink, alpha, handwriting=(self.index,), dim=True)


def _turn(degrees, slant):
    """2x2 matrix of a rotation after a horizontal shear, both kept small enough to read."""
    angle = np.deg2rad(np.clip(degrees, -15.0, 15.0))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1.0, np.clip(slant, -0.2, 0.2)], [0.0, 1.0]])


@lru_cache(maxsize=512)  # 40 MB; the frequent digits come from a few hundred samples
def _outlines(index):
    """Signed distances (canonical pixels, negative inside) of the stroke and of the sticker."""
    small = np.pad(handwriting()[0][index], 2)
    # Against the mean around it, a thin stroke does not break and a narrow hole stays open.
    sharp = small + _SHARPEN * (small - cv2.GaussianBlur(small, (0, 0), 1.2))
    large = cv2.resize(sharp, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
    stroke = _distance(cv2.GaussianBlur(large, (0, 0), 1.6) > _STROKE_LEVEL)
    contours, _ = cv2.findContours((stroke < _RIM).astype(np.uint8), cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    closed = np.zeros(large.shape, np.uint8)
    cv2.drawContours(closed, contours, -1, 1, cv2.FILLED)
    return stroke, _distance(closed > 0)


def _distance(inside):
    """Signed distance to the edge of a bool mask, float32, negative inside."""
    inside = inside.astype(np.uint8)
    outer = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    inner = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    # The blur takes out the steps of the pixel grid, which show on large digits.
    return cv2.GaussianBlur(outer - inner + inside - 0.5, (0, 0), 1.6)


def _coverage(field, matrix, size, scale):
    """Share of each pixel inside the edge, float32 (h, w), after an affine map of the field."""
    moved = cv2.warpAffine(field, matrix, size, flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_CONSTANT, borderValue=100.0)
    return np.clip(0.5 - moved * np.float32(scale), 0.0, 1.0)


class Crowd:
    """A heap of tiny digits of one category, annotated as a whole; arguments as :class:`Digit`."""

    def __init__(self, digit, split, rng, hue_bias):
        self._members = [Digit(digit, split, rng, hue_bias) for _ in range(rng.integers(6, 11))]
        self._spots = rng.uniform(0.0, 1.0, (len(self._members), 2))

    def render(self, area, limit):
        """A :class:`Sprite` of about ``area`` mask pixels that fits ``limit`` = (width, height)."""
        each = area / len(self._members) * 1.25  # they overlap
        side = int(min(1.6 * np.sqrt(area), *limit))
        colour = np.full((side, side, 3), 128.0, np.float32)
        alpha = np.zeros((side, side), np.float32)
        for member, spot in zip(self._members, self._spots):
            sprite = member.render(each, (side, side))
            x, y = (spot * (side - np.array(sprite.alpha.shape[::-1]))).astype(int)
            paste(colour, sprite, x, y)
            rows, columns = (slice(start, start + length)
                             for start, length in zip((y, x), sprite.alpha.shape))
            alpha[rows, columns] = np.maximum(alpha[rows, columns], sprite.alpha)
        used = tuple(sorted({member.index for member in self._members}))
        return Sprite(colour, np.ones_like(alpha), alpha, handwriting=used)
