"""A drawn object before it is pasted: colours, soft outline, keypoints."""
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Window = tuple[slice, slice]

_SOLID = 0.5  # alpha from which a pixel belongs to the object
_DARK_BELOW = 118.0  # mean of the surrounding's channels
_LIGHT_RIM, _DARK_RIM = 240.0, 28.0
_DIMMED = 0.62


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
    keypoints: np.ndarray | None = None
    handwriting: tuple[int, ...] = ()
    dim: bool = False

    @property
    def mask(self) -> np.ndarray:
        """Return bool (h, w): the pixels that belong to the object."""
        return self.alpha >= _SOLID


def window(
    canvas_shape: Sequence[int],
    sprite_shape: Sequence[int],
    x: int,
    y: int,
) -> tuple[Window, Window]:
    """Return slices (of canvas, of sprite) where a sprite with corner (x, y) meets the canvas."""
    top = max(y, 0)
    left = max(x, 0)
    bottom = min(y + sprite_shape[0], canvas_shape[0])
    right = min(x + sprite_shape[1], canvas_shape[1])
    of_canvas = slice(top, bottom), slice(left, right)
    of_sprite = slice(top - y, bottom - y), slice(left - x, right - x)
    return of_canvas, of_sprite


def paste(image: np.ndarray, sprite: Sprite, x: int, y: int) -> None:
    """Blend ``sprite`` into ``image`` (float32 (H, W, 3), in place) with its corner at (x, y).

    The rim is light on a dark surrounding and dark on a light one, so that every object has an
    edge whatever lies beneath it.
    """
    canvas, part = window(image.shape, sprite.alpha.shape, x, y)
    under = image[canvas]
    alpha = sprite.alpha[part][..., None]
    ink = sprite.ink[part][..., None]
    brightness = float((under * alpha).sum())
    light_rim = brightness < _DARK_BELOW * 3 * float(alpha.sum())
    rim = _LIGHT_RIM if light_rim else _DARK_RIM
    strength = _DIMMED if light_rim and sprite.dim else 1.0
    paint = sprite.colour[part] * strength
    top = ink * paint + (1.0 - ink) * rim
    image[canvas] = under + alpha * (top - under)


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return BGR floats in 0..255 of a hue in degrees, saturation and value in 0..1."""
    pixel = np.array([[[hue % 360.0, saturation, value]]], np.float32)
    bgr = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)
    return bgr[0, 0] * 255.0


def shade(rng: np.random.Generator, shape: Sequence[int], strength: float) -> np.ndarray:
    """Return float32 ``shape``: a random linear gradient of light, 1 +- ``strength``."""
    height, width = shape
    angle = rng.uniform(0, 2 * np.pi)
    down = np.linspace(-1, 1, height, dtype=np.float32)
    right = np.linspace(-1, 1, width, dtype=np.float32)
    y = down[:, None] * np.float32(np.sin(angle))
    x = right[None, :] * np.float32(np.cos(angle))
    return 1.0 + strength * (x + y) / 1.42
