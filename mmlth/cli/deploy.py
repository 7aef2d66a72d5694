"""Deploy a trained ticket: write a folder with a detector that skips zeros on this CPU.

Batch norms are folded, every layer is measured as torch runs it and as the sparse kernels do, and
the faster one is planned; DIR/layers.png shows both. `mmlth.deploy.load(DIR)` returns the detector,
which MMDet's inference_detector takes. On another CPU it is measured again when it is loaded.
"""
import argparse
import sys
from pathlib import Path
from typing import Any

from mmlth.cli.command import CHECKPOINT_HELP, TICKET_HELP, parser_of, run_command

HEADER = ['layer', 'kept', 'torch ms', 'sparse ms', 'chosen']
FIGURE = 'layers.png'  # the table, drawn, in the folder


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('deploy', __doc__)
    parser.add_argument('ticket', nargs='?', help=TICKET_HELP)
    parser.add_argument('--out', metavar='DIR', help='the folder to write')
    parser.add_argument(
        '--config', help='default: the one that MMEngine left in the folder of the round')
    parser.add_argument('--checkpoint', help=CHECKPOINT_HELP)
    parser.add_argument(
        '--image', help='whose size, as the test pipeline makes it, layers are measured at '
        '(default: 640 x 480)')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a deployed detector')
    parser.add_argument(
        '--build-only', action='store_true', help='only compile the kernels for this processor and '
        'torch, and print their file; takes neither ticket nor --out')
    args = parser.parse_args(argv)
    given = [args.ticket is not None, args.out is not None]
    if args.build_only and any(given):
        parser.error('--build-only takes neither a ticket nor --out')
    if not args.build_only and not all(given):
        parser.error('a ticket and --out DIR are needed')
    return args


def run(args: argparse.Namespace) -> None:
    """Deploy the ticket and print what was measured, or build the kernels and print where."""
    if args.build_only:
        from mmlth.deploy.kernel import build

        print(build())
        return
    from mmlth.analysis.plan_figure import plot_plan
    from mmlth.core.store import find_ticket
    from mmlth.deploy.deploy import deploy_ticket

    ticket = find_ticket(args.ticket)
    report = deploy_ticket(
        ticket, args.out, config=args.config, checkpoint=args.checkpoint, image=args.image,
        overwrite=args.overwrite, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(table_of(report.plan))
    if report.plan.layers:
        plot_plan(report.plan.to_json(), Path(args.out, FIGURE))
    print(f'one image, whole detector: {report.dense_ms:.1f} ms as MMDet runs it, '
          f'{report.deployed_ms:.1f} ms deployed, {report.dense_ms / report.deployed_ms:.2f}x')
    share = report.folder_bytes / report.dense_bytes
    print(f'\nwrote {args.out} from {ticket}: {report.folder_bytes:,} bytes, {share:.1%} of the '
          f'{report.dense_bytes:,} of a dense checkpoint')


def table_of(plan: Any) -> str:
    """Return a line for each layer that was measured, and their sum."""
    from mmlth.core.tables import format_table

    layers = plan.layers.values()
    rows = [[name, f'{layer.kept / layer.weights:.1%}', f'{layer.torch_ms:.2f}',
             f'{layer.sparse_ms:.2f}', 'sparse' if layer.sparse else 'torch']
            for name, layer in plan.layers.items()]
    torch_ms = sum(layer.torch_ms for layer in layers)
    chosen_ms = sum(layer.sparse_ms if layer.sparse else layer.torch_ms for layer in layers)
    text = format_table(HEADER, rows, left=['layer', 'chosen'])
    return (f'{text}\n\nthese layers: {torch_ms:.1f} ms in torch, {chosen_ms:.1f} ms as planned, '
            f'with {plan.threads} thread(s) of {plan.processor}')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('deploy', run, parse_args(argv))
