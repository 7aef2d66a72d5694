#!/usr/bin/env python
"""Carry a ticket to another model: another task, head, data set or detector with shared tensors.

Tensors of the same name and shape take the mask and, if wanted, the values of the source; predictors
and the source's own task head stay behind. With --sparsity, SOURCE is a dense checkpoint (names as in
torchvision, MMPretrain or MMDet) whose backbone is ranked by magnitude and pruned, its values kept.

Three files are written: OUT, a ticket that TicketHook trains; its initial weights, OUT_rewind; and
the coverage report, OUT_transfer.json, which is printed too.
"""
import argparse
import sys

from mmengine.config import DictAction

from mmlth.engine.config_files import load_config
from mmlth.transfer.mapping import LEFT_OUT, Choice
from mmlth.transfer.names import BACKBONE
from mmlth.transfer.source import VALUES
from mmlth.transfer.table import format_report
from mmlth.transfer.tickets import rank_checkpoint, target_settings, transfer_ticket

EXAMPLES = '''examples:
  transfer_ticket.py det/round_03/ticket.safetensors keypoint_config.py keypoint.safetensors
  transfer_ticket.py classifier/round_03/ticket.safetensors config.py out.safetensors --values trained
  transfer_ticket.py det/round_03/ticket.safetensors config.py out.safetensors --values none
  transfer_ticket.py resnet18.pth config.py out.safetensors --sparsity 0.8

then train it with these lines in the target's config:
  custom_imports = dict(imports=['mmlth'])
  custom_hooks = [dict(type='TicketHook', ticket='out.safetensors')]
'''


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='a ticket.safetensors; with --sparsity, a checkpoint: .pth or '
                        '.safetensors')
    parser.add_argument('config', help='config of the target: a file, or mmdet::FOLDER/NAME.py')
    parser.add_argument('out', help='the ticket to write')
    parser.add_argument('--values', choices=VALUES, help="what matched tensors start from: the ticket's "
                        'initial weights w_k (default), the weights trained with it (their checkpoint lies '
                        "beside it), or none: the target's own initial weights under the mask")
    parser.add_argument('--mask-only', action='store_const', const='none', dest='values',
                        help='the same as --values none')
    parser.add_argument('--sparsity', type=float, metavar='P', help='prune the backbone of the dense '
                        'checkpoint SOURCE to P, in (0, 1)')
    parser.add_argument('--prefix', nargs='+', metavar='P', help='carry only tensors whose names start so, '
                        'such as backbone.')
    parser.add_argument('--groups', nargs='+', metavar='G', help='carry only these groups; the backbone is '
                        '"backbone shortcuts"')
    parser.add_argument('--leave-out', nargs='*', default=LEFT_OUT, metavar='G',
                        help=f'groups to leave out (default: {" ".join(LEFT_OUT)})')
    parser.add_argument('--rename', nargs='+', default=[], metavar='PATTERN=NEW',
                        help="regular expressions that turn the source's names into the target's")
    parser.add_argument('--scope', nargs='+', metavar='S', help="scope of the target's ticket (default: of "
                        'its imp block, else paper; backbone with --sparsity)')
    parser.add_argument('--seed', type=int, help="seed of the target's initial weights")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    parser.add_argument('--overwrite', action='store_true', help='replace the files of an earlier transfer')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> str:
    ranked = args.sparsity is not None
    if ranked and args.values:
        raise ValueError(f'--values {args.values} goes with a ticket; a ranked checkpoint keeps its values')
    if not ranked and not args.source.endswith('.safetensors'):
        raise ValueError(f'{args.source} is no ticket (.safetensors); to rank a dense checkpoint give '
                         '--sparsity')
    cfg = load_config(args.config, args.cfg_options)
    chosen = args.scope[0] if args.scope and len(args.scope) == 1 else args.scope
    settings = target_settings(cfg, scope=chosen or ('backbone' if ranked else None), seed=args.seed)
    choice = Choice(
        values=args.values != 'none', groups=tuple(args.groups or ()), leave_out=tuple(args.leave_out),
        prefixes=tuple(args.prefix or ([BACKBONE] if ranked else [])),
        rename=tuple(_split(text) for text in args.rename))
    common = dict(choice=choice, settings=settings, overwrite=args.overwrite)
    if ranked:
        report = rank_checkpoint(args.source, cfg, args.out, sparsity=args.sparsity, **common)
    else:
        report = transfer_ticket(args.source, cfg, args.out, values=args.values or 'initial', **common)
    return format_report(report)


def _split(text: str) -> tuple[str, str]:
    pattern, found, new = text.rpartition('=')
    if not found or not pattern:
        raise ValueError(f'--rename {text}: wanted is PATTERN=NEW')
    return pattern, new


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        print(run(args))
    except (ValueError, OSError) as error:
        print(f'transfer_ticket.py: error: {error}', file=sys.stderr)
        return 1
    print(f'\nwrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
