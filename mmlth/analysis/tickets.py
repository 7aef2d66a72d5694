"""What a ticket file says: facts for programs, a table for people."""
from pathlib import Path
from typing import Any

from mmlth.core.masks import count_kept, digest, kept, size
from mmlth.core.overlap import overlap
from mmlth.core.scope import group_of
from mmlth.core.ticket import Ticket


def describe(ticket: Ticket, path: Path, other: Ticket | None = None) -> dict[str, Any]:
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
    facts = dict(
        sparsity=1 - alive / total,
        network_sparsity=(total - alive) / parameters if parameters else None,
        kept=alive, scope_size=total, bytes=path.stat().st_size,
        bits_per_weight=8 * path.stat().st_size / total,
        rewind_file=ticket.rewind_file,
        rewind_file_found=(path.parent / ticket.rewind_file).exists(),
        rewind_digest=ticket.rewind_digest, masks_digest=digest(ticket.masks),
        provenance=ticket.provenance,
        layers={name: count_kept(m) / m.numel() for name, m in ticket.masks.items()})
    if other is not None:
        facts['overlap'] = overlap(ticket.masks, other.masks)
    return facts


def layer_table(ticket: Ticket) -> str:
    """Draw one line per tensor: group, weights, kept, kept share."""
    width = max(len(name) for name in ticket.masks)
    lines = [f'{"tensor":<{width}}  {"group":<13} {"weights":>11} {"kept":>11} {"kept":>7}']
    for name, mask in ticket.masks.items():
        alive = count_kept(mask)
        lines.append(f'{name:<{width}}  {group_of(name):<13} {mask.numel():>11,} {alive:>11,} '
                     f'{100 * alive / mask.numel():>6.2f}%')
    return '\n'.join(lines)
