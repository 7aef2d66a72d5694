"""Composing a scene: where each object lies, and what of it stays visible."""
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from .background import background, photograph
from .digits import Crowd, Digit
from .meta import LARGE_FROM, PERSON, digit_of_category
from .figure import Person
from .plan import generators, plan_scene
from .sprite import Sprite, paste, window

MIN_VISIBLE = 0.62  # of an object's pixels, whatever covers it or cuts it off
_CUT_ODDS, _CUT = 0.12, 0.25  # some objects may leave the image, by this share of their side
_OVERLAPS, _OVERLAP_ODDS = (0.02, 0.15, 0.40), (0.5, 0.3, 0.2)  # tolerated share of an object
_TRIES, _SHRINK, _SIZES = 24, 0.82, 6
_MIN_KEYPOINTS = 5
# Sizes are log-uniform: mask area in pixels of digits, height in pixels of people.
_DIGIT_AREAS = dict(small=(190.0, 900.0), medium=(1150.0, 6500.0), large=(10200.0, 14500.0))
_PERSON_HEIGHTS = dict(small=(40.0, 52.0), medium=(58.0, 140.0), large=(162.0, 170.0))
_CROWD_AREAS = (420.0, 1000.0)


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
    keypoints: Optional[np.ndarray] = None
    handwriting: tuple = ()


@dataclass
class Scene:
    """image: uint8 (h, w, 3) in BGR; instances: list of :class:`Instance`."""

    image: np.ndarray
    instances: list


@dataclass
class _Placed:
    item: object
    sprite: Sprite
    x: int
    y: int
    full: int
    inside: int
    visible: int

    @property
    def floor(self):
        """How many pixels must stay visible; a large object also has to stay large."""
        stays_large = self.item.band == 'large' and self.visible >= LARGE_FROM
        return max(MIN_VISIBLE * self.full, LARGE_FROM if stays_large else 0)


def compose(seed: int, split: str, index: int, hue_bias: float) -> Scene:
    """Scene ``index`` of ``split`` ('train' or 'val'); depends on nothing but the arguments."""
    planner, rng = generators(seed, split, index)
    plan = plan_scene(seed, split, index, planner)
    image = background(rng, plan.width, plan.height)
    # -1 is background, else the position in `placed` of the object on top.
    owner = np.full(image.shape[:2], -1, np.int16)
    placed = []
    for item, recipe, size in _recipes(plan, split, rng, hue_bias):
        _place(rng, image, owner, placed, (item, recipe, size))
    instances = [_instance(entry, owner == k) for k, entry in enumerate(placed)]
    return Scene(photograph(rng, image), instances)


def _recipes(plan, split, rng, hue_bias):
    """(item, recipe, size) from the largest object to the smallest: small ones lie on top."""
    entries = []
    for item in plan.items:
        if item.category == PERSON:
            recipe = Person(rng, stout=item.band == 'large')
            span = _PERSON_HEIGHTS[item.band]
        else:
            kind = Crowd if item.crowd else Digit
            recipe = kind(digit_of_category(item.category), split, rng, hue_bias)
            span = _CROWD_AREAS if item.crowd else _DIGIT_AREAS[item.band]
        entries.append((item, recipe, float(np.exp(rng.uniform(*np.log(span))))))
    order = np.argsort([-_rough_area(item, size) for item, _, size in entries], kind='stable')
    return [entries[i] for i in order]


def _rough_area(item, size):
    return 0.36 * size ** 2 if item.category == PERSON else size


def _place(rng, image, owner, placed, entry):
    """Paste one object where it hides little, smaller if need be; give up if nothing fits."""
    item, recipe, size = entry
    for _ in range(_SIZES):
        sprite = recipe.render(size, owner.shape[::-1])
        spot = _find_spot(rng, owner, placed, sprite)
        if spot is not None:
            _commit(image, owner, placed, item, sprite, spot)
            return
        size *= _SHRINK if item.category == PERSON else _SHRINK ** 2


def _find_spot(rng, owner, placed, sprite):
    """A corner (x, y) that leaves everything visible enough, or None.

    The first spot within the tolerated overlap is taken, else the valid one of least overlap.
    """
    tolerated = _OVERLAPS[int(rng.choice(3, p=_OVERLAP_ODDS))]
    cut = _CUT if rng.random() < _CUT_ODDS else 0.0
    size, room = np.array(sprite.alpha.shape[::-1]), np.array(owner.shape[::-1])
    low, high = -cut * size, room - size + cut * size
    best, least = None, np.inf
    for x, y in np.rint(rng.uniform(low, high, (_TRIES, 2))).astype(int).tolist():
        overlap = _overlap(owner, placed, sprite, x, y)
        if overlap is not None and overlap < least:
            best, least = (x, y), overlap
        if least <= tolerated:
            break
    return best


def _overlap(owner, placed, sprite, x, y):
    """Share of the sprite that would lie on other objects; None if too little stays visible."""
    canvas, part = window(owner.shape, sprite.alpha.shape, x, y)
    full = int(sprite.mask.sum())
    under = owner[canvas][sprite.mask[part]]
    hidden = np.bincount(under + 1, minlength=len(placed) + 1)[1:]
    spoilt = any(entry.visible - loss < entry.floor for entry, loss in zip(placed, hidden) if loss)
    if spoilt or under.size < MIN_VISIBLE * full or not _shows_joints(sprite, owner.shape, x, y):
        return None
    return hidden.sum() / full


def _shows_joints(sprite, shape, x, y):
    """Whether enough keypoints of a person fall inside the image; True for a digit."""
    if sprite.keypoints is None:
        return True
    moved = sprite.keypoints[:, :2] + (x, y)
    return int(_inside(moved, shape).sum()) >= _MIN_KEYPOINTS


def _inside(points, shape):
    """bool (n,): which points (x, y) lie on a pixel of an image of ``shape`` (h, w)."""
    return ((points >= 0) & (points <= (shape[1] - 1, shape[0] - 1))).all(axis=1)


def _commit(image, owner, placed, item, sprite, spot):
    canvas, part = window(owner.shape, sprite.alpha.shape, *spot)
    region, mask = owner[canvas], sprite.mask[part]
    for k, loss in enumerate(np.bincount(region[mask] + 1, minlength=len(placed) + 1)[1:]):
        placed[k].visible -= int(loss)
    region[mask] = len(placed)
    full, inside = int(sprite.mask.sum()), int(mask.sum())
    placed.append(_Placed(item, sprite, *spot, full, inside, visible=inside))
    paste(image, sprite, *spot)


def _instance(entry, mask):
    keypoints = None
    if entry.sprite.keypoints is not None:
        keypoints = _label(entry.sprite.keypoints + (entry.x, entry.y, 0), mask)
    return Instance(entry.item.category, entry.full, entry.inside, entry.item.crowd, mask,
                    keypoints, entry.sprite.handwriting)


def _label(keypoints, mask):
    """Keypoints as COCO labels them: v 0 and zeros outside the image, 1 hidden, 2 visible."""
    points = np.round(keypoints[:, :2], 1)
    inside = _inside(points, mask.shape)
    column, row = np.rint(np.where(inside[:, None], points, 0)).astype(int).T
    seen = mask[row, column] & (keypoints[:, 2] == 2)
    return np.where(inside[:, None], np.column_stack([points, np.where(seen, 2, 1)]), 0.0)
