"""Draw a metric against sparsity, and the density of every layer, from a job's summary.json."""
import argparse
from pathlib import Path

from mmlth.cli.command import parser_of, run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('plot', __doc__)
    parser.add_argument('summary', help='summary.json, or the work dir that holds it')
    parser.add_argument('--out', metavar='FOLDER', help='default: report/ beside the summary')
    parser.add_argument('--metric', nargs='+',
                        help="an evaluator's metrics, such as coco/bbox_mAP_50 "
                        '(default: the main one of each task)')
    parser.add_argument('--axis', choices=['sparsity', 'network_sparsity'], default='sparsity',
                        help='of the scope (default) or of the whole network')
    parser.add_argument('--format', choices=['png', 'pdf', 'svg'], default='png')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Draw the figures; print the table and their names."""
    from mmlth.analysis import figures, tables
    from mmlth.core.records import load_summary

    given = Path(args.summary)
    path = given / 'summary.json' if given.is_dir() else given
    out = Path(args.out) if args.out else path.parent / 'report'
    summary = load_summary(path)
    out.mkdir(parents=True, exist_ok=True)
    curve = out / f'{_name_of(args)}.{args.format}'
    layers = out / f'density_per_layer.{args.format}'
    figures.plot_metric(summary, curve, metrics=args.metric, axis=args.axis)
    figures.plot_layers(summary, layers)
    print(tables.to_text(summary))
    print(f'wrote {curve}')
    print(f'wrote {layers}')


def _name_of(args: argparse.Namespace) -> str:
    """Name a curve by what it shows, so that one of other metrics leaves the main one alone."""
    name = 'map_vs_sparsity' if args.axis == 'sparsity' else 'map_vs_network_sparsity'
    chosen = [metric.rpartition('/')[2] for metric in args.metric or []]
    return '_'.join([*chosen, name.removeprefix('map_')]) if chosen else name


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('plot', run, parse_args(argv))
