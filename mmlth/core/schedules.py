"""Density of every round: pure functions from a target to (1.0, ..., 1 - target)."""
from typing import Callable, Sequence


def geometric(target_sparsity: float, rounds: int) -> tuple[float, ...]:
    """Prune the same share of what is left in every round: (1 - p) ** (i / T).

    Source: Girish et al., CVPR 2021, section 3 (as Frankle & Carbin, ICLR 2019).

    Args:
        target_sparsity: p, sparsity of the scope after the last round, in (0, 1).
        rounds: T, number of prunings, at least 0 (1 is one-shot pruning, 0 the dense net alone).

    Returns:
        T + 1 densities from 1.0 (round 0, dense) down to exactly 1 - p.

    >>> geometric(0.75, 2)
    (1.0, 0.5, 0.25)
    """
    _check(target_sparsity, rounds)
    kept = 1 - target_sparsity
    return (*(kept**(i / rounds) for i in range(rounds)), kept) if rounds else (1.0, )


def linear(target_sparsity: float, rounds: int) -> tuple[float, ...]:
    """Prune the same number of weights in every round: 1 - p * i / T.

    >>> linear(0.75, 3)
    (1.0, 0.75, 0.5, 0.25)
    """
    _check(target_sparsity, rounds)
    return (*(1 - target_sparsity * i / rounds for i in range(rounds)), 1 - target_sparsity) if rounds else (1.0, )


def explicit(sparsities: Sequence[float]) -> tuple[float, ...]:
    """Use the given sparsities of rounds 1 to T, which must rise within (0, 1).

    >>> explicit([0.5, 0.75])
    (1.0, 0.5, 0.25)

    Raises:
        ValueError: The list is empty, leaves (0, 1) or doesn't rise.
    """
    values = [0.0, *sparsities]
    if len(values) == 1 or any(not 0 < s < 1 for s in values[1:]):
        raise ValueError(f'schedule={list(sparsities)!r}: give at least one sparsity, each in (0, 1)')
    if any(b <= a for a, b in zip(values, values[1:])):
        raise ValueError(f'schedule={list(sparsities)!r}: each round must be sparser than the one '
                         'before (a pruned weight never comes back)')
    return tuple(1 - s for s in values)


SCHEDULES: dict[str, Callable[[float, int], tuple[float, ...]]] = dict(
    geometric=geometric, linear=linear)


def _check(target_sparsity: float, rounds: int) -> None:
    if not 0 < target_sparsity < 1:
        raise ValueError(f'target_sparsity={target_sparsity!r} must be in (0, 1), for example 0.8')
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 0:
        raise ValueError(f'rounds={rounds!r} must be a whole number of prunings, at least 1 (or 0 for the dense '
                         'net alone)')
