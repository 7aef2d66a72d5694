"""Handwritten digits as smooth die-cut stickers of any size.

The source is the UCI digits that ship with scikit-learn: 1797 images of 8x8. One is enlarged
bicubically, thresholded into a stroke, and given a rim with its holes closed, as a sticker has.
The object is the whole sticker: a simple polygon that fills its box well, with an edge of good
contrast on any background. Both outlines are kept as signed distances, which stay smooth and
free of stair-steps when they are resampled to a size.
"""
from functools import cache, lru_cache

import cv2
import numpy as np
from sklearn.datasets import load_digits

from .meta import SPLITS
from .sprite import Sprite, hsv, paste, shade

VAL_SHARE = 0.2
_SPLIT_SEED = 20240  # fixed: the val handwriting of one seed never trains under another
_ZOOM = 8  # canonical pixels per source pixel
_RIM = 4.0  # canonical pixels
_STROKE_LEVEL = 0.42
_SHARPEN = 1.5


@cache
def handwriting() -> tuple[np.ndarray, np.ndarray]:
    """Load the source: images float32 (1797, 8, 8) in 0..1 and labels int (1797,)."""
    source = load_digits()
    images = (source.images / 16.0).astype(np.float32)
    return images, source.target


@cache
def handwriting_split() -> dict[str, list[np.ndarray]]:
    """Return {'train' or 'val': ten int arrays, the source indices of each digit}; disjoint."""
    _, labels = handwriting()
    rng = np.random.default_rng(_SPLIT_SEED)
    split: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for digit in range(10):
        samples = np.flatnonzero(labels == digit)
        order = rng.permutation(samples)
        held_out = round(VAL_SHARE * len(order))
        split['val'].append(np.sort(order[:held_out]))
        split['train'].append(np.sort(order[held_out:]))
    return split


class Digit:
    """A handwritten digit whose looks are settled, to be rendered at any size.

    Args:
        digit: 0..9.
        split: 'train' or 'val'; chooses the handwriting.
        rng: Source of everything random.
        hue_bias: 0..1, the chance that the digit wears the hue of its category instead of a
            random one.
    """

    def __init__(
        self,
        digit: int,
        split: str,
        rng: np.random.Generator,
        hue_bias: float,
    ) -> None:
        samples = handwriting_split()[split][digit]
        self.index = int(rng.choice(samples))
        self._stroke, self._outline = _outlines(self.index)
        self._area = float((self._outline < 0).sum())
        degrees = rng.normal(0.0, 7.0)
        slant = rng.normal(0.0, 0.10)
        self._turn = _turn(degrees, slant)
        if rng.random() < hue_bias:
            hue = 36.0 * digit + rng.normal(0.0, 8.0)
        else:
            hue = rng.uniform(0.0, 360.0)
        saturation = rng.uniform(0.7, 1.0)
        value = rng.uniform(0.85, 1.0)
        self._colour = hsv(hue, saturation, value)
        self._rng = rng

    def render(self, area: float, limit: tuple[int, int]) -> Sprite:
        """Render about ``area`` mask pixels that fit ``limit`` = (width, height)."""
        rows, columns = np.nonzero(self._outline < 0)
        points = np.stack([columns, rows]) + 0.5
        turned = self._turn @ points
        corner = turned.min(axis=1)
        extent = turned.max(axis=1) - corner + 2.0
        wanted = np.sqrt(area / self._area)
        largest = (np.asarray(limit) - 4) / extent
        scale = min(wanted, *largest)
        width, height = np.ceil(extent * scale).astype(int).tolist()
        shift = 1.0 - scale * corner
        matrix = np.column_stack([self._turn * scale, shift])
        return self._paint(matrix, (width + 2, height + 2), scale)

    def _paint(self, matrix: np.ndarray, size: tuple[int, int], scale: float) -> Sprite:
        ink = _coverage(self._stroke, matrix, size, scale)
        alpha = _coverage(self._outline, matrix, size, scale)
        light = shade(self._rng, alpha.shape, 0.15)
        colour = light[..., None] * self._colour
        return Sprite(
            colour.astype(np.float32),
            ink,
            alpha,
            handwriting=(self.index,),
            dim=True,
        )


