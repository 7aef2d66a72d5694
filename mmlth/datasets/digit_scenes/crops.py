"""A class-balanced set of single-object crops, for tickets from image classification."""
import numpy as np

from .background import background, photograph
from .digits import Digit
from .figure import Person
from .formats import write_image
from .meta import CLASSES, PERSON, SPLITS, digit_of_category
from .sprite import paste

SIDE = 48
CROPS = 'crops'
_DIGIT_AREA = (600.0, 1500.0)
_PERSON_HEIGHT = (34.0, 46.0)


def crop_counts(per_class):
    """{'train': per_class, 'val': a fifth of it but at least one}, crops for each category."""
    return dict(train=per_class, val=max(1, per_class // 5))


def write_crops(root, seed, per_class, hue_bias):
    """crops/<split>/<category name>/0000.png ...; handwriting is split as in the scenes."""
    for split, count in crop_counts(per_class).items():
        for category, name in enumerate(CLASSES, start=1):
            folder = root / CROPS / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                crop = draw_crop(seed, split, category, index, hue_bias)
                write_image(folder / f'{index:04d}.png', crop)


def draw_crop(seed: int, split: str, category: int, index: int,
              hue_bias: float) -> np.ndarray:
    """One object on a background, uint8 (48, 48, 3) in BGR; depends on nothing but its arguments.

    Args: ``split`` 'train' or 'val'; ``category`` 1..11; ``hue_bias`` as in :class:`Digit`.
    """
    # Offset so that no crop shares its random stream with a scene of the same seed.
    key = [seed, len(SPLITS) + SPLITS.index(split), category, index]
    rng = np.random.default_rng(np.random.SeedSequence(key))
    image = background(rng, SIDE, SIDE)
    if category == PERSON:
        recipe, span = Person(rng), _PERSON_HEIGHT
    else:
        recipe, span = Digit(digit_of_category(category), split, rng, hue_bias), _DIGIT_AREA
    sprite = recipe.render(rng.uniform(*span), (SIDE, SIDE))
    room = SIDE - np.array(sprite.alpha.shape[::-1])
    paste(image, sprite, *(int(place) for place in np.rint(room * rng.uniform(0, 1, 2))))
    return photograph(rng, image)
