"""What goes into each scene, decided before anything is drawn.

Categories come from a low-discrepancy sequence over the image index: every run of images then
holds each category in proportion to its weight, so that even the rarest one is present in a
validation set of 200 images, while an image still depends on nothing but its own index.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .meta import FREQUENCY_ORDER, HEAD_TO_TAIL, PERSON, SPLITS, category_of_digit

SIDES = (160, 176, 192)
DIGIT_COUNTS = (4, 5, 6, 7)
PEOPLE_COUNTS = {0: 0.44, 1: 0.46, 2: 0.10}
CROWD_SHARE = 0.085  # of the images; about 1.3 % of the annotations
LARGE_SHARE = 0.82  # of the images hold a large object
SMALL_SHARE = 0.31  # of the digits that are not the large object
SMALL_PEOPLE_SHARE = 0.10  # COCO's keypoint evaluation knows medium and large people only
_SLOTS = max(DIGIT_COUNTS) + 1  # one per digit, and one that decides on a crowd
# The digit one is so slim that few images can hold it at a large mask area.
_LARGE_ODDS = {PERSON: 3.0, category_of_digit(1): 0.15}
_TAIL_SHAPE = 0.7  # below 1 the counts fall fast at first and slowly in the tail


@dataclass(frozen=True)
class Item:
    """One object to draw: category id 1..11, COCO size band, and whether it is a crowd."""

    category: int
    band: str
    crowd: bool = False


@dataclass(frozen=True)
class Plan:
    """One scene to draw: width and height in pixels, and its items."""

    width: int
    height: int
    items: tuple[Item, ...]


def digit_weights() -> np.ndarray:
    """Return the odds of each digit 0..9, float64 (10,); first to last in rank is 20 to 1."""
    count = len(FREQUENCY_ORDER)
    rank = np.linspace(0.0, 1.0, count)
    by_rank = np.exp(-np.log(HEAD_TO_TAIL) * rank ** _TAIL_SHAPE)
    weights = np.empty(count)
    weights[list(FREQUENCY_ORDER)] = by_rank / by_rank.sum()
    return weights


def generators(
    seed: int,
    split: str,
    index: int,
) -> tuple[np.random.Generator, np.random.Generator]:
    """Return independent generators for image ``index`` of ``split``: to plan and to draw."""
    root = np.random.SeedSequence([seed, SPLITS.index(split), index])
    to_plan, to_draw = root.spawn(2)
    return np.random.default_rng(to_plan), np.random.default_rng(to_draw)


def plan_scene(seed: int, split: str, index: int, rng: np.random.Generator) -> Plan:
    """Plan one image; ``rng`` is the first of :func:`generators`."""
    width, height = rng.choice(SIDES, 2).tolist()
    points = _sequence(seed, split, index)
    count = int(rng.choice(DIGIT_COUNTS))
    digits = _categories_of_digits(points[:count])
    people = _people(rng)
    categories = digits + people
    bands = _bands(categories, rng)
    items = [Item(*pair) for pair in zip(categories, bands, strict=True)]
    if points[-1] < CROWD_SHARE:
        kind = int(rng.choice(digits))
        items.append(Item(kind, 'small', crowd=True))
    if Item(PERSON, 'large') in items:
        height = max(SIDES)  # nothing less can hold one
    return Plan(width, height, tuple(items))


def _categories_of_digits(points: np.ndarray) -> list[int]:
    bounds = np.cumsum(digit_weights())[:-1]
    digits = np.searchsorted(bounds, points, side='right')
    return [category_of_digit(digit) for digit in digits.tolist()]


def _people(rng: np.random.Generator) -> list[int]:
    odds = list(PEOPLE_COUNTS.values())
    count = int(rng.choice(list(PEOPLE_COUNTS), p=odds))
    return [PERSON] * count


def _bands(categories: Sequence[int], rng: np.random.Generator) -> list[str]:
    """Choose a size band for each category; at most one is large, else it would hide others."""
    bands = []
    for category in categories:
        small = rng.random() < _small_share(category)
        bands.append('small' if small else 'medium')
    if rng.random() < LARGE_SHARE:
        odds = np.array([_LARGE_ODDS.get(category, 1.0) for category in categories])
        chosen = rng.choice(len(categories), p=odds / odds.sum())
        bands[int(chosen)] = 'large'
    return bands


def _small_share(category: int) -> float:
    return SMALL_PEOPLE_SHARE if category == PERSON else SMALL_SHARE


def _sequence(seed: int, split: str, index: int) -> np.ndarray:
    """Return point ``index`` of a shifted additive recurrence (R_d), float64 (slots,) in 0..1."""
    key = [seed, SPLITS.index(split)]
    stream = np.random.SeedSequence(key, spawn_key=(2,))
    shift = np.random.default_rng(stream).random(_SLOTS)
    root = 2.0
    for _ in range(32):  # the root of x^(slots + 1) = x + 1 gives the best-spread steps
        root = (1.0 + root) ** (1.0 / (_SLOTS + 1))
    steps = root ** -np.arange(1.0, _SLOTS + 1)
    return (shift + steps * (index + 1)) % 1.0
