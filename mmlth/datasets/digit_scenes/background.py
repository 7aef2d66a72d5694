"""Textured backgrounds with faint clutter, and the camera noise over the finished scene."""
import cv2
import numpy as np

from .sprite import hsv

# Dark, medium and light, as HSV values.
_TONES = ((0.14, 0.36), (0.42, 0.60), (0.66, 0.92))
_TONE_ODDS = (0.40, 0.20, 0.40)


def background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Draw a textured background, float32 (height, width, 3), BGR in 0..255."""
    tone = _TONES[int(rng.choice(3, p=_TONE_ODDS))]
    hue = rng.uniform(0, 360)
    saturation = rng.uniform(0.05, 0.35)
    value = rng.uniform(*tone)
    first = hsv(hue, saturation, value)
    lighter_or_darker = rng.choice([-1, 1])
    contrast = rng.uniform(0.06, 0.16)
    other = np.clip(value + lighter_or_darker * contrast, 0.08, 0.96)
    other_hue = hue + rng.normal(0, 25)
    second = hsv(other_hue, saturation, other)
    draw_texture = _TEXTURES[int(rng.integers(len(_TEXTURES)))]
    texture = draw_texture(rng, width, height)
    blend = texture[..., None].astype(np.float32)
    image = first + blend * (second - first)
    _clutter(rng, image, (first + second) / 2)
    return image


def photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return the scene as a camera stores it: a little blur at times, noise; uint8 (h, w, 3)."""
    if rng.random() < 0.3:
        sigma = rng.uniform(0.4, 0.8)
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(rng.uniform(2.0, 8.0))
    whole = np.rint(image + noise)
    return np.clip(whole, 0, 255).astype(np.uint8)


def _clouds(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 0.5), (9, 0.3), (24, 0.2)):
        grid = rng.random((cells, cells), dtype=np.float32)
        octave = cv2.resize(
            grid,
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        total += weight * octave
    return np.clip(1.6 * total - 0.3, 0, 1)


def _stripes(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    angle = rng.uniform(0, np.pi)
    period = rng.uniform(9, 40)
    y, x = np.mgrid[:height, :width]
    across = x * np.cos(angle) + y * np.sin(angle)
    wave = np.sin(2 * np.pi * across / period)
    return 0.5 + 0.5 * np.tanh(2.0 * wave)


def _tiles(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    side = int(rng.integers(12, 34))
    y, x = np.mgrid[:height, :width]
    board = (x // side + y // side) % 2
    return 0.8 * board + 0.2 * _clouds(rng, width, height)


def _gradient(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    slope = x / width * np.cos(angle) + y / height * np.sin(angle)
    ramp = 0.6 * (slope - slope.min()) / np.ptp(slope)
    return ramp + 0.4 * _clouds(rng, width, height)


_TEXTURES = (_clouds, _stripes, _tiles, _gradient)


def _clutter(rng: np.random.Generator, image: np.ndarray, tone: np.ndarray) -> None:
    """Draw up to four faint strokes and ellipses, in place: edges that belong to no object."""
    size = image.shape[1::-1]
    for _ in range(int(rng.integers(0, 5))):
        shifted = tone + rng.normal(0, 18, 3)
        colour = np.clip(shifted, 0, 255).tolist()
        start, end = rng.uniform(0, size, (2, 2)).astype(int).tolist()
        if rng.random() < 0.5:
            thickness = int(rng.integers(1, 5))
            cv2.line(image, start, end, colour, thickness, cv2.LINE_AA)
        else:
            axes = rng.integers(6, 30, 2).tolist()
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(image, start, axes, turn, 0, 360, colour, -1, cv2.LINE_AA)