def _turn(degrees: float, slant: float) -> np.ndarray:
    """Return the 2x2 of a rotation after a horizontal shear, both small enough to read."""
    angle = np.deg2rad(np.clip(degrees, -15.0, 15.0))
    cosine = np.cos(angle)
    sine = np.sin(angle)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    slant = np.clip(slant, -0.2, 0.2)
    shear = np.array([[1.0, slant], [0.0, 1.0]])
    return rotation @ shear


@lru_cache(maxsize=512)  # 40 MB; the frequent digits come from a few hundred samples
def _outlines(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return signed distances (canonical pixels, negative inside) of stroke and sticker."""
    images, _ = handwriting()
    small = np.pad(images[index], 2)
    # Against the mean around it, a thin stroke does not break and a narrow hole stays open.
    mean = cv2.GaussianBlur(small, (0, 0), 1.2)
    sharp = small + _SHARPEN * (small - mean)
    large = cv2.resize(
        sharp,
        None,
        fx=_ZOOM,
        fy=_ZOOM,
        interpolation=cv2.INTER_CUBIC,
    )
    smooth = cv2.GaussianBlur(large, (0, 0), 1.6)
    stroke = _distance(smooth > _STROKE_LEVEL)
    sticker = _close_holes(stroke < _RIM)
    return stroke, _distance(sticker)


def _close_holes(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(
        mask.astype(np.uint8),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_NONE,
    )
    closed = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(closed, contours, -1, 1, cv2.FILLED)
    return closed > 0


def _distance(mask: np.ndarray) -> np.ndarray:
    """Return the signed distance to the edge of a bool mask, float32, negative inside."""
    inside = mask.astype(np.uint8)
    outer = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    inner = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    signed: np.ndarray = outer - inner + inside - 0.5
    # The blur takes out the steps of the pixel grid, which show on large digits.
    return cv2.GaussianBlur(signed, (0, 0), 1.6)


def _coverage(
    field: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    scale: float,
) -> np.ndarray:
    """Return the share of each pixel inside the edge, float32 (h, w), after an affine map."""
    moved = cv2.warpAffine(
        field,
        matrix,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=100.0,
    )
    return np.clip(0.5 - moved * np.float32(scale), 0.0, 1.0)


class Crowd:
    """A heap of tiny digits of one category, annotated as a whole; see :class:`Digit`."""

    def __init__(
        self,
        digit: int,
        split: str,
        rng: np.random.Generator,
        hue_bias: float,
    ) -> None:
        count = rng.integers(6, 11)
        self._members = [Digit(digit, split, rng, hue_bias) for _ in range(count)]
        self._spots = rng.uniform(0.0, 1.0, (count, 2))

    def render(self, area: float, limit: tuple[int, int]) -> Sprite:
        """Render about ``area`` mask pixels that fit ``limit`` = (width, height)."""
        each = area / len(self._members) * 1.25  # they overlap
        side = int(min(1.6 * np.sqrt(area), *limit))
        colour = np.full((side, side, 3), 128.0, np.float32)
        alpha = np.zeros((side, side), np.float32)
        for member, spot in zip(self._members, self._spots, strict=True):
            sprite = member.render(each, (side, side))
            height, width = sprite.alpha.shape
            room = side - np.array([width, height])
            x, y = (spot * room).astype(int).tolist()
            paste(colour, sprite, x, y)
            under = alpha[y:y + height, x:x + width]
            np.maximum(under, sprite.alpha, out=under)
        used = {member.index for member in self._members}
        ink = np.ones_like(alpha)
        return Sprite(colour, ink, alpha, handwriting=tuple(sorted(used)))
