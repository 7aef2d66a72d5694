"""What a ticket file says: facts for programs, a table for people."""

from pathlib import Path
from typing import Any, TypedDict

from mmlth.analysis.metrics import format_share
from mmlth.core.masks import count_kept, digest, kept, size
from mmlth.core.overlap import overlap
from mmlth.core.tables import format_table
from mmlth.core.ticket import Ticket


class _TicketFacts(TypedDict):
    sparsity: float
    network_sparsity: float | None
    kept: int
    scope_size: int
    bytes: int
    bits_per_weight: float
    rewind_file: str
    rewind_file_found: bool
    rewind_digest: str
    masks_digest: str
    provenance: dict[str, Any]
    layers: dict[str, float]


class TicketFacts(_TicketFacts, total=False):
    """Facts of a ticket; ``overlap`` is there where two are compared.

    ``layers`` is name -> kept share; ``network_sparsity`` is None where the ticket doesn't know
    the number of its model's parameters.
    """

    overlap: dict[str, float]


def describe(ticket: Ticket, path: Path, other: Ticket | None = None) -> TicketFacts:
    """Return the facts of a ticket as JSON would hold them.

    Args:
        ticket: Loaded from ``path``.
        path: Its file.
        other: A ticket to compare with; adds ``overlap``.

    Raises:
        ValueError: The tickets prune other tensors, so that they can't be compared.
    """
    alive, total = kept(ticket.masks), size(ticket.masks)
    parameters = ticket.provenance.get('parameters')
    bytes_on_disk = path.stat().st_size
    facts = TicketFacts(
        sparsity=1 - alive / total,
        network_sparsity=(total - alive) / parameters if parameters else None,
        kept=alive,
        scope_size=total,
        bytes=bytes_on_disk,
        bits_per_weight=8 * bytes_on_disk / total,
        rewind_file=ticket.rewind_file,
        rewind_file_found=(path.parent / ticket.rewind_file).exists(),
        rewind_digest=ticket.rewind_digest,
        masks_digest=digest(ticket.masks),
        provenance=ticket.provenance,
        layers={name: count_kept(mask) / mask.numel() for name, mask in ticket.masks.items()},
    )
    if other is not None:
        facts['overlap'] = overlap(ticket.masks, other.masks)
    return facts


def layer_table(ticket: Ticket) -> str:
    """Draw one line per tensor: group, weights, kept, kept share."""
    rows = []
    for name, mask in ticket.masks.items():
        alive = count_kept(mask)
        share = format_share(alive / mask.numel())
        rows.append([name, ticket.groups.get(name, '-'), f'{mask.numel():,}', f'{alive:,}', share])
    header = ['tensor', 'group', 'weights', 'kept', 'kept']
    return format_table(header, rows, left=['tensor', 'group'])
