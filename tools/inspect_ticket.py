#!/usr/bin/env python
"""Show what is in a ticket: sparsity, kept weights of every layer, provenance, size on disk."""
import argparse
import json
import sys
from pathlib import Path

from mmlth.analysis.tickets import describe, layer_table
from mmlth.core.ticket import load_ticket


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('ticket', help='a ticket.safetensors')
    parser.add_argument('--compare', metavar='TICKET',
                        help='another ticket: overlap of the masks, beside what chance would give')
    parser.add_argument('--json', action='store_true', help='print JSON for programs')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        ticket = load_ticket(args.ticket)
        other = load_ticket(args.compare) if args.compare else None
        facts = describe(ticket, Path(args.ticket), other)
    except (ValueError, OSError) as error:
        print(f'inspect_ticket.py: error: {error}', file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print(layer_table(ticket))
        for key, value in facts.items():
            if key != 'layers':
                print(f'{key}: {value}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
