"""Composing a scene: what each object looks like and where it lies."""
from dataclasses import dataclass

import numpy as np

from .background import background, photograph
from .collage import Collage, Instance
from .digits import Crowd, Digit
from .figure import Person
from .meta import PERSON, digit_of_category
from .plan import Item, Plan, generators, plan_scene
from .sprite import Sprite

_CUT_ODDS, _CUT = 0.12, 0.25  # some objects may leave the image, by this share of their side
_OVERLAPS = (0.02, 0.15, 0.40)  # tolerated share of an object
_OVERLAP_ODDS = (0.5, 0.3, 0.2)
_TRIES, _SHRINK, _SIZES = 24, 0.82, 6
# Sizes are log-uniform: mask area in pixels of digits, height in pixels of people.
_DIGIT_AREAS = dict(
    small=(190.0, 900.0),
    medium=(1150.0, 6500.0),
    large=(10200.0, 14500.0),
)
_PERSON_HEIGHTS = dict(
    small=(40.0, 52.0),
    medium=(58.0, 140.0),
    large=(162.0, 170.0),
)
_CROWD_AREAS = (420.0, 1000.0)


@dataclass
class Scene:
    """image: uint8 (h, w, 3) in BGR; instances: what is in it."""

    image: np.ndarray
    instances: list[Instance]


@dataclass
class _Draft:
    """An object to place; size is a mask area, for people a height."""

    item: Item
    recipe: Person | Digit | Crowd
    size: float

    @property
    def rough_area(self) -> float:
        if self.item.category == PERSON:
            return 0.36 * self.size ** 2
        return self.size

    def shrink(self) -> None:
        is_height = self.item.category == PERSON
        self.size *= _SHRINK if is_height else _SHRINK ** 2


def compose(seed: int, split: str, index: int, hue_bias: float) -> Scene:
    """Draw scene ``index`` of ``split`` ('train' or 'val'); depends on the arguments alone."""
    planner, rng = generators(seed, split, index)
    plan = plan_scene(seed, split, index, planner)
    image = background(rng, plan.width, plan.height)
    owner = np.full(image.shape[:2], -1, np.int16)
    collage = Collage(image, owner)
    for draft in _drafts(plan, split, rng, hue_bias):
        _place(rng, collage, draft)
    instances = [entry.instance(owner == k) for k, entry in enumerate(collage.placed)]
    return Scene(photograph(rng, image), instances)


def _drafts(
    plan: Plan,
    split: str,
    rng: np.random.Generator,
    hue_bias: float,
) -> list[_Draft]:
    """Settle the looks, from the largest object to the smallest: small ones lie on top."""
    drafts = [_draft(item, split, rng, hue_bias) for item in plan.items]
    return sorted(drafts, key=lambda draft: -draft.rough_area)


def _draft(item: Item, split: str, rng: np.random.Generator, hue_bias: float) -> _Draft:
    recipe: Person | Digit | Crowd
    if item.category == PERSON:
        recipe = Person(rng, stout=item.band == 'large')
        span = _PERSON_HEIGHTS[item.band]
    elif item.crowd:
        recipe = Crowd(digit_of_category(item.category), split, rng, hue_bias)
        span = _CROWD_AREAS
    else:
        recipe = Digit(digit_of_category(item.category), split, rng, hue_bias)
        span = _DIGIT_AREAS[item.band]
    logarithm = rng.uniform(*np.log(span))
    return _Draft(item, recipe, float(np.exp(logarithm)))


def _place(rng: np.random.Generator, collage: Collage, draft: _Draft) -> None:
    """Paste one object where it hides little, smaller if need be; give up if nothing fits."""
    height, width = collage.owner.shape
    for _ in range(_SIZES):
        sprite = draft.recipe.render(draft.size, (width, height))
        spot = _find_spot(rng, collage, sprite)
        if spot is not None:
            collage.paste(draft.item, sprite, *spot)
            return
        draft.shrink()


def _find_spot(
    rng: np.random.Generator,
    collage: Collage,
    sprite: Sprite,
) -> tuple[int, int] | None:
    """Return a corner (x, y) that leaves everything visible enough, or None.

    The first spot within the tolerated overlap is taken, else the valid one of least overlap.
    """
    tolerated = _OVERLAPS[int(rng.choice(3, p=_OVERLAP_ODDS))]
    cut = _CUT if rng.random() < _CUT_ODDS else 0.0
    size = np.array(sprite.alpha.shape[::-1])
    room = np.array(collage.owner.shape[::-1])
    beyond = cut * size
    low = -beyond
    high = room - size + beyond
    spots = np.rint(rng.uniform(low, high, (_TRIES, 2)))
    best = None
    least = np.inf
    for x, y in spots.astype(int).tolist():
        overlap = collage.overlap(sprite, x, y)
        if overlap is not None and overlap < least:
            best, least = (x, y), overlap
        if least <= tolerated:
            break
    return best
