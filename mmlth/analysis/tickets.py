"""What a ticket file says: facts for programs, a table for people."""

import textwrap
from pathlib import Path
from typing import Any, TypedDict

from mmlth.analysis.metrics import format_share
from mmlth.core.masks import count_kept, digest, kept, size
from mmlth.core.overlap import overlap
from mmlth.core.tables import format_table
from mmlth.core.ticket import Ticket

_DIGEST = 12  # characters of it that are shown
_WIDTH = 80  # of the texts beside the names of facts


class _TicketFacts(TypedDict):
    file: str
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
        file=str(path),
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


def fact_table(facts: TicketFacts) -> str:
    """Draw what a ticket says of itself and of where it comes from; its JSON has the rest."""
    said = {**_numbers(facts), **_provenance(facts['provenance'])}
    if 'overlap' in facts:
        said['overlap'] = _list(facts['overlap'])
    lines = [(name if number == 0 else '', line)
             for name, text in said.items() if text
             for number, line in enumerate(textwrap.wrap(text, _WIDTH))]
    header = ('ticket', facts['file'])
    return format_table(header, lines, left=header)


def _numbers(facts: TicketFacts) -> dict[str, str]:
    network = facts['network_sparsity']
    found = 'found' if facts['rewind_file_found'] else 'not found'
    rewind_digest = facts['rewind_digest'][:_DIGEST]
    return {
        'sparsity': f'{format_share(facts["sparsity"])} of the scope: {facts["kept"]:,} of '
        f'{facts["scope_size"]:,} weights are kept',
        'network sparsity': '' if network is None else format_share(network),
        'on disk': f'{facts["bytes"]:,} bytes, {facts["bits_per_weight"]:.3f} bits a weight',
        'masks': f'digest {facts["masks_digest"][:_DIGEST]}',
        'initial weights': f'{facts["rewind_file"]} ({found}), digest {rewind_digest}',
    }


def _provenance(provenance: dict[str, Any]) -> dict[str, str]:
    """Name whatever a line can hold of a provenance, and its settings but for those left empty."""
    known = {key: value for key, value in provenance.items()
             if key not in ('sparsity', 'parent') and isinstance(value, (str, int, float))}
    return {
        **{key: str(value) for key, value in known.items()},
        'settings': _list(provenance.get('settings', {})),
        'parent': provenance.get('parent', '')[:_DIGEST],
    }


def _list(values: dict[str, Any]) -> str:
    return ', '.join(f'{key}={_short(value)}' for key, value in values.items()
                     if value not in (None, [], ''))


def _short(value: Any) -> str:
    return f'{value:.4g}' if isinstance(value, float) else str(value)
