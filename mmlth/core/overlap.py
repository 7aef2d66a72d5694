"""How near two sets of masks are, beside what chance alone would give."""
from collections.abc import Mapping
from typing import NamedTuple

from mmlth.core.masks import Tensors, check_same_tensors, count_kept


class Counts(NamedTuple):
    """What two masks keep.

    Attributes:
        both: Weights that both keep.
        kept_a, kept_b: Weights that each keeps.
        alive: Weights on which they could differ.
    """

    both: int
    kept_a: int
    kept_b: int
    alive: int


def overlap(
    a: Tensors,
    b: Tensors,
    alive: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """Describe the overlap of two sets of masks, all tensors together.

    Arguments and errors are those of :func:`count_overlap`, the result that of :func:`describe`.

    >>> import torch
    >>> a = {'w': torch.tensor([True, True, False, False])}
    >>> b = {'w': torch.tensor([True, False, True, False])}
    >>> overlap(a, b)['iou']  # 1 of 3
    0.3333333333333333
    """
    counts = count_overlap(a, b, alive)
    return describe(*counts.values())


def count_overlap(
    a: Tensors,
    b: Tensors,
    alive: Mapping[str, int] | None = None,
) -> dict[str, Counts]:
    """Count, for each tensor, what two sets of masks keep.

    Args:
        a: name -> mask.
        b: The same names and shapes.
        alive: name -> weights of the tensor that masks before them keep, outside of which
            neither keeps any; by default all weights.

    Raises:
        ValueError: Names or shapes differ; names the first tensor.
    """
    check_same_tensors(a, b, 'first masks', 'second masks')
    counts = {}
    for name, mask in a.items():
        other = b[name]
        counts[name] = Counts(
            both=count_kept(mask & other),
            kept_a=count_kept(mask),
            kept_b=count_kept(other),
            alive=mask.numel() if alive is None else alive[name])
    return counts


def describe(*counts: Counts) -> dict[str, float]:
    """Describe counts of one tensor, or the sum of several.

    Returns:
        ``iou``: shared kept weights / weights kept by either, in [0, 1] (1.0 if both keep none);
        ``hamming``: share of the alive weights on which they differ, in [0, 1];
        ``chance_iou``, ``chance_hamming``: what independent random masks of the same densities
        would have;
        ``distance``: hamming / chance_hamming, 0 for equal masks, about 1 for unrelated ones.
        Unlike the Hamming distance it doesn't shrink with the density.

    >>> found = describe(Counts(both=1, kept_a=2, kept_b=2, alive=4))
    >>> found['iou'], found['hamming'], found['chance_hamming'], found['distance']
    (0.3333333333333333, 0.5, 0.5, 1.0)
    """
    columns = zip(*counts, strict=True)
    both, kept_a, kept_b, alive = map(sum, columns)
    together = kept_a + kept_b
    either = together - both
    differ = either - both
    chance_both = _ratio(kept_a * kept_b, alive)
    hamming = _ratio(differ, alive)
    chance_hamming = _ratio(together - 2 * chance_both, alive)
    return {
        'iou': _ratio(both, either, 1.0),
        'hamming': hamming,
        'chance_iou': _ratio(chance_both, together - chance_both, 1.0),
        'chance_hamming': chance_hamming,
        'distance': _ratio(hamming, chance_hamming),
    }


def layer_chance_iou(*counts: Counts) -> float:
    """Return the IoU of random masks that keep as many weights of every tensor as these do.

    It is the ratio of the expected numbers of weights that both, and that either, keep; 1.0 if
    both keep none.

    >>> full, empty = Counts(4, 4, 4, 4), Counts(0, 0, 0, 4)
    >>> layer_chance_iou(full, empty), describe(full, empty)['chance_iou']
    (1.0, 0.3333333333333333)
    """
    both = sum(_ratio(each.kept_a * each.kept_b, each.alive) for each in counts)
    together = sum(each.kept_a + each.kept_b for each in counts)
    return _ratio(both, together - both, 1.0)


def describe_each(counts: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """Return name -> :func:`describe` of that tensor alone."""
    return {name: describe(own) for name, own in counts.items()}


def _ratio(part: float, whole: float, of_nothing: float = 0.0) -> float:
    return part / whole if whole else of_nothing
