"""Early-bird masks: how much does the mask that pruning now would give still change?

Masks of the past are kept packed, one bit a weight. They are compared where a change is possible: on the
weights that are alive, those that the round's own masks keep.
"""
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np
from torch import Tensor

PackedMasks = dict[str, np.ndarray]

LOOKS = 50  # in a training, where no interval is set


@dataclass(frozen=True, kw_only=True)
class EarlyBird:
    """When to look at the mask, and when to end the training of a round.

    Source: You et al., ICLR 2020, section 3, whose released code compares the newest mask with each of the
    four before it; Girish et al., CVPR 2021 (fixed fractions).

    Attributes:
        interval: Steps between two looks; None takes a fiftieth of the training.
        tolerance: The mask has settled when its distance to each of the last ``patience`` ones is less,
            in (0, 1); see :func:`compare` for the distance.
        patience: Number of earlier masks, at least 1.
        fraction: Ends the training at this share of its steps, in (0, 1], whether the mask has settled or
            not. 1.0 only watches. None ends it when the mask has settled.

    Raises:
        ValueError: A value outside what is allowed.
    """

    interval: int | None = None
    tolerance: float = 0.05
    patience: int = 5
    fraction: float | None = None

    def __post_init__(self) -> None:
        if self.interval is not None:
            _check_count('interval', self.interval, ' of steps, or None for a fiftieth of the training')
        _check_count('patience', self.patience, ' of masks')
        if not _is_number(self.tolerance) or not 0 < self.tolerance < 1:
            raise ValueError(f'early_bird: tolerance={self.tolerance!r} must be in (0, 1), where 1 is as '
                             'different as independent masks')
        if self.fraction is not None and not (_is_number(self.fraction) and 0 < self.fraction <= 1):
            raise ValueError(f'early_bird: fraction={self.fraction!r} must be in (0, 1], or None to stop '
                             'when the mask has settled')

    def plan(self, max_iters: int, begin: int = 0) -> tuple[int, int]:
        """Return the steps between two looks and the step of the last look.

        Args:
            max_iters: Steps of the whole training.
            begin: First step that may be looked at: w_k has to be captured before.

        Raises:
            ValueError: No look would be taken, the end would come before ``begin``, or the mask could
                never settle in time.

        >>> EarlyBird(fraction=0.5).plan(1000)
        (20, 500)
        """
        interval = self.interval or max(1, max_iters // LOOKS)
        if interval > max_iters:
            raise ValueError(f'early_bird: interval={interval} is longer than the training, which has '
                             f'{max_iters} steps, so that no mask would be looked at. Choose a shorter one')
        if self.fraction is not None:
            last = max(1, round(self.fraction * max_iters))
            if last < begin:
                raise ValueError(f'early_bird: fraction={self.fraction} ends the training at step {last}, '
                                 f'before w_k is captured at step {begin}. Raise fraction, or lower rewind')
            return interval, last
        first = -(-begin // interval) * interval
        if first + self.patience * interval >= max_iters:
            raise ValueError(f'early_bird: looks from step {first} on, every interval={interval} steps, with '
                             f'patience={self.patience} could not end a training of {max_iters} steps early. '
                             'Lower interval or patience, or set fraction=1.0 to watch only')
        return interval, max_iters


def settled(distances: Sequence[float], tolerance: float, patience: int) -> bool:
    """Tell whether the newest mask is near to each of the last ``patience`` ones.

    Args:
        distances: Of the newest mask to earlier ones, the newest of those last, each at least 0.
        tolerance: What every distance must stay below.
        patience: How many there must be.

    >>> settled([0.3, 0.02, 0.01], 0.05, 2), settled([0.3, 0.02, 0.01], 0.05, 3)
    (True, False)
    """
    return len(distances) >= patience and all(d < tolerance for d in distances[-patience:])


def pack_bits(masks: Mapping[str, Tensor]) -> PackedMasks:
    """Pack bool masks into uint8 vectors, one bit a weight, the last byte filled up with zeros."""
    return {name: np.packbits(m.cpu().numpy().reshape(-1)) for name, m in masks.items()}


def compare(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray],
            alive: Mapping[str, int]) -> dict[str, Any]:
    """Compare two packed masks over the weights that are alive, in total and per layer.

    Args:
        a, b: Packed masks of the same names and lengths; neither keeps a weight that isn't alive.
        alive: name -> weights of the layer that the old masks keep.

    Returns:
        ``iou``: shared kept weights / weights kept by either, in [0, 1] (1.0 if both keep none);
        ``hamming``: share of the alive weights on which they differ, in [0, 1];
        ``chance_iou``, ``chance_hamming``: what independent random masks of the same densities would have;
        ``distance``: hamming / chance_hamming, 0 for equal masks, about 1 for unrelated ones. Unlike
        the Hamming distance it doesn't shrink with the density.
        ``layers``: name -> the same for one layer.

    Raises:
        ValueError: Names or lengths differ; names the first tensor.

    >>> a, b = ({'w': np.packbits([1, 1, 0, 0])}, {'w': np.packbits([1, 0, 1, 0])})
    >>> found = compare(a, b, {'w': 4})
    >>> found['iou'], found['hamming'], found['chance_hamming'], found['distance']
    (0.3333333333333333, 0.5, 0.5, 1.0)
    """
    for name in sorted(set(a) ^ set(b)):
        raise ValueError(f'{name!r} is in only one of the masks to compare: they are of different models or '
                         'scopes')
    counts = {}
    for name, bits in a.items():
        if bits.shape != b[name].shape:
            raise ValueError(f'masks of {name!r} have {len(bits)} and {len(b[name])} bytes: they are of '
                             'different models')
        counts[name] = (_count(bits & b[name]), _count(bits), _count(b[name]), alive[name])
    total = _describe(*(sum(column) for column in zip(*counts.values())))
    return dict(total, layers={name: _describe(*each) for name, each in counts.items()})


def _count(bits: np.ndarray) -> int:
    return int(np.count_nonzero(np.unpackbits(bits)))  # as fast as a table; numpy < 2 has no bitwise_count


def _describe(both: int, kept_a: int, kept_b: int, alive: int) -> dict[str, float]:
    either, together = kept_a + kept_b - both, kept_a + kept_b
    chance_both = kept_a * kept_b / alive if alive else 0.0
    hamming = (either - both) / alive if alive else 0.0
    chance_hamming = (together - 2 * chance_both) / alive if alive else 0.0
    return dict(
        iou=both / either if either else 1.0,
        hamming=hamming,
        chance_iou=chance_both / (together - chance_both) if together else 1.0,
        chance_hamming=chance_hamming,
        distance=hamming / chance_hamming if chance_hamming else 0.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_count(name: str, value: Any, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'early_bird: {name}={value!r} must be a whole number{what}, at least 1')
