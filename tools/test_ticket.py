#!/usr/bin/env python
"""Evaluate a ticket's trained checkpoint with the evaluator of its config.

Checks first that every pruned weight of the checkpoint is exactly zero. Options are those of
MMDet's tools/test.py where they mean the same.
"""
import argparse
import json
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmlth.engine.evaluate import evaluate_ticket


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ticket', help='a ticket.safetensors in the folder of its round')
    parser.add_argument('--config', help='default: the config that the round was trained with')
    parser.add_argument(
        '--checkpoint', help='default: the one that the round ended with, or the newest beside the '
        'ticket')
    parser.add_argument('--work-dir', help='for logs (default: eval/ beside the ticket)')
    parser.add_argument(
        '--data-root', metavar='DIR',
        help="where the data lies, in place of the config's data_root")
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config')
    parser.add_argument('--out', metavar='FILE', help='write the metrics as JSON too')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        metrics = evaluate_ticket(
            args.ticket, config=args.config, checkpoint=args.checkpoint, work_dir=args.work_dir,
            options=args.cfg_options, data_root=args.data_root)
    except (ValueError, OSError) as error:
        print(f'test_ticket.py: error: {error}', file=sys.stderr)
        return 1
    print(json.dumps(metrics, indent=2))
    if args.out:
        Path(args.out).write_text(json.dumps(metrics, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
