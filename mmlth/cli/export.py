"""Export a ticket as a plain .pth that MMDet's own tools/test.py and inference load strictly.

The file holds weights and buffers under the plain detector's names, pruned weights exactly 0.0, and
no hooks, masks or optimizer state. It is as large as any dense checkpoint; the ticket file is the
small one. Zeros make a model smaller on disk once compressed, and faster only on hardware or
kernels that skip them.
"""
import argparse

from mmlth.cli.command import CHECKPOINT_HELP, TICKET_HELP, parser_of, run_command
from mmlth.core.choices import EXPORTS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('export', __doc__)
    parser.add_argument('ticket', help=TICKET_HELP)
    parser.add_argument('output', help='the .pth to write')
    parser.add_argument(
        '--weights', choices=EXPORTS, default='trained',
        help="trained: of the round's checkpoint (default); initial: m * w_k, to train the ticket "
        'elsewhere')
    parser.add_argument('--checkpoint', help=CHECKPOINT_HELP)
    parser.add_argument(
        '--overwrite', action='store_true', help='replace an existing output file')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Export the ticket, and say how many weights are zero."""
    from mmlth.core.store import find_ticket
    from mmlth.trained.export import export_ticket

    ticket = find_ticket(args.ticket)
    zeros = export_ticket(
        ticket, args.output, weights=args.weights, checkpoint=args.checkpoint,
        overwrite=args.overwrite)
    print(f'wrote {args.output} from {ticket}: {zeros:,} pruned weights are exactly 0.0')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('export', run, parse_args(argv))
