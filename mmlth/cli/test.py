"""Evaluate a ticket's trained checkpoint with the evaluator of its config.

Checks first that every pruned weight of the checkpoint is exactly zero. Options are those of
MMDet's tools/test.py where they mean the same.
"""
import argparse
import json
from pathlib import Path

from mmlth.cli.command import (
    CHECKPOINT_HELP,
    TICKET_HELP,
    add_config_options,
    add_launcher,
    parser_of,
    run_launched,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('test', __doc__)
    parser.add_argument('ticket', help=TICKET_HELP)
    parser.add_argument('--config', help='default: the config that the round was trained with')
    parser.add_argument('--checkpoint', help=CHECKPOINT_HELP)
    parser.add_argument('--work-dir', help='for logs (default: eval/ beside the ticket)')
    parser.add_argument(
        '--data-root', metavar='DIR',
        help="where the data lies, in place of the config's data_root")
    add_config_options(parser)
    parser.add_argument('--out', metavar='FILE', help='write the metrics as JSON too')
    parser.add_argument(
        '--show-dir', metavar='DIR', help='draw the detections into the images, and put them there')
    parser.add_argument(
        '--dump', action='store_true', help='leave the predictions beside the ticket, in the form '
        'of COCO, for `mmlth analyse`')
    add_launcher(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Print the metrics as JSON."""
    from mmengine.dist import is_main_process

    from mmlth.core.store import find_ticket
    from mmlth.trained.evaluate import evaluate_ticket

    metrics = evaluate_ticket(
        find_ticket(args.ticket), config=args.config, checkpoint=args.checkpoint,
        work_dir=args.work_dir, options=args.cfg_options, data_root=args.data_root,
        show_dir=args.show_dir, dump=args.dump, launcher=args.launcher)
    if not is_main_process():
        return
    text = json.dumps(metrics, indent=2)
    print(text)
    if args.out:
        Path(args.out).write_text(text + '\n')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_launched('test', run, parse_args(argv))
