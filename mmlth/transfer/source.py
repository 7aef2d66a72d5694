"""Where masks and values come from: a ticket, or the magnitudes of a dense checkpoint."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from torch import Tensor

from mmlth.core.criteria import check_finite
from mmlth.core.masks import Masks, Weights, check_zeros, dense_masks, digest, size
from mmlth.core.selection import select
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket
from mmlth.core.checkpoints import latest_checkpoint, load_state
from mmlth.transfer.mapping import Target, renamed
from mmlth.transfer.names import map_backbone

VALUES = ('initial', 'trained', 'none')


@dataclass(frozen=True, kw_only=True)
class Source:
    """Masks, values and facts of what is carried.

    Attributes:
        masks: name -> bool tensor, True = kept.
        weights: name -> tensor: parameters and buffers; empty if they aren't known.
        judge: Weights that the masks were made from, more or less: the ticket's w_k; empty if they
            aren't known.
        facts: What the report and the new ticket's provenance say of the source, as JSON.
    """

    masks: Masks
    weights: Weights
    judge: Weights
    facts: dict[str, Any]


def read_ticket(path: str | Path, values: str = 'initial') -> Source:
    """Read a ticket with the values to carry.

    Args:
        path: Ticket file.
        values: 'initial' takes its w_k; 'trained' the newest checkpoint beside it; 'none' its masks alone
            (the report then describes w_k, where that exists).

    Raises:
        FileNotFoundError: The ticket or its values are missing.
        ValueError: Unknown ``values``; a damaged file or one of another version (TicketError); a
            checkpoint that wasn't trained with this ticket.
    """
    if values not in VALUES:
        raise ValueError(f'values={values!r}: allowed are {", ".join(VALUES)}')
    ticket = load_ticket(path)
    w_k = _w_k(ticket, Path(path), needed=values == 'initial')
    weights = _trained(ticket, Path(path)) if values == 'trained' else w_k
    facts = dict(
        kind='ticket', file=Path(path).name, values=values, masks_digest=digest(ticket.masks),
        values_digest=digest(weights) if weights else '', provenance=ticket.provenance)
    return Source(masks=ticket.masks, weights=weights, judge=w_k, facts=facts)


def _w_k(ticket: Ticket, path: Path, *, needed: bool) -> Weights:
    there = (path.parent / ticket.rewind_file).exists()
    return load_rewind_weights(ticket, path) if needed or there else {}


def _trained(ticket: Ticket, path: Path) -> Weights:
    checkpoint = latest_checkpoint(path.parent)
    if checkpoint is None:
        raise FileNotFoundError(f'values=trained: no trained checkpoint lies beside {path}; train the ticket '
                                'first, or take its initial values')
    state = load_state(checkpoint)
    check_zeros(ticket.masks, state, str(checkpoint))
    return state


def rank_backbone(state: Mapping[str, Tensor], target: Target, sparsity: float, *, file: str,
                  rename: Sequence[tuple[str, str]] = (), allocation: str = 'global',
                  min_kept: int = 1) -> Source:
    """Prune a dense checkpoint's backbone by raw magnitude, in one shot, and keep its values.

    Source: Girish et al., CVPR 2021, supplement A (masks from the standard ImageNet weights).

    Args:
        state: name -> tensor of the checkpoint, by torchvision's, MMPretrain's or MMDet's names.
        target: The detector; tensors of its scope that the checkpoint has too are ranked.
        sparsity: Pruned share of the ranked weights, in (0, 1).
        file: Name of the checkpoint, for the report.
        rename: (regular expression, replacement) pairs for its names, applied first.
        allocation: As in the ``imp`` block.
        min_kept: Weights that every tensor keeps at least.

    Raises:
        ValueError: A sparsity out of range, NaN or infinite weights, or no tensor that fits.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f'sparsity={sparsity!r} must be in (0, 1)')
    origin = renamed(list(state), rename)
    mapped = map_backbone({new: state[old] for new, old in origin.items()}, target.shapes)
    mapping = {name: origin[new] for name, new in mapped.names.items()}
    weights = {name: state[old] for name, old in mapping.items()}
    ranked = {name: weights[name] for name in target.scope
              if name in weights and tuple(weights[name].shape) == tuple(target.shapes[name])}
    if not ranked:
        raise ValueError(f'{file} holds none of the {len(target.scope)} tensors in the scope of the target; '
                         'rank its backbone (scope backbone)')
    check_finite(ranked, file)
    # Spelled out rather than by name: the point of this experiment is |w| of exactly these values.
    masks = select({name: w.float().abs() for name, w in ranked.items()}, dense_masks(ranked), 1 - sparsity,
                   allocation=allocation, min_kept=min_kept)
    facts = dict(
        kind='checkpoint', file=file, values='checkpoint', masks_digest=digest(masks),
        values_digest=digest(weights), names=mapped.style, dropped=mapped.dropped, ranked=size(ranked),
        sparsity_of_ranked=sparsity, allocation=allocation, mapping=mapping)
    return Source(masks=masks, weights=weights, judge=ranked, facts=facts)
