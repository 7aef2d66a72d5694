"""Which weights survive: scores + old masks + density -> new masks, a subset, of exact count.

Ties are broken by a fixed order (order of the tensors, then of the flattened positions: earlier
ones are kept), so the same scores give the same masks on every machine and rank.
"""
from functools import partial

from mmlth.core.allocations import ALLOCATIONS, Allocation, floor_of
from mmlth.core.masks import Masks, Tensors, check_same_tensors, size
from mmlth.core.patterns import MOST, Pattern, best_of_groups


def find_allocation(name: str) -> Allocation:
    """Return the function of a name in ALLOCATIONS, or of a pattern such as '2:4'.

    Raises:
        ValueError: It is neither; lists all that is allowed.
    """
    if name in tuple(ALLOCATIONS):  # a name from a config may be no string, nor hashable
        return ALLOCATIONS[name]
    pattern = Pattern.parse(name)
    if pattern is None:
        raise ValueError(f'allocation={name!r}: allowed are {", ".join(ALLOCATIONS)}, or a '
                         f'pattern N:M with 0 < N < M <= {MOST}, such as "2:4"')
    return partial(best_of_groups, pattern)


def check_allocation(name: str) -> None:
    """Raise ValueError, with all that is allowed, unless :func:`find_allocation` knows it."""
    find_allocation(name)


def select(
    scores: Tensors,
    masks: Tensors,
    density: float,
    *,
    allocation: str = 'global',
    min_kept: float = 1,
) -> Masks:
    """Select new masks and guard against layer collapse.

    Args:
        scores: name -> float tensor, finite, higher = kept.
        masks: Old masks of the same names and shapes.
        density: Kept share of all weights of the masks, in (0, 1].
        allocation: Name in :data:`mmlth.core.allocations.ALLOCATIONS`, or a pattern such as '2:4'
            (:mod:`mmlth.core.patterns`).
        min_kept: Weights that every tensor keeps at least (0 lets a layer go empty), or a share in
            (0, 1) of each tensor's. A tensor that would keep fewer keeps that many, its best, and
            a warning names it; the total stays exact. With a pattern, whose counts are fixed, it
            is an error.

    Returns:
        Masks that keep exactly ``round(density * size)`` weights, a subset of ``masks``.

    Raises:
        ValueError: The minimum can't be met at this density, names or shapes differ, scores are
            not finite, the density rises or isn't in (0, 1], or the allocation is unknown or a
            pattern that density, shapes or old masks don't allow.
    """
    allocate = find_allocation(allocation)
    if not 0 < density <= 1:
        raise ValueError(f'density={density!r} must be in (0, 1]')
    check_same_tensors(scores, masks, 'scores', 'masks')
    total = round(density * size(masks))
    if sum(floor_of(masks, min_kept).values()) > total:
        raise ValueError(f'min_kept={min_kept} in each of {len(masks)} tensors exceeds the '
                         f'{total} weights kept at density {density:.4g}: '
                         'lower min_kept or the target sparsity')
    return allocate(scores, masks, density, min_kept)
