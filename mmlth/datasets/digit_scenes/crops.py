"""A class-balanced set of single-object crops, for tickets from image classification."""
from pathlib import Path

import numpy as np

from .background import background, photograph
from .digits import Digit
from .figure import Person
from .formats import write_image
from .meta import CLASSES, PERSON, SPLITS, digit_of_category
from .sprite import Sprite, paste

SIDE = 48
CROPS = 'crops'
_DIGIT_AREA = (600.0, 1500.0)
_PERSON_HEIGHT = (34.0, 46.0)


def crop_counts(per_class: int) -> dict[str, int]:
    """Return {'train': per_class, 'val': a fifth of it but at least 1}, crops of a category."""
    fifth = max(1, per_class // 5)
    return dict(train=per_class, val=fifth)


def write_crops(root: Path, seed: int, per_class: int, hue_bias: float) -> None:
    """Write crops/<split>/<category name>/0000.png ...; handwriting is split as in the scenes."""
    for split, count in crop_counts(per_class).items():
        for category, name in enumerate(CLASSES, start=1):
            folder = root / CROPS / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                crop = draw_crop(seed, split, category, index, hue_bias)
                write_image(folder / f'{index:04d}.png', crop)


def draw_crop(
    seed: int,
    split: str,
    category: int,
    index: int,
    hue_bias: float,
) -> np.ndarray:
    """Draw one object on a background; it depends on nothing but the arguments.

    Args:
        seed: int >= 0.
        split: 'train' or 'val'.
        category: 1..11.
        index: int >= 0, of the crop among those of its category.
        hue_bias: 0..1, as in :class:`Digit`.

    Returns:
        uint8 (48, 48, 3) in BGR.
    """
    # Offset so that no crop shares its random stream with a scene of the same seed.
    stream = len(SPLITS) + SPLITS.index(split)
    sequence = np.random.SeedSequence([seed, stream, category, index])
    rng = np.random.default_rng(sequence)
    image = background(rng, SIDE, SIDE)
    sprite = _sprite(rng, split, category, hue_bias)
    height, width = sprite.alpha.shape
    room = np.array([SIDE - width, SIDE - height])
    x, y = np.rint(room * rng.uniform(0, 1, 2)).astype(int).tolist()
    paste(image, sprite, x, y)
    return photograph(rng, image)


def _sprite(
    rng: np.random.Generator,
    split: str,
    category: int,
    hue_bias: float,
) -> Sprite:
    limit = (SIDE, SIDE)
    if category == PERSON:
        person = Person(rng)
        return person.render(rng.uniform(*_PERSON_HEIGHT), limit)
    digit = Digit(digit_of_category(category), split, rng, hue_bias)
    return digit.render(rng.uniform(*_DIGIT_AREA), limit)
