"""Masks and signs of several tickets, two at a time, beside what chance would give."""
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mmlth.analysis.metrics import NONE, format_share
from mmlth.core.masks import Masks, Tensors, kept, size
from mmlth.core.overlap import count_overlap, describe, layer_chance_iou
from mmlth.core.signs import agreement, count_signs
from mmlth.core.tables import format_table


@dataclass(frozen=True, kw_only=True)
class Side:
    """One ticket of a comparison.

    Attributes:
        name: As tables and figures show it.
        masks: name -> bool tensor, True = kept.
        start: Weights that its training started from, before masking, or None if their file is
            missing.
        end: Weights that its training ended with, or None if its checkpoint is missing.
    """

    name: str
    masks: Masks
    start: Tensors | None = None
    end: Tensors | None = None


def describe_side(side: Side) -> dict[str, Any]:
    """Return the sparsity of a ticket, and how many kept weights ended with the sign of w_k.

    ``signs_kept`` is as :func:`mmlth.core.signs.agreement` has it, over the kept weights
    (Gadhikar and Burkholz, ICLR 2024); None where one of the two files is missing.
    """
    return dict(
        name=side.name,
        sparsity=1 - kept(side.masks) / size(side.masks),
        signs_kept=_signs(side.start, side.end, side.masks))


def compare(a: Side, b: Side) -> dict[str, Any]:
    """Compare two tickets on the tensors that both prune.

    Returns:
        ``names`` of the two; ``weights`` that were compared, and their ``share`` of the smaller
        scope; ``iou`` of the masks; ``chance_iou``: that of random masks with the same density in
        every layer; ``distance``, as :func:`mmlth.core.overlap.describe` has it;
        ``start_signs`` and ``end_signs``: agreement of signs, where both masks keep the weight.

    Raises:
        ValueError: They have no tensor of equal name and shape.
    """
    names = [name for name, mask in a.masks.items()
             if name in b.masks and b.masks[name].shape == mask.shape]
    if not names:
        raise ValueError(f'{a.name} and {b.name} prune no tensor of equal name and shape, so '
                         'their masks cannot be compared')
    ours = {name: a.masks[name] for name in names}
    theirs = {name: b.masks[name] for name in names}
    counts = count_overlap(ours, theirs).values()
    found = describe(*counts)
    both = {name: mask & theirs[name] for name, mask in ours.items()}
    weights = size(ours)
    return dict(
        names=[a.name, b.name],
        weights=weights,
        share=weights / min(size(a.masks), size(b.masks)),
        iou=found['iou'],
        chance_iou=layer_chance_iou(*counts),
        distance=found['distance'],
        start_signs=_signs(a.start, b.start, both),
        end_signs=_signs(a.end, b.end, both))


def _signs(a: Tensors | None, b: Tensors | None, masks: Masks) -> dict[str, float] | None:
    if a is None or b is None:
        return None
    return agreement(*count_signs(a, b, masks).values())


def compare_all(sides: Sequence[Side]) -> dict[str, Any]:
    """Describe every ticket (``tickets``) and compare every two of them (``pairs``).

    Raises:
        ValueError: Two tickets have nothing in common.
    """
    return dict(
        tickets=[describe_side(side) for side in sides],
        pairs=[compare(a, b) for a, b in combinations(sides, 2)])


def report(found: dict[str, Any]) -> str:
    """Return the two tables of :func:`compare_all`."""
    tickets = format_table(
        ['ticket', 'sparsity', 'signs of w_k kept', 'by chance'],
        [[each['name'], format_share(each['sparsity']), *_shares(each['signs_kept'])]
         for each in found['tickets']],
        left=['ticket'])
    pairs = format_table(
        ['ticket', 'and', 'compared', 'IoU', 'by chance', 'distance', 'signs of start',
         'by chance', 'signs of end', 'by chance'],
        [
            [
                *each['names'], format_share(each['share']),
                f'{each["iou"]:.3f}', f'{each["chance_iou"]:.3f}', f'{each["distance"]:.3f}',
                *_shares(each['start_signs']), *_shares(each['end_signs']),
            ]
            for each in found['pairs']
        ],
        left=['ticket', 'and'])
    return f'{tickets}\n\n{pairs}'


def _shares(signs: dict[str, float] | None) -> list[str]:
    return [NONE, NONE] if signs is None else [f'{100 * signs[key]:.1f}%'
                                               for key in ('equal', 'chance')]
