"""The straight line between two trained nets: their weights in between, and the union of masks."""
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, Weights, check_same_tensors


def interpolate(a: Tensors, b: Tensors, share: float) -> Weights:
    """Return ``(1 - share) * a + share * b`` of two whole states, tensor by tensor.

    Tensors that several names share stay equal under all of them. Where a weight is zero in both
    it is zero in between. Whole numbers and truth values (``num_batches_tracked``, an index) come
    from the nearer state, from ``a`` half-way: values between them may mean nothing.

    Args:
        a: name -> tensor.
        b: The same names, shapes and dtypes.
        share: In [0, 1]; at 0 and 1 the result is a copy of ``a`` and ``b``, bit for bit.

    Raises:
        ValueError: ``share`` lies outside of [0, 1], or the states differ in a name, shape or
            dtype; names the first.

    >>> import torch
    >>> a, b = {'w': torch.tensor([0.0, 4.0])}, {'w': torch.tensor([2.0, 0.0])}
    >>> interpolate(a, b, 0.25)['w'].tolist()
    [0.5, 3.0]
    """
    if not 0 <= share <= 1:
        raise ValueError(f'share={share} must be in [0, 1]')
    check_same_tensors(a, b, 'first net', 'second net')
    for name, tensor in a.items():
        if tensor.dtype != b[name].dtype:
            raise ValueError(f'{name!r} is {tensor.dtype} in the first net, but {b[name].dtype} '
                             'in the second')
    return {name: _between(tensor, b[name], share) for name, tensor in a.items()}


def _between(a: Tensor, b: Tensor, share: float) -> Tensor:
    is_fraction = a.is_floating_point() or a.is_complex()
    if share in (0, 1) or not is_fraction:
        return (a if share <= 0.5 else b).clone()
    return (1 - share) * a + share * b


def union(a: Tensors, b: Tensors) -> Masks:
    """Return masks of what either net keeps, which is what nets between them may keep.

    A tensor that only one of them prunes is kept whole by the other, and left out.

    >>> import torch
    >>> a, b = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    >>> union({'w': a, 'x': a}, {'w': b})
    {'w': tensor([ True,  True, False])}
    """
    return {name: mask | b[name] for name, mask in a.items() if name in b}
