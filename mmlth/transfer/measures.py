"""Measure by group what masks keep, and whether they follow the values that they were made from."""
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmlth.core.masks import count_kept, kept, size
from mmlth.transfer.report import GroupRow, TensorRow

_SAMPLE = 1 << 16  # positions of a larger tensor that are ranked, drawn: errors near 0.002


def measure_groups(
    rows: Sequence[TensorRow], masks: Mapping[str, Tensor], weights: Mapping[str, Tensor],
    judge: Mapping[str, Tensor],
) -> tuple[GroupRow, ...]:
    """Measure the groups of the scope.

    Args:
        rows: Of the target.
        masks: Those that are carried, by the target's names.
        weights: The source's values of the same tensors; may be empty.
        judge: Weights that the masks are compared with; may be empty.
    """
    in_scope = [row for row in rows if row.in_scope]
    found = []
    for group in dict.fromkeys(row.group for row in in_scope):
        inside = [row for row in in_scope if row.group == group]
        own = {row.name: masks[row.name] for row in inside if row.name in masks}
        densities = [count_kept(mask) / mask.numel() for mask in own.values()]
        found.append(GroupRow(
            group=group, scope_size=sum(row.size for row in inside), covered=size(own),
            kept=kept(own), least_dense=min(densities, default=None),
            most_dense=max(densities, default=None), follows=_mean_follows(own, judge),
            **_magnitudes(own, weights)))
    return tuple(found)


def _magnitudes(
    masks: Mapping[str, Tensor], weights: Mapping[str, Tensor],
) -> dict[str, float | None]:
    shared = [(mask, weights[name].float().abs()) for name, mask in masks.items()
              if name in weights]
    return dict(
        median_kept=_median([values[mask] for mask, values in shared]),
        median_pruned=_median([values[~mask] for mask, values in shared]))


def _mean_follows(masks: Mapping[str, Tensor], judge: Mapping[str, Tensor]) -> float | None:
    """Return the mean over tensors, weighted by their size."""
    total = count = 0.0
    for name, mask in masks.items():
        follows = mask_follows(mask, judge[name]) if name in judge else None
        if follows is not None:
            total += follows * mask.numel()
            count += mask.numel()
    return total / count if count else None


def _median(values: Sequence[Tensor]) -> float | None:
    values = [each for each in values if each.numel()]
    return float(torch.cat(values).median()) if values else None


def mask_follows(mask: Tensor, weight: Tensor) -> float | None:
    """Return the chance that a kept weight's |w| exceeds a pruned one's, in [0, 1].

    This is the area under the ROC curve (Mann-Whitney U), of at most 65,536 positions, drawn with a
    seed of their own: evenly spread ones would be of one place of a kernel.

    Returns:
        None where all or no weights are kept, or where the pruned ones are zero and say nothing.

    >>> mask_follows(torch.tensor([True, False, True]), torch.tensor([3., -2., 1.]))  # 3 > 2, 1 < 2
    0.5
    """
    kept_ones, values = mask.flatten(), weight.detach().float().abs().flatten()
    if mask.numel() > _SAMPLE:
        drawn = torch.randint(mask.numel(), (_SAMPLE,), generator=torch.Generator().manual_seed(0))
        kept_ones, values = kept_ones[drawn], values[drawn]
    above, below = values[kept_ones], values[~kept_ones]
    if not above.numel() or not below.any():
        return None
    below = below.sort().values
    less = torch.searchsorted(below, above).double()
    up_to = torch.searchsorted(below, above, right=True).double()
    return float(((less + up_to) / 2).mean() / below.numel())  # ties count half
