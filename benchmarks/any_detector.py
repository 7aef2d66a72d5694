#!/usr/bin/env python
"""Rehearse a pruned round on one config of every family that the installed MMDetection ships.

For each, in a process of its own: build the model without pretrained weights, plan the scope, prune
to 80%, rewind, one guarded step of the config's own optimizer on random gradients, save, read, load
strictly into the plain detector; pruned weights must be exactly zero under every name of a tensor.
Prints a Markdown table; a family that doesn't build here is listed with the reason.
"""
import argparse
import json
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.core.roles import unknown_heads
from mmlth.core.tables import to_markdown_table
from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net
from mmlth.engine.preflight import plan
from mmlth.engine.rehearsal import rehearse
from mmlth.engine.settings import IMPConfig

NO_FAMILIES = ('_base_', 'common', 'dsdl')
NO_MODELS = ('tta', 'override', 'common', 'base')  # in the names of files that others build on
HEADER = ['family', 'config', 'parameters', 'in scope', 'weights', 'predictors', 'shared names',
          'unknown heads', 'seconds', 'result']


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', metavar='FAMILY', help='default: all')
    parser.add_argument('--limit', type=float, default=120, help='seconds a config may take')
    parser.add_argument('--tries', type=int, default=5, help='configs of a family to try')
    parser.add_argument('--one', metavar='CONFIG', help='rehearse this config here, print JSON')
    return parser.parse_args(argv)


def configs_of(family: Path) -> list[str]:
    """List the configs of a family, plain ones first."""
    found = [path for path in family.glob('*.py')
             if not any(word in path.stem for word in NO_MODELS)]
    plain_first = sorted(found, key=lambda path: len(path.stem))
    return [f'mmdet::{family.name}/{path.name}' for path in plain_first]


def without_pretrained(value: Any) -> Any:
    """Return a config in which nothing is initialised from a file or an address."""
    if isinstance(value, dict):
        return {key: None if _is_pretrained(key, inner) else without_pretrained(inner)
                for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(without_pretrained(inner) for inner in value)
    return value


def _is_pretrained(key: str, value: Any) -> bool:
    if key in ('load_from', 'pretrained', 'teacher_ckpt'):
        return True
    return key == 'init_cfg' and isinstance(value, dict) and 'checkpoint' in value


def rehearse_one(name: str) -> dict[str, Any]:
    """Rehearse a round of one config; return what the table shows of it."""
    start = time.perf_counter()
    cfg = load_config(name)
    cfg = Config(without_pretrained(cfg.to_dict()), filename=cfg.filename)
    settings = IMPConfig(target_sparsity=0.8, rounds=1, seed=0)
    net = read_net(cfg, settings.seed)
    planned = plan(net, settings)
    rehearse(net, planned, settings, cfg)
    predictors = [w for w in net.weights if w.group == 'predictors']
    return dict(
        parameters=net.parameters, in_scope=planned.scope_size / net.parameters,
        weights=len(net.weights), predictors=len(predictors), shared=len(net.shared),
        unknown=unknown_heads(net.model), seconds=time.perf_counter() - start)


def run_one(name: str, limit: float) -> tuple[dict[str, Any] | None, str]:
    """Rehearse a config in a process of its own; return its facts, or None and the reason."""
    command = [sys.executable, __file__, '--one', name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None, f'not done in {limit:.0f} s'
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1]), ''
    said = [' '.join(line.split()) for line in done.stderr.splitlines() if line.strip()]
    return None, _without_folders(said[-1])[:120] if said else f'exit {done.returncode}'


def _without_folders(text: str) -> str:
    """Shorten paths to their last part, so that the table says nothing of a machine."""
    return re.sub(r'/[^\s\'",]*/', '', text)


def row_of(family: Path, args: argparse.Namespace) -> list[str]:
    """Return a row of the table: of the first config that can be rehearsed."""
    reasons = []
    for name in configs_of(family)[:args.tries]:
        facts, reason = run_one(name, args.limit)
        if facts is not None:
            unknown = ', '.join(facts['unknown']) or '-'
            counts = [str(facts[key]) for key in ('weights', 'predictors', 'shared')]
            return [family.name, Path(name).stem, f'{facts["parameters"]:,}',
                    f'{facts["in_scope"]:.1%}', *counts, unknown, f'{facts["seconds"]:.1f}',
                    'rehearsed']
        reasons.append(reason)
    reason = reasons[0] if reasons else 'no config'
    return [family.name, *['-'] * 8, reason]


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.one:
        print(json.dumps(rehearse_one(args.one)))
        return 0
    spec = find_spec('mmdet')
    if spec is None or not spec.submodule_search_locations:
        print('any_detector.py: error: MMDetection is not installed', file=sys.stderr)
        return 1
    root = Path(spec.submodule_search_locations[0]) / '.mim' / 'configs'
    families = sorted(path for path in root.iterdir() if path.is_dir())
    chosen = [path for path in families if path.name not in NO_FAMILIES
              and (not args.only or path.name in args.only)]
    rows = []
    for family in chosen:
        rows.append(row_of(family, args))
        print(' | '.join(rows[-1]), file=sys.stderr, flush=True)
    print(to_markdown_table(HEADER, rows))
    good = sum(row[-1] == 'rehearsed' for row in rows)
    print(f'\n{good} of {len(rows)} families rehearsed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
