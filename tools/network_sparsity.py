#!/usr/bin/env python
"""Show what share of a whole network a sparsity of the scope is, from the config alone.

Without a config: the paper's models, beside the figures that it printed. Needs neither data nor network.
"""
import argparse
import csv
import functools
import sys
from pathlib import Path

from mmengine.registry import MODELS, init_default_scope

from mmlth.core import scope
from mmlth.engine.settings import IMPConfig
from mmlth.engine.config_files import load_config
from mmlth.engine.preflight import Preflight

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / 'docs' / 'paper_network_sparsity.csv'
HEAD = f'{"model":<32} {"scope":<9} {"parameters":>11} {"in scope":>11} {"sparsity":>8} {"of network":>10}'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='a config file, or one that MMDet ships: '
                        'mmdet::FOLDER/NAME.py (default: all rows of docs/paper_network_sparsity.csv)')
    parser.add_argument('--scope', nargs='+', metavar='S',
                        help='paper, all, backbone, or groups (default: paper)')
    parser.add_argument('--target-sparsity', nargs='+', type=float, metavar='P',
                        help='sparsities of the scope, in (0, 1) (default: 0.5 0.8 0.9)')
    args = parser.parse_args(argv)
    if not args.config and (args.scope or args.target_sparsity):
        parser.error('--scope and --target-sparsity go with a config; the rows of the paper have their own')
    return args


def read_paper() -> list[dict]:
    """Return config, scope, sparsity and network_sparsity, both in (0, 1), of every figure of the paper."""
    with PAPER.open(newline='') as file:
        return [dict(config=str(ROOT / 'configs' / row['config']), scope=row['scope'],
                     sparsity=float(row['prune_percent']) / 100,
                     network_sparsity=float(row['network_sparsity_percent']) / 100)
                for row in csv.DictReader(file)]


@functools.cache
def read_model(config: str) -> tuple[list[scope.WeightInfo], int]:
    """Return the weights and the number of parameters of a config's model."""
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)  # without init_weights, which downloads the backbone's
    return scope.list_weights(model), scope.count_parameters(model)


def plan(config: str, settings: IMPConfig) -> Preflight:
    """Count weights and parameters as a job of these settings would."""
    weights, parameters = read_model(config)
    names = scope.choose(weights, settings.scope)
    return Preflight(weights=weights, names=names, parameters=parameters, densities=settings.densities(),
                     magnitudes=None, previews=None, note='')


def line(config: str, wanted: str | list[str], sparsity: float, published: float | None = None) -> str:
    """Draw a row of the table."""
    planned = plan(config, IMPConfig(scope=wanted, target_sparsity=sparsity, rounds=1))
    found = planned.rounds()[-1]['network_sparsity']
    name = wanted if isinstance(wanted, str) else '+'.join(wanted)
    text = (f'{Path(config).stem:<32} {name:<9} {planned.parameters:>11,} {planned.scope_size:>11,} '
            f'{sparsity:>8.2%} {found:>10.2%}')
    return text if published is None else f'{text} {published:>7.2%} {100 * (found - published):>+7.2f}'


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.config:
            chosen = args.scope or ['paper']
            chosen = chosen[0] if len(chosen) == 1 else chosen
            lines = [HEAD] + [line(args.config, chosen, s) for s in args.target_sparsity or (0.5, 0.8, 0.9)]
        else:
            lines = [f'{HEAD} {"paper":>7} {"off by":>7}']
            lines += [line(row['config'], row['scope'], row['sparsity'], row['network_sparsity'])
                      for row in read_paper()]
    except (ValueError, OSError) as error:
        print(f'network_sparsity.py: error: {error}', file=sys.stderr)
        return 1
    print('\n'.join(lines))
    return 0


if __name__ == '__main__':
    sys.exit(main())
