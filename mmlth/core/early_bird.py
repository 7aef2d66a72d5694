"""Early-bird masks: when to look at the mask that pruning now would give, and when it has settled.

How far two such masks are apart tells :func:`mmlth.core.overlap.describe`, on the weights that are
alive: those that the round's own masks keep. Elsewhere they can't differ.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LOOKS = 50  # in a training, where no interval is set


class Plan(NamedTuple):
    """When a training is looked at: every ``interval`` steps, and at step ``last``."""

    interval: int
    last: int


@dataclass(frozen=True, kw_only=True)
class EarlyBird:
    """When to look at the mask, and when to end the training of a round.

    Source: You et al., ICLR 2020, section 3, whose released code compares the newest mask with
    each of the four before it; Girish et al., CVPR 2021 (fixed fractions).

    Attributes:
        interval: Steps between two looks; None takes a fiftieth of the training.
        tolerance: The mask has settled when its distance to each of the last ``patience`` ones is
            less, in (0, 1); see :func:`mmlth.core.overlap.describe` for the distance.
        patience: Number of earlier masks, at least 1.
        fraction: Ends the training at this share of its steps, in (0, 1], whether the mask has
            settled or not. 1.0 only watches. None ends it when the mask has settled.

    Raises:
        ValueError: A value outside what is allowed.
    """

    interval: int | None = None
    tolerance: float = 0.05
    patience: int = 5
    fraction: float | None = None

    def __post_init__(self) -> None:
        if self.interval is not None:
            what = 'of steps, or None for a fiftieth of the training, at least 1'
            _check_count('interval', self.interval, what)
        _check_count('patience', self.patience, 'of masks, at least 1')
        if not _is_number(self.tolerance) or not 0 < self.tolerance < 1:
            raise ValueError(f'early_bird: tolerance={self.tolerance!r} must be in (0, 1), where '
                             '1 is as different as independent masks')
        if self.fraction is None:
            return
        if not _is_number(self.fraction) or not 0 < self.fraction <= 1:
            raise ValueError(f'early_bird: fraction={self.fraction!r} must be in (0, 1], or None '
                             'to stop when the mask has settled')

    def plan(self, max_iters: int, begin: int = 0) -> Plan:
        """Return the steps between two looks and the step of the last look.

        Args:
            max_iters: Steps of the whole training.
            begin: First step that may be looked at: w_k has to be captured before.

        Raises:
            ValueError: No look would be taken, the end would come before ``begin``, or the mask
                could never settle in time.

        >>> EarlyBird(fraction=0.5).plan(1000)
        Plan(interval=20, last=500)
        """
        interval = self.interval or max(1, max_iters // LOOKS)
        if interval > max_iters:
            raise ValueError(f'early_bird: interval={interval} is longer than the training, which '
                             f'has {max_iters} steps, so that no mask would be looked at. '
                             'Choose a shorter one')
        if self.fraction is not None:
            return Plan(interval, self._end(self.fraction, max_iters, begin))
        self._check_can_settle(interval, max_iters, begin)
        return Plan(interval, max_iters)

    def _end(self, fraction: float, max_iters: int, begin: int) -> int:
        last = max(1, round(fraction * max_iters))
        if last < begin:
            raise ValueError(f'early_bird: fraction={fraction} ends the training at step {last}, '
                             f'before w_k is captured at step {begin}. Raise fraction, or lower '
                             'rewind')
        return last

    def _check_can_settle(self, interval: int, max_iters: int, begin: int) -> None:
        first = -(-begin // interval) * interval
        earliest = first + self.patience * interval
        if earliest >= max_iters:
            raise ValueError(f'early_bird: looks from step {first} on, every interval={interval} '
                             f'steps, with patience={self.patience} could not end a training of '
                             f'{max_iters} steps early. Lower interval or patience, or set '
                             'fraction=1.0 to watch only')


def settled(distances: Sequence[float], tolerance: float, patience: int) -> bool:
    """Tell whether the newest mask is near to each of the last ``patience`` ones.

    Args:
        distances: Of the newest mask to earlier ones, the newest of those last, each at least 0.
        tolerance: What every distance must stay below.
        patience: How many there must be.

    >>> settled([0.3, 0.02, 0.01], 0.05, 2), settled([0.3, 0.02, 0.01], 0.05, 3)
    (True, False)
    """
    if len(distances) < patience:
        return False
    return all(distance < tolerance for distance in distances[-patience:])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_count(name: str, value: int, what: str) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f'early_bird: {name}={value!r} must be a whole number {what}')
