"""Where masks and values come from: a ticket, or the magnitudes of a dense checkpoint."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from mmlth.core.checkpoints import load_state
from mmlth.core.criteria import check_finite
from mmlth.core.masks import Weights, check_zeros, dense_masks, digest, size
from mmlth.core.selection import select
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket
from mmlth.trained.export import trained_checkpoint
from mmlth.transfer.choices import VALUES
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import renamed
from mmlth.transfer.names import map_backbone


def read_ticket(path: str | Path, values: str = 'initial') -> Source:
    """Read a ticket with the values to carry.

    Args:
        path: Ticket file.
        values: 'initial' takes its w_k; 'trained' the checkpoint that its training ended with;
            'none' its masks alone (the report then describes w_k, where that exists).

    Raises:
        FileNotFoundError: The ticket or its values are missing.
        ValueError: Unknown ``values``; a damaged file or one of another version (TicketError); a
            checkpoint that wasn't trained with this ticket.
    """
    if values not in VALUES:
        raise ValueError(f'values={values!r}: allowed are {", ".join(VALUES)}')
    ticket = load_ticket(path)
    w_k = _w_k(ticket, path, needed=values == 'initial')
    weights = _trained(ticket, path) if values == 'trained' else w_k
    facts = dict(
        kind='ticket', file=Path(path).name, values=values, masks_digest=digest(ticket.masks),
        values_digest=digest(weights) if weights else '', provenance=ticket.provenance)
    return Source(
        masks=ticket.masks, weights=weights, judge=w_k, shared=ticket.shared, groups=ticket.groups,
        facts=facts)


def _w_k(ticket: Ticket, path: str | Path, *, needed: bool) -> Weights:
    try:
        return load_rewind_weights(ticket, path)
    except FileNotFoundError:
        if needed:
            raise
        return {}


def _trained(ticket: Ticket, path: str | Path) -> Weights:
    try:
        checkpoint = trained_checkpoint(ticket, path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'values=trained: no trained checkpoint lies beside {path}; train the ticket first, or '
            'take its initial values') from error
    state = load_state(checkpoint)
    check_zeros(ticket.all_masks, state, str(checkpoint))
    return state


def rank_backbone(
    state: Mapping[str, Tensor], target: Target, sparsity: float, *, file: str,
    rename: Sequence[tuple[str, str]] = (), allocation: str = 'global', min_kept: float = 1,
) -> Source:
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
    origin = renamed(state, rename)
    mapped = map_backbone({new: state[old] for new, old in origin.items()}, target.shapes)
    mapping = {name: origin[new] for name, new in mapped.names.items()}
    weights = {name: state[old] for name, old in mapping.items()}
    ranked = _in_scope(weights, target)
    if not ranked:
        raise ValueError(f'{file} holds none of the {len(target.scope)} tensors in the scope of '
                         'the target; rank its backbone (scope backbone)')
    check_finite(ranked, file)
    # Spelled out rather than by name: the point of this experiment is |w| of exactly these values.
    scores = {name: weight.float().abs() for name, weight in ranked.items()}
    masks = select(scores, dense_masks(ranked), 1 - sparsity, allocation=allocation,
                   min_kept=min_kept)
    facts = dict(
        kind='checkpoint', file=file, values='checkpoint', masks_digest=digest(masks),
        values_digest=digest(weights), names=mapped.style, dropped=mapped.dropped,
        ranked=size(ranked), sparsity_of_ranked=sparsity, allocation=allocation, mapping=mapping)
    return Source(masks=masks, weights=weights, judge=ranked, facts=facts)


def _in_scope(weights: Mapping[str, Tensor], target: Target) -> Weights:
    """Return the weights of the target's scope, each tensor once, by the first name found."""
    found = {}
    for tensor in target.scope:
        shape = tuple(target.shapes[tensor])
        fitting = [name for name in target.names[tensor]
                   if name in weights and tuple(weights[name].shape) == shape]
        if fitting:
            found[fitting[0]] = weights[fitting[0]]
    return found
