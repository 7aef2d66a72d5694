"""How often two sets of weights have the same signs, beside what chance alone would give."""
from typing import NamedTuple

from torch import Tensor

from mmlth.core.masks import Tensors


class Signs(NamedTuple):
    """Signs of two tensors where they were compared.

    Attributes:
        equal: Weights of equal sign.
        compared: Weights that were compared: kept, and zero in neither tensor.
        expected: Weights of equal sign, on average, were one of the two shuffled in itself.
    """

    equal: int
    compared: int
    expected: float


def count_signs(a: Tensors, b: Tensors, masks: Tensors) -> dict[str, Signs]:
    """Compare signs, tensor by tensor, where a mask keeps the weight.

    Args:
        a: name -> weight; those without a mask are left out.
        b: Likewise.
        masks: name -> bool tensor of the same shape, True where signs are compared.

    Raises:
        KeyError: A masked tensor is missing in one of the two.

    >>> import torch
    >>> a, b = dict(w=torch.tensor([1., -2., 3., 4.])), dict(w=torch.tensor([2., 2., 1., 0.]))
    >>> count_signs(a, b, dict(w=torch.ones(4, dtype=torch.bool)))['w']
    Signs(equal=2, compared=3, expected=2.0)
    """
    return {name: _count(a[name], b[name], mask) for name, mask in masks.items()}


def _count(a: Tensor, b: Tensor, mask: Tensor) -> Signs:
    compared = mask & (a != 0) & (b != 0)
    first, second = a[compared] > 0, b[compared] > 0
    n = first.numel()
    positive_a, positive_b = int(first.sum()), int(second.sum())
    together = positive_a * positive_b + (n - positive_a) * (n - positive_b)
    return Signs(
        equal=int((first == second).sum()), compared=n, expected=together / n if n else 0.0)


def agreement(*counts: Signs) -> dict[str, float] | None:
    """Return the share of equal signs, and that of chance, over several tensors.

    None where nothing was compared.

    >>> agreement(Signs(equal=2, compared=3, expected=2.0), Signs(1, 1, 1.0))
    {'equal': 0.75, 'chance': 0.75}
    """
    compared = sum(each.compared for each in counts)
    if not compared:
        return None
    return dict(
        equal=sum(each.equal for each in counts) / compared,
        chance=sum(each.expected for each in counts) / compared)
