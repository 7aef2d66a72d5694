"""Carry a ticket to another model: another task, head, data set or detector with shared tensors.

Tensors of the same name and shape take the mask and, if wanted, the values of the source;
predictors and the source's own task head stay behind. With --sparsity, SOURCE is a dense checkpoint
(names as in torchvision, MMPretrain or MMDet) whose backbone is ranked by magnitude and pruned, its
values kept.

Three files are written: OUT, a ticket that TicketHook trains; its initial weights, OUT_rewind; and
the coverage report, OUT_transfer.json, which is printed too.
"""
import argparse
from typing import TYPE_CHECKING, Any

from mmlth.cli.command import add_config_options, parser_of, run_command
from mmlth.settings.flags import add_flags, read_flags
from mmlth.transfer.choices import BACKBONE, LEFT_OUT, USED, VALUES

if TYPE_CHECKING:
    from mmlth.transfer.mapping import Choice

EXAMPLES = """examples:
  mmlth transfer det/round_03/ticket.safetensors keypoint_config.py keypoint.safetensors
  mmlth transfer crops/round_03/ticket.safetensors config.py out.safetensors --values trained
  mmlth transfer det/round_03/ticket.safetensors config.py out.safetensors --values none
  mmlth transfer resnet18.pth config.py out.safetensors --sparsity 0.8

then train it with these lines in the target's config:
  custom_imports = dict(imports=['mmlth'])
  default_hooks = dict(ticket=dict(type='mmlth.TicketHook', ticket='out.safetensors'))
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('transfer', __doc__, EXAMPLES)
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
    add_config_options(parser)
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


def run(args: argparse.Namespace) -> None:
    """Write the ticket; print what was carried."""
    from mmlth.engine.config_files import load_config
    from mmlth.transfer.table import format_report
    from mmlth.transfer.tickets import rank_checkpoint, target_settings, transfer_ticket

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
        report = rank_checkpoint(args.source, cfg, args.out, sparsity=args.sparsity, **common)
    else:
        values = args.values or 'initial'
        report = transfer_ticket(args.source, cfg, args.out, values=values, **common)
    print(format_report(report))
    print(f'\nwrote {args.out}')


def _choice(args: argparse.Namespace, is_ranked: bool) -> 'Choice':
    """Return what may be carried: of a ranked checkpoint its backbone, unless told otherwise."""
    from mmlth.transfer.mapping import Choice

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
    """Run the command; return its exit code."""
    return run_command('transfer', run, parse_args(argv))
