#!/usr/bin/env python
"""Export a ticket as a plain .pth that MMDet's own tools/test.py and inference load strictly.

The file holds weights and buffers under the plain detector's names, pruned weights exactly 0.0, and
no hooks, masks or optimizer state. It is as large as any dense checkpoint; the ticket file is the
small one. Zeros make a model smaller on disk once compressed, and faster only on hardware or
kernels that skip them.
"""
import argparse
import sys

from mmlth.engine.export import EXPORTS, export_ticket


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ticket', help='a ticket.safetensors in the folder of its round')
    parser.add_argument('output', help='the .pth to write')
    parser.add_argument(
        '--weights', choices=EXPORTS, default='trained',
        help="trained: of the round's checkpoint (default); initial: m * w_k, to train the ticket "
        'elsewhere')
    parser.add_argument(
        '--checkpoint', help='trained checkpoint (default: the one that the round ended with, or '
        'the newest beside the ticket)')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace an existing output file')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        zeros = export_ticket(
            args.ticket, args.output, weights=args.weights, checkpoint=args.checkpoint,
            overwrite=args.overwrite)
    except (ValueError, OSError) as error:
        print(f'export_ticket.py: error: {error}', file=sys.stderr)
        return 1
    print(f'wrote {args.output}: {zeros:,} pruned weights are exactly 0.0')
    return 0


if __name__ == '__main__':
    sys.exit(main())
