"""Show what is in a ticket: sparsity, kept weights of every layer, provenance, size on disk.

Of a work dir, a line for each of its trainings comes first.
"""
import argparse
import json

from mmlth.cli.command import TICKET_HELP, parser_of, run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('inspect', __doc__)
    parser.add_argument('ticket', help=TICKET_HELP)
    parser.add_argument('--compare', metavar='TICKET',
                        help='another one: overlap of the masks, beside what chance would give')
    parser.add_argument('--json', action='store_true', help='print JSON for programs')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Print the ticket's layers and facts."""
    from mmlth.analysis.tables import to_text
    from mmlth.analysis.tickets import describe, fact_table, layer_table
    from mmlth.core.store import Store, find_ticket
    from mmlth.core.ticket import load_ticket

    path = find_ticket(args.ticket)
    ticket = load_ticket(path)
    other = load_ticket(find_ticket(args.compare)) if args.compare else None
    facts = describe(ticket, path, other)
    if args.json:
        print(json.dumps(facts, indent=2))
        return
    job = Store(args.ticket)
    summary = [to_text(job.summary())] if job.has_summary() else []
    print('\n\n'.join([*summary, layer_table(ticket), fact_table(facts)]))


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('inspect', run, parse_args(argv))
