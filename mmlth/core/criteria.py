"""Scores of weights: one function each, higher = kept.

A criterion is a function that returns a float tensor per weight tensor, of the same names and
shapes; scores may be negative. It takes, by name, what it needs of:

- ``weights``: name -> trained weights;
- ``initial``: name -> w_k, what survivors are rewound to (w_0 where they aren't: rewind='lr',
  'none' or 'reinit');
- ``seed``: of what is drawn;
- ``costs``: name -> number of positions at which each weight of the tensor is used for one image
  (:func:`mmlth.core.positions.costs_of`);
- ``cost_exponent``: the setting of that name.

:func:`register` adds one under the name of the function::

    @register
    def movement(weights, initial):
        return {name: (w - initial[name]).abs() for name, w in weights.items()}

In a config, ``custom_imports`` of the module that holds it and ``imp = dict(criterion='movement')``
use it.
"""
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mmlth.core.choices import COST_EXPONENT
from mmlth.core.masks import Tensors, Weights, check_same_tensors

Criterion = Callable[..., Weights]
CRITERIA: dict[str, Criterion] = {}
_INPUTS = ('weights', 'initial', 'seed', 'costs', 'cost_exponent')


def register(criterion: Criterion) -> Criterion:
    """Add a criterion to :data:`CRITERIA` under the name of its function; return it unchanged.

    Raises:
        ValueError: Another function has this name, or this one takes what there isn't.
    """
    name = criterion.__name__
    there = CRITERIA.get(name, criterion)
    if there is not criterion:
        raise ValueError(f'criterion {name!r}: {_origin(criterion)} cannot be registered, '
                         f'{_origin(there)} has this name. Rename the function')
    try:
        inspect.signature(criterion).bind(**dict.fromkeys(_taken(criterion)))
    except TypeError as error:
        raise ValueError(f'criterion {name!r}: {_origin(criterion)} must take some of '
                         f'{", ".join(_INPUTS)}, by these names ({error})') from error
    CRITERIA[name] = criterion
    return criterion


def takes(criterion: str, what: str) -> bool:
    """Tell whether a criterion takes an input, such as 'initial' or 'costs'.

    >>> takes('magnitude', 'initial'), takes('magnitude_per_cost', 'costs')
    (False, True)
    """
    return what in _taken(CRITERIA[criterion])


def _taken(criterion: Criterion) -> list[str]:
    parameters = inspect.signature(criterion).parameters
    return [name for name in _INPUTS if name in parameters]


@register
def magnitude(weights: Tensors) -> Weights:
    """Score by the raw |w| in float32, not divided by anything per layer.

    Source: Girish et al., CVPR 2021, section 3.

    >>> magnitude({'w': torch.tensor([-2., 1.])})['w'].tolist()
    [2.0, 1.0]
    """
    return {name: _magnitude(weight)
            for name, weight in weights.items()}


@register
def magnitude_per_cost(
    weights: Tensors, costs: Mapping[str, float], cost_exponent: float,
) -> Weights:
    """Score by |w| / cost^a: of two equal weights the one that costs more multiply-adds goes first.

    a = 0 is magnitude. The default a = 0.5 keeps the largest sum of w^2 that a number of
    multiply-adds can have: of things with value w^2 and a cost, those of the highest value per cost
    are chosen, and w^2 / cost orders weights as |w| / cost^0.5 does.

    >>> weights = {'early': torch.tensor([4.]), 'late': torch.tensor([4.])}
    >>> found = magnitude_per_cost(weights, dict(early=64, late=4), 0.5)
    >>> found['early'].tolist(), found['late'].tolist()
    ([0.5], [2.0])
    """
    return {name: _magnitude(weight) / costs[name]**cost_exponent
            for name, weight in weights.items()}


@register
def initial_magnitude(weights: Tensors, initial: Tensors) -> Weights:
    """Score by |w_k|, the weights that survivors are rewound to, whatever training made of them.

    Source: "large_init", Zhou et al., NeurIPS 2019, section 2.

    >>> trained, initial = {'w': torch.tensor([9., 9.])}, {'w': torch.tensor([-2., 1.])}
    >>> initial_magnitude(trained, initial)['w'].tolist()
    [2.0, 1.0]
    """
    return {name: _magnitude(initial[name]) for name in weights}


@register
def magnitude_increase(weights: Tensors, initial: Tensors) -> Weights:
    """Score by |w| - |w_k|, how much training made a weight grow; negative where it shrank.

    Where training changes nothing, as in frozen tensors, all scores are 0: leave those out of the
    scope. Source: Zhou et al., NeurIPS 2019, section 2.

    >>> trained, initial = {'w': torch.tensor([-3., 1.])}, {'w': torch.tensor([1., 2.])}
    >>> magnitude_increase(trained, initial)['w'].tolist()
    [2.0, -1.0]
    """
    return {name: _magnitude(weight) - _magnitude(initial[name])
            for name, weight in weights.items()}


