"""Controls of a ticket: masks of the same size that a winning ticket has to beat.

The same masks and seed give the same control, whatever the order of the names (with the same
version of numpy, whose generator deals). Only ties of :func:`reversed_masks` follow that order, as
in any selection. The dense control is :func:`mmlth.core.masks.dense_masks` of the ticket's masks.
"""
import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlth.core.masks import Masks, Tensors
from mmlth.core.selection import select

logger = logging.getLogger(__name__)

CONTROLS = (
    'random', 'shuffle', 'shuffle_rms', 'init_magnitude', 'reinit', 'reinit_rms', 'signs',
    'magnitudes', 'dense', 'dense_budget', 'dense_restart', 'reverse')


def random_masks(masks: Tensors, seed: int) -> Masks:
    """Deal the kept weights out anew over the whole scope, every position alike.

    Args:
        masks: name -> bool tensor, True = kept.
        seed: At least 0.

    Returns:
        Masks with exactly as many kept weights in total, in the order of ``masks``. Counts of
        single tensors follow chance; a warning names those that go empty.

    >>> found = random_masks({'a': torch.ones(2, 2) > 0, 'b': torch.zeros(4) > 0}, seed=0)
    >>> sum(int(m.sum()) for m in found.values())
    4
    """
    names = sorted(masks)
    flat = np.concatenate([_flat(masks[name]) for name in names])
    np.random.default_rng(seed).shuffle(flat)
    ends = np.cumsum([masks[name].numel() for name in names])
    parts = np.split(flat, ends[:-1])
    found = dict(zip(names, parts, strict=True))
    empty = [name for name in masks if not found[name].any()]
    if empty:
        logger.warning('the random masks keep no weight of %s', ', '.join(empty))
    return {name: _shaped(found[name], mask) for name, mask in masks.items()}


def shuffled_masks(masks: Tensors, seed: int) -> Masks:
    """Shuffle the positions of every tensor, which keeps exactly as many weights as before.

    Args:
        masks: name -> bool tensor, True = kept.
        seed: At least 0.

    >>> found = shuffled_masks({'a': torch.tensor([[True, False, False]])}, seed=0)['a']
    >>> found.shape, int(found.sum())
    (torch.Size([1, 3]), 1)
    """
    generator = np.random.default_rng(seed)
    found = {}
    for name in sorted(masks):
        flat = _flat(masks[name])
        found[name] = generator.permutation(flat)
    return {name: _shaped(found[name], mask) for name, mask in masks.items()}


def largest_masks(masks: Tensors, weights: Tensors) -> Masks:
    """Keep the largest weights of every tensor, exactly as many as before; of equal ones the first.

    Args:
        masks: name -> bool tensor, True = kept.
        weights: The same names and shapes, float.

    >>> masks, weights = torch.tensor([True, False, False]), torch.tensor([1., -3., 2.])
    >>> largest_masks({'a': masks}, {'a': weights})['a'].tolist()
    [False, True, False]
    """
    found = {}
    for name, mask in masks.items():
        order = weights[name].abs().flatten().sort(descending=True, stable=True).indices
        flat = torch.zeros(mask.numel(), dtype=torch.bool)
        flat[order[:int(mask.sum())]] = True
        found[name] = flat.reshape(mask.shape)
    return found


def reversed_masks(
    scores: Tensors,
    old_masks: Tensors,
    density: float,
    *,
    allocation: str = 'global',
    min_kept: float = 1,
) -> Masks:
    """Keep the lowest scores, of equal ones the first, among what the parent's masks keep.

    Arguments and errors are those of :func:`mmlth.core.selection.select`; so is the count. Not
    the complement of the ticket: at density 0.8 the two share most weights.

    >>> scores = {'w': torch.tensor([3., 1., 2., 0.])}
    >>> reversed_masks(scores, {'w': torch.tensor([True, True, True, False])}, 0.5)['w'].tolist()
    [False, True, True, False]
    """
    negated = {name: -own for name, own in scores.items()}
    return select(negated, old_masks, density, allocation=allocation, min_kept=min_kept)


def _flat(mask: Tensor) -> NDArray[np.bool_]:
    return mask.cpu().numpy().reshape(-1)


def _shaped(flat: NDArray[np.bool_], like: Tensor) -> Tensor:
    return torch.from_numpy(flat).reshape(like.shape)
