"""A scene in the making: objects pasted over each other, and what of each is visible."""
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .meta import LARGE_FROM
from .plan import Item
from .sprite import Sprite, paste, window

MIN_VISIBLE = 0.62  # of an object's pixels, whatever covers it or cuts it off
_MIN_KEYPOINTS = 5


@dataclass
class Instance:
    """One object in a finished scene.

    category: id 1..11. full_area: pixels of the whole object, hidden and cut-off ones included;
    inside_area: those of them inside the image. mask: bool (h, w), the visible ones.
    keypoints: float64 (17, 3) of x, y (0-based pixel coordinates) and v as COCO has them, or
    None. handwriting: indices of scikit-learn's digits.
    """

    category: int
    full_area: int
    inside_area: int
    crowd: bool
    mask: np.ndarray = field(repr=False)
    keypoints: np.ndarray | None = None
    handwriting: tuple[int, ...] = ()


@dataclass
class Placed:
    """An object in the scene; full, inside and visible count its pixels."""

    item: Item
    sprite: Sprite
    x: int
    y: int
    full: int
    inside: int
    visible: int

    @property
    def floor(self) -> float:
        """Return how many pixels must stay visible; a large object also has to stay large."""
        share = MIN_VISIBLE * self.full
        stays_large = self.item.band == 'large' and self.visible >= LARGE_FROM
        return max(share, LARGE_FROM if stays_large else 0)

    def instance(self, mask: np.ndarray) -> Instance:
        """Describe the object whose pixels in the finished scene are ``mask``."""
        keypoints = self.sprite.keypoints
        if keypoints is not None:
            corner = np.array([self.x, self.y, 0])
            moved = keypoints + corner
            keypoints = _label(moved, mask)
        return Instance(
            self.item.category,
            self.full,
            self.inside,
            self.item.crowd,
            mask,
            keypoints,
            self.sprite.handwriting,
        )


@dataclass
class Collage:
    """A scene in the making.

    image: float32 (h, w, 3). owner: int16 (h, w), the position in ``placed`` of the object on
    top, or -1 for the background.
    """

    image: np.ndarray
    owner: np.ndarray
    placed: list[Placed] = field(default_factory=list)

    def count_owned(self, owners: np.ndarray) -> np.ndarray:
        """Count how many of these pixels each placed object owns, int (placed,)."""
        counts = np.bincount(owners + 1, minlength=len(self.placed) + 1)
        return counts[1:]

    def overlap(self, sprite: Sprite, x: int, y: int) -> float | None:
        """Return the share of the sprite on other objects; None if too little stays visible."""
        onto, part = window(self.owner.shape, sprite.alpha.shape, x, y)
        full = int(sprite.mask.sum())
        under = self.owner[onto][sprite.mask[part]]
        hidden = self.count_owned(under)
        for entry, loss in zip(self.placed, hidden, strict=True):
            if loss and entry.visible - loss < entry.floor:
                return None
        if under.size < MIN_VISIBLE * full:
            return None
        if not _shows_joints(sprite, self.owner.shape, x, y):
            return None
        return hidden.sum() / full

    def paste(self, item: Item, sprite: Sprite, x: int, y: int) -> None:
        """Put a sprite on top."""
        onto, part = window(self.owner.shape, sprite.alpha.shape, x, y)
        region = self.owner[onto]
        mask = sprite.mask[part]
        hidden = self.count_owned(region[mask])
        for entry, loss in zip(self.placed, hidden, strict=True):
            entry.visible -= int(loss)
        region[mask] = len(self.placed)
        full = int(sprite.mask.sum())
        inside = int(mask.sum())
        entry = Placed(item, sprite, x, y, full, inside, visible=inside)
        self.placed.append(entry)
        paste(self.image, sprite, x, y)


def _shows_joints(sprite: Sprite, shape: Sequence[int], x: int, y: int) -> bool:
    """Tell whether enough keypoints of a person fall inside the image; True for a digit."""
    if sprite.keypoints is None:
        return True
    moved = sprite.keypoints[:, :2] + (x, y)
    return int(_inside(moved, shape).sum()) >= _MIN_KEYPOINTS


def _inside(points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Tell which points (x, y) lie on a pixel of an image of ``shape`` (h, w), bool (n,)."""
    height, width = shape
    last = (width - 1, height - 1)
    return np.all((points >= 0) & (points <= last), axis=1)


def _label(keypoints: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Label keypoints as COCO does: v 0 and zeros outside the image, 1 hidden, 2 visible."""
    points = np.round(keypoints[:, :2], 1)
    inside = _inside(points, mask.shape)[:, None]
    pixels = np.rint(np.where(inside, points, 0))
    column, row = pixels.astype(int).T
    seen = mask[row, column] & (keypoints[:, 2] == 2)
    flags = np.where(seen, 2, 1)
    labelled = np.column_stack([points, flags])
    return np.where(inside, labelled, 0.0)
