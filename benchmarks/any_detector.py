#!/usr/bin/env python
"""Train a few steps of one config of every family that the installed MMDetection ships.

For each, in a process of its own and without pretrained weights: build the model, plan the scope,
rehearse a round as every job does before it trains (prune every layer to 80%, rewind, save, load),
then real steps with the config's own optimizer and losses on made-up images: densely, without
mmlth, and pruned. After every step pruned weights must be exactly zero under every name of a tensor
and some kept ones must move if any does densely; afterwards the rewind must be exact.

Prints a Markdown table. A family that doesn't build, or doesn't train densely either, is listed
with the reason.
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

from demo_steps import moved, train_densely, train_pruned
from mmengine.config import Config

from mmlth.core.roles import unknown_heads
from mmlth.core.tables import to_markdown_table
from mmlth.engine.config_files import load_config
from mmlth.engine.net import Net, read_net
from mmlth.job.preflight import Preflight, plan, ranked_now
from mmlth.job.rehearsal import rehearse
from mmlth.settings.imp_config import IMPConfig

DEFAULT_OPTIMIZER = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
NO_FAMILIES = ('_base_', 'common', 'dsdl')
NO_MODELS = ('tta', 'override', 'common', 'base')  # in the names of files that others build on
HEADER = ['family', 'config', 'parameters', 'in scope', 'weights', 'groups', 'predictors',
          'shared names', 'unknown heads', 'seconds', 'result']
TRAINED = 'trained'
ERRORS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError,
          TypeError, ValueError)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', metavar='FAMILY', help='default: all')
    parser.add_argument(
        '--record', type=Path, metavar='FILE',
        help='keep every row here, one a line, and go on with those that are missing')
    parser.add_argument('--limit', type=float, default=300, help='seconds a config may take')
    parser.add_argument('--tries', type=int, default=5, help='configs of a family to try')
    parser.add_argument('--one', metavar='CONFIG', help='try this config here, print JSON')
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


def try_one(name: str) -> dict[str, Any]:
    """Rehearse and train one config; return what the table shows of it."""
    start = time.perf_counter()
    cfg = load_config(name)
    cfg = Config(without_pretrained(cfg.to_dict()), filename=cfg.filename)
    # Mask2Former's would pad the small images to 1024 px.
    cfg.model.get('data_preprocessor', {}).pop('batch_augments', None)
    cfg.optim_wrapper = {**cfg.get('optim_wrapper', DEFAULT_OPTIMIZER), 'accumulative_counts': 1}
    # Layer by layer: among random weights a global ranking may leave a head nothing to learn with.
    settings = IMPConfig(target_sparsity=0.8, rounds=1, seed=0, allocation='layerwise')
    net = read_net(cfg, settings.seed)
    planned = plan(net, settings)
    masks = ranked_now(planned, net.state, settings, planned.densities[1])
    if cfg.get('train_dataloader'):
        rehearse(net, planned, settings, cfg)
    facts = describe(net, planned)
    try:
        batch, state = train_densely(net.model, cfg)
    except ERRORS as error:  # of any model whatever; the table says what
        why = ' '.join(f'{type(error).__name__}: {error}'.split())
        return dict(facts, result=f'rehearsed; no dense step here either: {why}')
    has_moved = bool(moved(state, net.state, masks))
    # Anew: a model may have changed in its first step (DDQ's decoder borrows layers of its head).
    train_pruned(read_net(cfg, settings.seed), masks, cfg, batch, has_moved)
    return dict(facts, result=TRAINED, seconds=time.perf_counter() - start)


def describe(net: Net, planned: Preflight) -> dict[str, Any]:
    """Count what the table has columns for."""
    groups = {weight.group for weight in net.weights}
    predictors = [weight for weight in net.weights if weight.group == 'predictors']
    return dict(
        parameters=net.parameters, in_scope=planned.scope_size / net.parameters,
        weights=len(net.weights), groups=len(groups), predictors=len(predictors),
        shared=len(net.shared), unknown=unknown_heads(net.model), seconds=0.0)


def run_one(name: str, limit: float) -> tuple[dict[str, Any] | None, str]:
    """Try a config in a process of its own; return its facts, or None and the reason."""
    command = [sys.executable, __file__, '--one', name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None, f'not done in {limit:.0f} s'
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1]), ''
    said = [line for line in done.stderr.splitlines() if re.match(r'[\w.]*Error\b', line)]
    return None, _without_folders(said[-1])[:200] if said else f'exit {done.returncode}'


def _without_folders(text: str) -> str:
    """Shorten paths to their last part, so that the table says nothing of a machine."""
    return re.sub(r'/[^\s\'",]*/', '', text)


def row_of(family: Path, args: argparse.Namespace) -> list[str]:
    """Return a row of the table: of the first config that trains, else of one that builds."""
    rows, reasons = [], []
    for name in configs_of(family)[:args.tries]:
        facts, reason = run_one(name, args.limit)
        if facts is None:
            reasons.append(reason)
            continue
        rows.append(_cells(family, name, facts))
        if facts['result'] == TRAINED:
            return rows[-1]
    if rows:
        return rows[0]
    return [family.name, *['-'] * (len(HEADER) - 2), reasons[0] if reasons else 'no config']


def _cells(family: Path, name: str, facts: dict[str, Any]) -> list[str]:
    counts = [str(facts[key]) for key in ('weights', 'groups', 'predictors', 'shared')]
    return [
        family.name, Path(name).stem, f'{facts["parameters"]:,}', f'{facts["in_scope"]:.1%}',
        *counts, ', '.join(facts['unknown']) or '-', f'{facts["seconds"]:.1f}',
        _without_folders(facts['result'])[:200]]


def read_rows(record: Path | None) -> dict[str, list[str]]:
    """Return family -> its row, of an earlier run."""
    if record is None or not record.exists():
        return {}
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    return {row[0]: row for row in rows}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.one:
        print(json.dumps(try_one(args.one)))
        return 0
    spec = find_spec('mmdet')
    if spec is None or not spec.submodule_search_locations:
        print('any_detector.py: error: MMDetection is not installed', file=sys.stderr)
        return 1
    root = Path(spec.submodule_search_locations[0]) / '.mim' / 'configs'
    families = sorted(path for path in root.iterdir() if path.is_dir())
    chosen = [path for path in families if path.name not in NO_FAMILIES
              and (not args.only or path.name in args.only)]
    known = read_rows(args.record)
    for family in chosen:
        if family.name in known:
            continue
        known[family.name] = row = row_of(family, args)
        print(' | '.join(row), file=sys.stderr, flush=True)
        if args.record:
            with args.record.open('a') as lines:
                lines.write(json.dumps(row) + '\n')
    rows = [known[family.name] for family in chosen]
    print(to_markdown_table(HEADER, rows))
    good = sum(row[-1] == TRAINED for row in rows)
    print(f'\n{good} of {len(rows)} families trained')
    return 0


if __name__ == '__main__':
    sys.exit(main())
