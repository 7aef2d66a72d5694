#!/usr/bin/env python
"""Draw a metric against sparsity, and the density of every layer, from a job's summary.json."""
import argparse
import sys
from pathlib import Path

from mmlth.analysis import figures, tables
from mmlth.core.records import load_summary


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('summary', help='summary.json, or the work dir that holds it')
    parser.add_argument('--out', metavar='FOLDER', help='default: report/ beside the summary')
    parser.add_argument('--metric', nargs='+',
                        help="an evaluator's metrics, such as coco/bbox_mAP_50 "
                        '(default: the main one of each task)')
    parser.add_argument('--axis', choices=['sparsity', 'network_sparsity'], default='sparsity',
                        help='of the scope (default) or of the whole network')
    parser.add_argument('--format', choices=['png', 'pdf', 'svg'], default='png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    given = Path(args.summary)
    path = given / 'summary.json' if given.is_dir() else given
    out = Path(args.out) if args.out else path.parent / 'report'
    try:
        summary = load_summary(path)
        out.mkdir(parents=True, exist_ok=True)
        curve = out / f'map_vs_sparsity.{args.format}'
        layers = out / f'density_per_layer.{args.format}'
        figures.plot_metric(summary, curve, metrics=args.metric, axis=args.axis)
        figures.plot_layers(summary, layers)
    except (ValueError, OSError) as error:
        print(f'plot_summary.py: error: {error}', file=sys.stderr)
        return 1
    print(tables.to_text(summary))
    print(f'wrote {curve}')
    print(f'wrote {layers}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
