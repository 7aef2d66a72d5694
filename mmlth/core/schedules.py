"""Density of every round: pure functions from a target to (1.0, ..., 1 - target)."""
from collections.abc import Callable, Sequence
from itertools import pairwise

MOST_ROUNDS = 99  # folders of rounds have two digits


def geometric(target_sparsity: float, rounds: int) -> tuple[float, ...]:
    """Prune the same share of what is left in every round: (1 - p) ** (i / T).

    Source: Girish et al., CVPR 2021, section 3 (as Frankle & Carbin, ICLR 2019).

    Args:
        target_sparsity: p, sparsity of the scope after the last round, in (0, 1).
        rounds: T, number of prunings, 0 to 99 (1 is one-shot pruning, 0 the dense net alone).

    Returns:
        T + 1 densities from 1.0 (round 0, dense) down to exactly 1 - p.

    >>> geometric(0.75, 2)
    (1.0, 0.5, 0.25)
    """
    _check(target_sparsity, rounds)
    last = 1 - target_sparsity
    earlier = [last**(i / rounds) for i in range(rounds)]
    return _ending_with(last, earlier)


def linear(target_sparsity: float, rounds: int) -> tuple[float, ...]:
    """Prune the same number of weights in every round: 1 - p * i / T.

    >>> linear(0.75, 3)
    (1.0, 0.75, 0.5, 0.25)
    """
    _check(target_sparsity, rounds)
    last = 1 - target_sparsity
    earlier = [1 - target_sparsity * i / rounds for i in range(rounds)]
    return _ending_with(last, earlier)


def explicit(sparsities: Sequence[float]) -> tuple[float, ...]:
    """Use the given sparsities of rounds 1 to T, which must rise within (0, 1).

    >>> explicit([0.5, 0.75])
    (1.0, 0.5, 0.25)

    Raises:
        ValueError: The list is empty or of more than 99, leaves (0, 1) or doesn't rise.
    """
    given = list(sparsities)
    if not given or any(not 0 < sparsity < 1 for sparsity in given):
        raise ValueError(f'schedule={given!r}: give at least one sparsity, each in (0, 1)')
    if len(given) > MOST_ROUNDS:
        raise ValueError(f'schedule: {len(given)} rounds, but a job has at most {MOST_ROUNDS}')
    if any(later <= earlier for earlier, later in pairwise(given)):
        raise ValueError(f'schedule={given!r}: each round must be sparser than the one before '
                         '(a pruned weight never comes back)')
    return (1.0, *(1 - sparsity for sparsity in given))


Schedule = Callable[[float, int], tuple[float, ...]]

SCHEDULES: dict[str, Schedule] = {
    'geometric': geometric,
    'linear': linear,
}


def _ending_with(last: float, earlier: list[float]) -> tuple[float, ...]:
    """Return all densities, the last one exact; without any pruning the dense one alone."""
    return (*earlier, last) if earlier else (1.0, )


def _check(target_sparsity: float, rounds: int) -> None:
    if not 0 < target_sparsity < 1:
        raise ValueError(f'target_sparsity={target_sparsity!r} must be in (0, 1), '
                         'for example 0.8')
    whole = isinstance(rounds, int) and not isinstance(rounds, bool)
    if not whole or not 0 <= rounds <= MOST_ROUNDS:
        raise ValueError(f'rounds={rounds!r} must be a whole number of prunings, at least 1 '
                         f'(or 0 for the dense net alone) and at most {MOST_ROUNDS}')
