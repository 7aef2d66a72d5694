"""Scores of weights: one function each, higher = kept.

A criterion is a function ``f(weights, initial, seed)`` that returns a float tensor per weight tensor, of the
same names and shapes; scores may be negative. :func:`register` adds one under the name of the function::

    @register
    def movement(weights, initial, seed):
        return {name: (w - initial[name]).abs() for name, w in weights.items()}

In a config, ``custom_imports`` of the module that holds it and ``imp = dict(criterion='movement')`` use it.
"""
import inspect
from typing import Callable, Mapping

import torch
from torch import Tensor

from mmlth.core.masks import Weights, check_same_tensors

Criterion = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], int], Weights]
CRITERIA: dict[str, Criterion] = {}


def register(criterion: Criterion) -> Criterion:
    """Add a criterion to :data:`CRITERIA` under the name of its function; return it unchanged.

    Raises:
        ValueError: Another function has this name, or this one doesn't take (weights, initial, seed).
    """
    name = criterion.__name__
    there = CRITERIA.get(name, criterion)
    if there is not criterion:
        raise ValueError(f'criterion {name!r}: {_origin(criterion)} cannot be registered, '
                         f'{_origin(there)} has this name. Rename the function')
    try:
        inspect.signature(criterion).bind({}, {}, 0)
    except TypeError as error:
        raise ValueError(f'criterion {name!r}: {_origin(criterion)} must take (weights, initial, seed) '
                         f'({error})') from error
    CRITERIA[name] = criterion
    return criterion


@register
def magnitude(weights: Mapping[str, Tensor], initial: Mapping[str, Tensor], seed: int) -> Weights:
    """Score by the raw |w| in float32, not divided by anything per layer.

    Source: Girish et al., CVPR 2021, section 3.

    >>> magnitude({'w': torch.tensor([-2., 1.])}, {}, 0)['w'].tolist()
    [2.0, 1.0]
    """
    return {name: w.detach().float().abs() for name, w in weights.items()}


@register
def initial_magnitude(weights: Mapping[str, Tensor], initial: Mapping[str, Tensor], seed: int) -> Weights:
    """Score by |w_k|, the weights that survivors are rewound to, whatever training made of them.

    Source: "large_init", Zhou et al., NeurIPS 2019, section 2.

    >>> initial_magnitude({'w': torch.tensor([9., 9.])}, {'w': torch.tensor([-2., 1.])}, 0)['w'].tolist()
    [2.0, 1.0]
    """
    return magnitude({name: initial[name] for name in weights}, initial, seed)


@register
def magnitude_increase(weights: Mapping[str, Tensor], initial: Mapping[str, Tensor], seed: int) -> Weights:
    """Score by |w| - |w_k|, how much training made a weight grow; negative where it shrank.

    Where training changes nothing, as in frozen tensors, all scores are 0: leave those out of the scope.
    Source: Zhou et al., NeurIPS 2019, section 2.

    >>> magnitude_increase({'w': torch.tensor([-3., 1.])}, {'w': torch.tensor([1., 2.])}, 0)['w'].tolist()
    [2.0, -1.0]
    """
    return {name: w.detach().float().abs() - initial[name].detach().float().abs()
            for name, w in weights.items()}


@register
def random(weights: Mapping[str, Tensor], initial: Mapping[str, Tensor], seed: int) -> Weights:
    """Score at random, uniform in [0, 1): the control every ticket is compared with.

    The same seed, names and order of names give the same scores.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(weights[name].shape, generator=generator) for name in weights}


def check_criterion(name: str) -> None:
    """Raise ValueError, with all that is allowed, unless a criterion has this name."""
    if name not in tuple(CRITERIA):
        raise ValueError(f'criterion={name!r}: allowed are {", ".join(CRITERIA)}, or a function of your own: '
                         'decorate it with mmlth.core.criteria.register and name its module in '
                         'custom_imports')


def score(criterion: str, weights: Mapping[str, Tensor], initial: Mapping[str, Tensor],
          seed: int = 0) -> Weights:
    """Score ``weights`` by the criterion of that name in :data:`CRITERIA`.

    Args:
        criterion: Name in :data:`CRITERIA`.
        weights: Trained weights, any float dtype.
        initial: w_k, what survivors are rewound to, of the same names and shapes.
        seed: Used by criteria that draw random numbers.

    Returns:
        Finite float32 tensors of the names and shapes of ``weights``; they may be negative.

    Raises:
        ValueError: Weights are NaN or infinite (the training diverged), ``initial`` is or doesn't fit, or
            the criterion is unknown or returns other names, shapes, integers, NaN or infinity.
    """
    check_criterion(criterion)
    where = f'criterion {criterion!r}'
    check_same_tensors(initial, weights, f'initial weights of {where}', 'weights')
    _check_floats(weights, f'{where}: weights')
    _check_floats(initial, f'{where}: initial weights')
    check_finite(weights, where)
    _check_finite(initial, f'{where}: initial weights', 'Check the checkpoint or init_cfg they come from')
    scores = CRITERIA[criterion](weights, initial, seed)
    _check_floats(scores, f'scores of {where}')
    check_same_tensors(scores, weights, f'scores of {where}', 'weights')
    scores = {name: scores[name].detach().float() for name in weights}
    _check_finite(scores, f'scores of {where}', 'Every weight needs a finite score, pruned ones too')
    return scores


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ValueError if a weight is NaN or infinite; names the first such tensor."""
    for name, w in weights.items():
        if not _is_finite(w):
            raise ValueError(f'{where}: {name!r} holds NaN or infinite weights, the training diverged. '
                             'Lower the learning rate, add warm-up or clip gradients, then start again '
                             'in a new work directory')


def _check_finite(tensors: Mapping[str, Tensor], what: str, fix: str) -> None:
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise ValueError(f'{what}: {name!r} holds NaN or infinity in float32. {fix}')


def _is_finite(tensor: Tensor) -> bool:
    # NaN and infinity show in a sum, which is many times faster; but a sum can overflow by itself.
    return bool(torch.isfinite(tensor.sum()) or torch.isfinite(tensor).all())


def _check_floats(tensors: Mapping[str, Tensor], what: str) -> None:
    if not isinstance(tensors, Mapping):
        raise ValueError(f'{what} are {type(tensors).__name__}, but must be a dict of name -> float tensor')
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f'{what}: {name!r} is {found}, but must be a float tensor')


def _origin(criterion: Criterion) -> str:
    return f'{criterion.__module__}.{criterion.__qualname__}'