@register
def random(weights: Tensors, seed: int) -> Weights:
    """Score at random, uniform in [0, 1): the control every ticket is compared with.

    The same seed, names and order of names give the same scores.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(weight.shape, generator=generator)
            for name, weight in weights.items()}


def check_criterion(name: str) -> None:
    """Raise ValueError, with all that is allowed, unless a criterion has this name."""
    if name not in tuple(CRITERIA):  # a name from a config may be no string, nor hashable
        raise ValueError(f'criterion={name!r}: allowed are {", ".join(CRITERIA)}, or a function '
                         'of your own: decorate it with mmlth.core.criteria.register and name '
                         'its module in custom_imports')


def score(
    criterion: str,
    weights: Tensors,
    initial: Tensors,
    seed: int = 0,
    costs: Mapping[str, float] | None = None,
    cost_exponent: float = COST_EXPONENT,
) -> Weights:
    """Score ``weights`` by the criterion of that name in :data:`CRITERIA`.

    Args:
        criterion: Name in :data:`CRITERIA`.
        weights: Trained weights, any float dtype.
        initial: w_k, what survivors are rewound to, of the same names and shapes.
        seed: Used by criteria that draw random numbers.
        costs: name -> positions at which a weight of the tensor is used, above 0; only criteria
            that take costs need them.
        cost_exponent: Used by such criteria.

    Returns:
        Finite float32 tensors of the names and shapes of ``weights``; they may be negative.

    Raises:
        ValueError: Weights are NaN or infinite (the training diverged), ``initial`` is or doesn't
            fit, the criterion takes costs that aren't given, is unknown, or returns other names,
            shapes, integers, NaN or infinity.
    """
    check_criterion(criterion)
    where = f'criterion {criterion!r}'
    _check_weights(weights, initial, where)
    function = CRITERIA[criterion]
    given: dict[str, Any] = dict(weights=weights, initial=initial, seed=seed, costs=costs,
                                 cost_exponent=cost_exponent)
    if takes(criterion, 'costs'):
        _check_costs(costs or {}, weights, where)
    found = function(**{name: given[name] for name in _taken(function)})
    _check_floats(found, f'scores of {where}')
    check_same_tensors(found, weights, f'scores of {where}', 'weights')
    scores = {name: found[name].detach().float() for name in weights}
    _check_finite(scores, f'scores of {where}',
                  'Every weight needs a finite score, pruned ones too')
    return scores


def check_finite(weights: Tensors, where: str) -> None:
    """Raise ValueError if a weight is NaN or infinite; names the first such tensor."""
    for name, weight in weights.items():
        if not _is_finite(weight):
            raise ValueError(f'{where}: {name!r} holds NaN or infinite weights, the training '
                             'diverged. Lower the learning rate, add warm-up or clip gradients, '
                             'then start again in a new work directory')


def _check_weights(weights: Tensors, initial: Tensors, where: str) -> None:
    check_same_tensors(initial, weights, f'initial weights of {where}', 'weights')
    _check_floats(weights, f'{where}: weights')
    _check_floats(initial, f'{where}: initial weights')
    check_finite(weights, where)
    _check_finite(initial, f'{where}: initial weights',
                  'Check the checkpoint or init_cfg they come from')


def _check_costs(costs: Mapping[str, float], weights: Tensors, where: str) -> None:
    wrong = [name for name in weights if not costs.get(name, 0) > 0]
    if wrong:
        raise ValueError(f'{where} takes costs, which must be above 0, but {wrong[:3]} '
                         f'({len(wrong)} tensors) have none')


def _check_finite(tensors: Tensors, what: str, fix: str) -> None:
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise ValueError(f'{what}: {name!r} holds NaN or infinity in float32. {fix}')


def _is_finite(tensor: Tensor) -> bool:
    # NaN and infinity show in a sum, which is many times faster; but a sum can overflow by itself.
    if torch.isfinite(tensor.sum()):
        return True
    return bool(torch.isfinite(tensor).all())


def _check_floats(tensors: object, what: str) -> None:
    if not isinstance(tensors, Mapping):
        raise ValueError(f'{what} are {type(tensors).__name__}, but must be a dict of '
                         'name -> float tensor')
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            continue
        found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ValueError(f'{what}: {name!r} is {found}, but must be a float tensor')


def _magnitude(weight: Tensor) -> Tensor:
    return weight.detach().float().abs()


def _origin(criterion: Criterion) -> str:
    return f'{criterion.__module__}.{criterion.__qualname__}'
