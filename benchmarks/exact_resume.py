#!/usr/bin/env python
"""What an exact resume costs: loader processes that start anew each epoch beside kept ones.

Loads epochs of DigitScenes (made in a temporary folder) through the train loader of a config,
without a training step, with processes kept and anew by turns. Prints seconds an epoch and what
starting anew adds, also as a share of an epoch whose steps take --step-seconds each.
"""
import argparse
import copy
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmlth.core.tables import format_table
from mmlth.datasets.digit_scenes import generate
from mmlth.engine.config_files import load_config, set_data_root

CONFIG = (Path(__file__).resolve().parents[1] / 'configs' / 'digit_scenes'
          / 'faster-rcnn_r18-tiny_fpn_digitscenes.py')
HEADER = ['batches', 'kept, s', 'anew, s', 'added, s', 'of the epoch']


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batches', type=int, nargs='+', default=[5, 25, 100], help='of an epoch')
    parser.add_argument('--workers', type=int, default=2, help='loader processes')
    parser.add_argument('--epochs', type=int, default=7, help='of each kind, the first left out')
    parser.add_argument('--step-seconds', type=float, default=0.1,
                        help='what a training step takes')
    return parser.parse_args(argv)


def loader_of(root: Path, batches: int, workers: int, *, kept: bool) -> Any:
    """Build the train loader of the config for epochs of so many batches."""
    cfg = set_data_root(load_config(str(CONFIG)), str(root))
    init_default_scope('mmdet')
    wanted = copy.deepcopy(cfg.train_dataloader)
    wanted.update(num_workers=workers, persistent_workers=kept, batch_size=4)
    images = 4 * batches
    wanted.dataset = dict(type='RepeatDataset', times=-(-images // 64), dataset=wanted.dataset)
    wanted.sampler = dict(type='DefaultSampler', shuffle=True)
    return Runner.build_dataloader(wanted, seed=0)


def epoch_seconds(loader: Any, batches: int) -> float:
    start = time.perf_counter()
    for number, _ in enumerate(loader, 1):
        if number == batches:
            break
    return time.perf_counter() - start


def measure(root: Path, batches: int, args: argparse.Namespace) -> list[str]:
    """Return a row of the table; epochs with kept and new processes by turns."""
    loaders = {kept: loader_of(root, batches, args.workers, kept=kept) for kept in (True, False)}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(args.epochs):
        for kept, loader in loaders.items():
            seconds[kept].append(epoch_seconds(loader, batches))
    kept_ones, new_ones = (statistics.median(seconds[kept][1:]) for kept in (True, False))
    added = new_ones - kept_ones
    whole = max(kept_ones, batches * args.step_seconds)
    share = added / whole
    return [str(batches), f'{kept_ones:.3f}', f'{new_ones:.3f}', f'{added:+.3f}', f'{share:.1%}']


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / 'digit_scenes'
        generate(root, seed=0, train=64, val=1)
        rows = [measure(root, batches, args) for batches in args.batches]
    print(f'{args.workers} loader processes, batches of 4, steps of {args.step_seconds} s, medians')
    print(format_table(HEADER, rows))
    return 0


if __name__ == '__main__':
    sys.exit(main())
