#!/usr/bin/env python
"""Carry a ticket to another model: another task, head, data set or detector with shared tensors.

Tensors of the same name and shape take the mask and, if wanted, the values of the source;
predictors and the source's own task head stay behind. With --sparsity, SOURCE is a dense checkpoint
(names as in torchvision, MMPretrain or MMDet) whose backbone is ranked by magnitude and pruned, its
values kept.

Three files are written: OUT, a ticket that TicketHook trains; its initial weights, OUT_rewind; and
the coverage report, OUT_transfer.json, which is printed too.
"""
import argparse
import sys
from typing import Any

from mmengine.config import DictAction

from mmlth.engine.config_files import load_config
from mmlth.engine.flags import add_flags, read_flags
from mmlth.transfer.mapping import LEFT_OUT, Choice
from mmlth.transfer.names import BACKBONE
from mmlth.transfer.report import CoverageReport
from mmlth.transfer.source import VALUES
from mmlth.transfer.table import format_report
from mmlth.transfer.tickets import USED, rank_checkpoint, target_settings, transfer_ticket

EXAMPLES = """examples:
  transfer_ticket.py det/round_03/ticket.safetensors keypoint_config.py keypoint.safetensors
  transfer_ticket.py crops/round_03/ticket.safetensors config.py out.safetensors --values trained
  transfer_ticket.py det/round_03/ticket.safetensors config.py out.safetensors --values none
  transfer_ticket.py resnet18.pth config.py out.safetensors --sparsity 0.8

then train it with these lines in the target's config:
  custom_imports = dict(imports=['mmlth'])
  custom_hooks = [dict(type='TicketHook', ticket='out.safetensors')]
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'source', help='a ticket.safetensors; with --sparsity, a checkpoint: .pth or .safetensors')
    parser.add_argument('config', help='config of the target: a file, or mmdet::FOLDER/NAME.py')
    parser.add_argument('out', help='the ticket to write')
    parser.add_argument(
        '--sparsity', type=float, metavar='P',
        help='prune the backbone of the dense checkpoint SOURCE to P, in (0, 1)')
    _add_choice(parser.add_argument_group('what is carried'))
    add_flags(parser.add_argument_group(
        'the target', 'each overrides the imp block of the config; with --sparsity the scope is '
        'backbone unless given here'), USED)
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the files of an earlier transfer')
    return parser.parse_args(argv)


def _add_choice(group: Any) -> None:
    group.add_argument(
        '--values', choices=VALUES,
        help="what matched tensors start from: the ticket's initial weights w_k (default), the "
        "weights trained with it (their checkpoint lies beside it), or none: the target's own "
        'initial weights under the mask')
    group.add_argument(
        '--mask-only', action='store_const', const='none', dest='values',
        help='the same as --values none')
    group.add_argument(
        '--prefix', nargs='+', default=(), metavar='P',
        help='carry only tensors whose names start so, such as backbone.')
    group.add_argument(
        '--groups', nargs='+', default=(), metavar='G',
        help='carry only these groups; the backbone is "backbone shortcuts"')
    group.add_argument(
        '--leave-out', nargs='*', default=LEFT_OUT, metavar='G',
        help=f'groups to leave out (default: {" ".join(LEFT_OUT)})')
    group.add_argument(
        '--rename', nargs='+', default=(), metavar='PATTERN=NEW',
        help="regular expressions that turn the source's names into the target's")


def run(args: argparse.Namespace) -> CoverageReport:
    is_ranked = args.sparsity is not None
    if is_ranked and args.values:
        raise ValueError(f'--values {args.values} goes with a ticket; a ranked checkpoint keeps '
                         'its values')
    if not is_ranked and not args.source.endswith('.safetensors'):
        raise ValueError(f'{args.source} is no ticket (.safetensors); to rank a dense checkpoint '
                         'give --sparsity')
    cfg = load_config(args.config, args.cfg_options)
    flags = read_flags(args)
    if is_ranked:
        flags.setdefault('scope', 'backbone')
    common: dict[str, Any] = dict(
        choice=_choice(args, is_ranked), settings=target_settings(cfg, **flags),
        overwrite=args.overwrite)
    if is_ranked:
        return rank_checkpoint(args.source, cfg, args.out, sparsity=args.sparsity, **common)
    values = args.values or 'initial'
    return transfer_ticket(args.source, cfg, args.out, values=values, **common)


def _choice(args: argparse.Namespace, is_ranked: bool) -> Choice:
    """Return what may be carried: of a ranked checkpoint its backbone, unless told otherwise."""
    prefixes = args.prefix or ([BACKBONE] if is_ranked else [])
    return Choice(
        values=args.values != 'none', prefixes=tuple(prefixes), groups=tuple(args.groups),
        leave_out=tuple(args.leave_out), rename=tuple(_split(text) for text in args.rename))


def _split(text: str) -> tuple[str, str]:
    pattern, found, new = text.rpartition('=')
    if not found or not pattern:
        raise ValueError(f'--rename {text}: wanted is PATTERN=NEW')
    return pattern, new


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        report = run(args)
    except (ValueError, OSError) as error:
        print(f'transfer_ticket.py: error: {error}', file=sys.stderr)
        return 1
    print(format_report(report))
    print(f'\nwrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
