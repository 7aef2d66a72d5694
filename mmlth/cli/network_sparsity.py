"""Show what share of a whole network a sparsity of the scope is, from the config alone.

Without a config: the paper's models, beside the figures that it printed. Needs neither data nor
network.
"""
import argparse

from mmlth.cli.command import parser_of, run_command

SPARSITIES = (0.5, 0.8, 0.9)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('network-sparsity', __doc__)
    parser.add_argument(
        'config',
        nargs='?',
        help='a config file, or one that MMDet ships: mmdet::FOLDER/NAME.py '
        '(default: all models for which the paper has a figure)',
    )
    parser.add_argument(
        '--scope',
        nargs='+',
        metavar='S',
        help='paper, all, backbone, or groups (default: paper)',
    )
    parser.add_argument(
        '--target-sparsity',
        nargs='+',
        type=float,
        metavar='P',
        help='sparsities of the scope, in (0, 1) (default: 0.5 0.8 0.9)',
    )
    args = parser.parse_args(argv)
    if not args.config and (args.scope or args.target_sparsity):
        parser.error(
            '--scope and --target-sparsity go with a config; the rows of the paper have their own'
        )
    return args


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from mmlth.study.accounting import table_of_config, table_of_paper

    if args.config:
        sparsities = args.target_sparsity or SPARSITIES
        print(table_of_config(args.config, args.scope or ['paper'], sparsities))
    else:
        print(table_of_paper())


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('network-sparsity', run, parse_args(argv))
