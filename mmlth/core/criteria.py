"""Scores of weights: one function each, higher = kept.

A criterion takes ``(weights, seed)`` and returns float32 tensors of the same names and shapes.
"""
from typing import Callable, Mapping

import torch
from torch import Tensor

from mmlth.core.masks import Weights, check_same_tensors


def magnitude(weights: Mapping[str, Tensor], seed: int = 0) -> Weights:
    """Score by the raw |w| in float32, not divided by anything per layer.

    Source: Girish et al., CVPR 2021, section 3.

    >>> magnitude({'w': torch.tensor([-2., 1.])})['w'].tolist()
    [2.0, 1.0]
    """
    return {name: w.detach().float().abs() for name, w in weights.items()}


def random(weights: Mapping[str, Tensor], seed: int = 0) -> Weights:
    """Score at random, uniform in [0, 1): the control every ticket is compared with.

    The same seed and names give the same scores.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(weights[name].shape, generator=generator) for name in weights}


CRITERIA: dict[str, Callable[..., Weights]] = dict(magnitude=magnitude, random=random)


def score(criterion: str, weights: Mapping[str, Tensor], seed: int = 0) -> Weights:
    """Score ``weights`` by the criterion of that name in :data:`CRITERIA`.

    Args:
        criterion: Name in :data:`CRITERIA`.
        weights: Trained weights, any float dtype.
        seed: Used by criteria that draw random numbers.

    Raises:
        ValueError: Weights are NaN or infinite (the training diverged), or the criterion returns
            other names or shapes.
    """
    if criterion not in CRITERIA:
        raise ValueError(f'criterion={criterion!r}: allowed are {", ".join(CRITERIA)}')
    check_finite(weights, f'criterion {criterion!r}')
    scores = CRITERIA[criterion](weights, seed)
    check_same_tensors(scores, weights, f'scores of criterion {criterion!r}', 'weights')
    return scores


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ValueError if a weight is NaN or infinite; names the first such tensor."""
    for name, w in weights.items():
        if not torch.isfinite(w).all():
            raise ValueError(f'{where}: {name!r} holds NaN or infinite weights, the training diverged. '
                             'Lower the learning rate, add warm-up or clip gradients, then start again '
                             'in a new work directory')
