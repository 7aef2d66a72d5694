#!/usr/bin/env python
"""Global selection over the weights of a Faster R-CNN R50-FPN: time and memory over np.partition.

Every method gets the same float32 scores and has to find the 20% highest. Times are medians, given
as ratios to np.partition on one flat array of them in the same run. Memory is the peak of what a
method allocates beyond the scores and the masks it returns, in float32 copies of the scores,
measured in a process of its own.
"""
import argparse
import math
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmlth.core import masks as mask_functions, selection

DENSITY = 0.2
WEIGHTS = 41_500_000

Scores = dict[str, Tensor]
Masks = dict[str, Tensor]
Seconds = dict[str, list[float]]


def layer_shapes() -> list[tuple[int, ...]]:
    """Return shapes of 41.5 million weights laid out like the layers of an R50-FPN detector."""
    blocks = []
    for width, count, inside in ((64, 3, 64), (128, 4, 256), (256, 6, 512), (512, 3, 1024)):
        for block in range(count):
            entry = inside if block == 0 else 4 * width
            blocks += [(width, entry, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
    lateral = [(256, channels, 1, 1) for channels in (256, 512, 1024, 2048)]
    others = 5 * [(256, 256, 3, 3)]
    shapes = [(64, 3, 7, 7), *blocks, *lateral, *others, (1024, 256 * 49), (1024, 1024)]
    rest = WEIGHTS - sum(math.prod(shape) for shape in shapes)
    return [*shapes, (rest, )]


def make_scores() -> Scores:
    generator = torch.Generator().manual_seed(0)
    return {f'layer{i:02d}': torch.randn(shape, generator=generator).abs_()
            for i, shape in enumerate(layer_shapes())}


def flat(scores: Scores) -> Tensor:
    return torch.cat([score.flatten() for score in scores.values()])


def count(scores: Scores) -> int:
    return round(DENSITY * mask_functions.size(scores))


# A method takes the scores, the same as one flat tensor, and dense masks.
def by_mmlth(scores: Scores, one: Tensor, masks: Masks) -> Masks:
    return selection.select(scores, masks, DENSITY)


def by_partition(scores: Scores, one: Tensor, masks: Masks) -> np.ndarray:
    return np.partition(one.numpy(), one.numel() - count(scores))


def by_topk(scores: Scores, one: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    return torch.topk(one, count(scores), sorted=False)


def by_kthvalue(scores: Scores, one: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    return torch.kthvalue(one, one.numel() - count(scores) + 1)


def by_sort(scores: Scores, one: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    return torch.sort(one, descending=True)


METHODS = {
    'partition': by_partition,
    'mmlth': by_mmlth,
    'topk': by_topk,
    'kthvalue': by_kthvalue,
    'sort': by_sort,
}


def peak_copies(method: str) -> float:
    """Run one method; return its peak memory beyond inputs and result, in copies of the scores."""
    function = METHODS[method]
    scores = make_scores()
    one = torch.empty(0) if method == 'mmlth' else flat(scores)
    masks = mask_functions.dense_masks(scores)
    size = mask_functions.size(scores)
    tiny = {'tiny': torch.rand(9)}
    function(tiny, flat(tiny), mask_functions.dense_masks(tiny))  # loads what the method needs
    Path('/proc/self/clear_refs').write_text('5')  # the peak starts from here
    before = status_bytes('VmRSS')
    function(scores, one, masks)
    returned = size if method == 'mmlth' else 0  # its masks, one byte each
    return (status_bytes('VmHWM') - before - returned) / (4 * size)


def status_bytes(field: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    line = next(line for line in lines if line.startswith(field))
    return 1024 * int(line.split()[1])


def peak_copies_alone(method: str) -> float:
    """Return the peak memory of a method, measured in a process of its own."""
    command = [sys.executable, __file__, '--peak', method]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def time_methods(scores: Scores, one: Tensor, masks: Masks, repeats: int) -> Seconds:
    """Return the seconds of every method, interleaved so that load hits all alike."""
    seconds: Seconds = {name: [] for name in METHODS}
    order = random.Random(0)
    for _ in range(repeats):
        for name in order.sample(list(METHODS), len(METHODS)):
            start = time.perf_counter()
            result = METHODS[name](scores, one, masks)
            seconds[name].append(time.perf_counter() - start)
            del result  # before the next one allocates
    return seconds


def print_check(scores: Scores, chosen: Masks) -> None:
    """Print whether the masks keep the planned count, and none lower than one they prune."""
    exact = mask_functions.kept(chosen) == count(scores)
    kept = [scores[name][mask] for name, mask in chosen.items()]
    pruned = [scores[name][~mask] for name, mask in chosen.items()]
    least = min(float(values.min()) for values in kept if len(values))
    most = max(float(values.max()) for values in pruned if len(values))
    print(f'{mask_functions.size(scores):,} scores in {len(scores)} tensors, '
          f'{100 * DENSITY:.0f}% kept; exact count: {exact}, '
          f'lowest kept >= highest pruned: {least >= most}')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--peak', choices=METHODS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    if args.peak:
        print(peak_copies(args.peak))
        return 0
    scores = make_scores()
    one = flat(scores)
    masks = mask_functions.dense_masks(scores)
    print_check(scores, by_mmlth(scores, one, masks))
    seconds = time_methods(scores, one, masks, args.repeats)
    print(f'{"method":<11} {"seconds":>8} {"/ np.partition":>15} '
          f'{"extra memory (float32 copies)":>30}')
    for name, values in seconds.items():
        pairs = zip(values, seconds['partition'], strict=True)
        ratio = statistics.median(value / partition for value, partition in pairs)
        peak = peak_copies_alone(name)
        print(f'{name:<11} {statistics.median(values):>8.3f} {ratio:>15.2f} {peak:>30.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
