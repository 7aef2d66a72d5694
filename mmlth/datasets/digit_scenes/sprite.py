"""A drawn object before it is pasted: colours, soft outline, keypoints."""
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np


@dataclass
class Sprite:
    """One object on its own small canvas.

    colour: float32 (h, w, 3), BGR in 0..255. ink: float32 (h, w) in 0..1, 1 where the colour
    shows and 0 where the contrasting rim does. alpha: float32 (h, w) in 0..1, 0 outside the
    object. keypoints: float64 (17, 3) of x, y in sprite pixels and v in {1, 2}, or None.
    handwriting: indices into scikit-learn's digits. dim: darken the colour on a light rim, for
    paint that has to stand out from it.
    """

    colour: np.ndarray
    ink: np.ndarray
    alpha: np.ndarray
    keypoints: Optional[np.ndarray] = None
    handwriting: tuple = ()
    dim: bool = False

    @property
    def mask(self):
        """bool (h, w): the pixels that belong to the object."""
        return self.alpha >= 0.5


def window(canvas_shape, sprite_shape, x, y):
    """Slices (of the canvas, of the sprite) where a sprite with corner (x, y) meets the canvas."""
    top, left = max(y, 0), max(x, 0)
    bottom = min(y + sprite_shape[0], canvas_shape[0])
    right = min(x + sprite_shape[1], canvas_shape[1])
    return ((slice(top, bottom), slice(left, right)),
            (slice(top - y, bottom - y), slice(left - x, right - x)))


def paste(image, sprite, x, y):
    """Blend ``sprite`` into ``image`` (float32 (H, W, 3), in place) with its corner at (x, y).

    The rim is light on a dark surrounding and dark on a light one, so that every object has an
    edge whatever lies beneath it.
    """
    canvas, part = window(image.shape, sprite.alpha.shape, x, y)
    under = image[canvas]
    alpha, ink = sprite.alpha[part][..., None], sprite.ink[part][..., None]
    light_rim = float((under * alpha).sum()) < 118.0 * 3 * float(alpha.sum())
    paint = sprite.colour[part] * (0.62 if light_rim and sprite.dim else 1.0)
    top = ink * paint + (1.0 - ink) * (240.0 if light_rim else 28.0)
    image[canvas] = under + alpha * (top - under)


def hsv(hue, saturation, value):
    """BGR floats in 0..255 of a hue in degrees and saturation and value in 0..1."""
    pixel = np.array([[[hue % 360.0, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0] * 255.0


def shade(rng, shape, strength):
    """float32 ``shape``: a random linear light gradient around 1, plus and minus ``strength``."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :] * np.float32(np.cos(angle))
    return 1.0 + strength * (x + y) / 1.42
