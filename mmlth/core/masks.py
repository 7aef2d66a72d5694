"""Masks: a dict from parameter name to a bool tensor, True where the weight is kept."""
import hashlib
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

Masks = dict[str, Tensor]
Weights = dict[str, Tensor]
Tensors = Mapping[str, Tensor]  # masks, weights or scores that are only read
LOGGED_DENSITY = 'density/'  # before a tensor's name, in the log of a training


def dense_masks(weights: Tensors) -> Masks:
    """Return masks that keep every weight, shaped like ``weights``."""
    return {name: torch.ones(weight.shape, dtype=torch.bool)
            for name, weight in weights.items()}


def shared_with(masks: Tensors, shared: Mapping[str, str]) -> Masks:
    """Return ``masks`` and an entry for every name that takes the mask of another tensor.

    Args:
        masks: name -> bool tensor.
        shared: name -> name of the tensor whose mask it takes, as for tied parameters and for
            copies that follow a teacher. Those whose owner has no mask are left out.

    Returns:
        A new dict of the very same tensors, none of them copied.

    >>> own = torch.tensor([True, False])
    >>> found = shared_with({'w': own}, {'tied.w': 'w', 'copy.free': 'free'})
    >>> list(found), found['tied.w'] is own
    (['w', 'tied.w'], True)
    """
    taken = {name: masks[owner]
             for name, owner in shared.items()
             if owner in masks}
    return {**masks, **taken}


def kept(masks: Tensors) -> int:
    """Count the kept weights exactly (int64).

    >>> kept({'w': torch.tensor([True, False, True])})
    2
    """
    return sum(count_each(masks).values())


def count_each(masks: Tensors) -> dict[str, int]:
    """Count the kept weights of every tensor."""
    return {name: count_kept(mask) for name, mask in masks.items()}


def count_kept(mask: Tensor) -> int:
    """Count the True entries of one mask (numpy does this 10 times faster than torch)."""
    return int(np.count_nonzero(mask.cpu().numpy()))


def floor_count(min_kept: float, weights: int) -> int:
    """Return how many weights a tensor has to keep.

    Args:
        min_kept: A whole number of weights, at least 0, or a share in (0, 1) of the tensor's.
        weights: Of the tensor.

    >>> floor_count(5, 100), floor_count(0.025, 100), floor_count(5, 3)
    (5, 3, 3)
    """
    wanted = min_kept if isinstance(min_kept, int) else math.ceil(min_kept * weights)
    return min(int(wanted), weights)


def size(tensors: Tensors) -> int:
    """Count the elements of all tensors."""
    return sum(tensor.numel() for tensor in tensors.values())


def density(masks: Tensors) -> float:
    """Return kept weights / all weights of the masks, in [0, 1]."""
    return kept(masks) / size(masks)


def is_subset(masks: Tensors, of: Tensors) -> bool:
    """Tell whether every weight that ``masks`` keeps is kept by ``of`` too.

    >>> a = {'w': torch.tensor([True, False])}
    >>> is_subset(a, {'w': torch.tensor([True, True])}), is_subset({'w': ~a['w']}, a)
    (True, False)
    """
    check_same_tensors(masks, of, 'masks', 'masks they are compared with')
    for name, mask in masks.items():
        surplus = mask & ~of[name]
        if surplus.any():
            return False
    return True


def apply(masks: Tensors, weights: Tensors) -> Weights:
    """Return copies of ``weights`` in which pruned weights are exactly +0.0.

    Tensors without a mask are copied unchanged, so the whole state of a model may be given.

    Raises:
        ValueError: A mask has no tensor in ``weights`` or another shape.
    """
    check_fits(masks, weights, 'weights')
    found = {}
    for name, weight in weights.items():
        if name in masks:
            zero = torch.zeros((), dtype=weight.dtype)
            found[name] = torch.where(masks[name], weight, zero)
        else:
            found[name] = weight.clone()
    return found


def check_fits(masks: Tensors, weights: Tensors, where: str) -> None:
    """Raise ValueError unless every mask has a tensor of its name and shape in ``weights``."""
    for name, mask in masks.items():
        if name not in weights:
            raise ValueError(f'the ticket has a mask for {name!r}, which {where} lack. It was '
                             'made for another model or scope')
        shape = weights[name].shape
        if mask.shape != shape:
            raise ValueError(f'mask of {name!r} has shape {tuple(mask.shape)}, but the tensor in '
                             f'{where} has {tuple(shape)}')


def check_zeros(masks: Tensors, state: Tensors, where: str) -> None:
    """Raise ValueError unless ``state`` is exactly zero where the masks prune; names a tensor."""
    check_fits(masks, state, where)
    for name, mask in masks.items():
        nonzero = state[name].cpu().ne(0)
        if (nonzero & ~mask).any():
            raise ValueError(f'pruned weights of {name!r} are not zero in {where}: it does not '
                             'belong to this ticket')


def check_same_tensors(
    a: Tensors,
    b: Tensors,
    what_a: str,
    what_b: str,
) -> None:
    """Raise ValueError unless both hold the same names in the same shapes; names the first."""
    for name in sorted(set(a) ^ set(b)):
        holding, lacking = (what_a, what_b) if name in a else (what_b, what_a)
        raise ValueError(f'{name!r} is in the {holding} but not in the {lacking}')
    for name, tensor in a.items():
        other = b[name]
        if tensor.shape != other.shape:
            raise ValueError(f'{name!r} has shape {tuple(tensor.shape)} in the {what_a} but '
                             f'{tuple(other.shape)} in the {what_b}')


def digest(tensors: Tensors) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bits of the tensors, in order of name.

    Two sets of tensors have the same digest only if they are the same bit for bit.
    """
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        header = f'{name}|{tensor.dtype}|{tuple(tensor.shape)}|'
        content = tensor.reshape(-1).view(torch.uint8)
        sha.update(header.encode())
        sha.update(content.numpy().data)
    return sha.hexdigest()
