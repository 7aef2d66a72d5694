"""Start weights of controls: what of a ticket's start is kept, and what is drawn anew.

Gadhikar and Burkholz, *Masks, Signs, and Learning Rate Rewinding* (ICLR 2024), ask which of sign
and magnitude matters; scales are matched because a smaller start alone can decide a comparison.
"""
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, Weights


def with_signs(start: Tensors, drawn: Tensors, names: Masks) -> Weights:
    """Keep the signs of a start and take the magnitudes of weights that were drawn anew.

    Args:
        start: name -> float tensor: a whole state.
        drawn: The same names and shapes.
        names: Tensors this is done to, those with a mask; others stay as they start.

    >>> import torch
    >>> with_signs({'w': torch.tensor([-1., 2.])}, {'w': torch.tensor([3., -4.])}, {'w': None})
    {'w': tensor([-3.,  4.])}
    """
    changed = {name: start[name].sign() * drawn[name].abs() for name in names}
    return {**start, **changed}


def with_magnitudes(start: Tensors, drawn: Tensors, names: Masks) -> Weights:
    """Keep the magnitudes of a start and take the signs of weights that were drawn anew.

    Arguments as those of :func:`with_signs`.

    >>> import torch
    >>> with_magnitudes({'w': torch.tensor([-1., 2.])}, {'w': torch.tensor([3., -4.])}, {'w': None})
    {'w': tensor([ 1., -2.])}
    """
    changed = {name: drawn[name].sign() * start[name].abs() for name in names}
    return {**start, **changed}


def rescaled(start: Tensors, masks: Masks, like: Tensors, like_masks: Masks) -> Weights:
    """Scale every masked tensor so that what it keeps has the root mean square of another's.

    Args:
        start: name -> float tensor: a whole state.
        masks: What is kept of it: name -> bool tensor.
        like: The state whose scale is taken.
        like_masks: What is kept of that; the same names.

    A tensor that keeps nothing, or only zeros, on either side stays as it is.
    """
    changed = {}
    for name, mask in masks.items():
        own, wanted = _rms(start[name], mask), _rms(like[name], like_masks[name])
        if own and wanted:
            changed[name] = start[name] * (wanted / own)
    return {**start, **changed}


def _rms(weight: Tensor, mask: Tensor) -> float:
    kept = weight[mask].double()
    return float(kept.square().mean().sqrt()) if kept.numel() else 0.0
