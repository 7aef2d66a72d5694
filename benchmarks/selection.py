#!/usr/bin/env python
"""Global selection over the weights of a Faster R-CNN R50-FPN: time and memory over np.partition.

Every method gets the same float32 scores and has to find the 20% highest. Times are medians, given as
ratios to np.partition on one flat array of them in the same run. Memory is the peak of what a method
allocates beyond the scores and the masks it returns, in float32 copies of the scores, measured in
a process of its own.
"""
import argparse
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from mmlth.core import masks as mask_functions, selection

DENSITY = 0.2


def layer_shapes() -> list[tuple[int, ...]]:
    """Return shapes of 41.5 million weights laid out like the layers of an R50-FPN detector."""
    blocks = []
    for width, count, inside in ((64, 3, 64), (128, 4, 256), (256, 6, 512), (512, 3, 1024)):
        for block in range(count):
            entry = inside if block == 0 else 4 * width
            blocks += [(width, entry, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
    fpn = [(256, c, 1, 1) for c in (256, 512, 1024, 2048)] + 5 * [(256, 256, 3, 3)]
    shapes = [(64, 3, 7, 7), *blocks, *fpn, (1024, 256 * 49), (1024, 1024)]
    rest = 41_500_000 - sum(int(np.prod(s)) for s in shapes)
    return [*shapes, (rest, )]


def make_scores() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f'layer{i:02d}': torch.randn(shape, generator=generator).abs_()
            for i, shape in enumerate(layer_shapes())}


def flat(scores: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([s.flatten() for s in scores.values()])


def count(scores: dict[str, torch.Tensor]) -> int:
    return round(DENSITY * mask_functions.size(scores))


def by_mmlth(scores, one, masks):
    return selection.select(scores, masks, DENSITY)


def by_partition(scores, one, masks):
    return np.partition(one.numpy(), one.numel() - count(scores))


def by_topk(scores, one, masks):
    return torch.topk(one, count(scores), sorted=False)


def by_kthvalue(scores, one, masks):
    return torch.kthvalue(one, one.numel() - count(scores) + 1)


def by_sort(scores, one, masks):
    return torch.sort(one, descending=True)


METHODS = dict(partition=by_partition, mmlth=by_mmlth, topk=by_topk, kthvalue=by_kthvalue, sort=by_sort)


def peak_copies(method: str) -> float:
    """Run one method; return its peak memory beyond inputs and result, in copies of the scores."""
    scores = make_scores()
    one = flat(scores) if method != 'mmlth' else None
    masks = mask_functions.dense_masks(scores)
    size = mask_functions.size(scores)
    METHODS[method](dict(tiny=torch.rand(9)), torch.rand(9), dict(tiny=torch.ones(9, dtype=torch.bool)))
    Path('/proc/self/clear_refs').write_text('5')  # the peak starts from here
    before = _status_bytes('VmRSS')
    METHODS[method](scores, one, masks)
    returned = size if method == 'mmlth' else 0  # its masks, one byte each
    return (_status_bytes('VmHWM') - before - returned) / (4 * size)


def _status_bytes(field: str) -> int:
    line = next(x for x in Path('/proc/self/status').read_text().splitlines() if x.startswith(field))
    return 1024 * int(line.split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--peak', choices=METHODS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        print(peak_copies(args.peak))
        return 0
    scores = make_scores()
    one, masks = flat(scores), mask_functions.dense_masks(scores)
    chosen = by_mmlth(scores, one, masks)
    exact = mask_functions.kept(chosen) == count(scores)
    least = min(float(scores[n][m].min()) for n, m in chosen.items() if m.any())
    most = max(float(scores[n][~m].max()) for n, m in chosen.items() if not m.all())
    print(f'{one.numel():,} scores in {len(scores)} tensors, {100 * DENSITY:.0f}% kept; exact count: {exact}, '
          f'lowest kept >= highest pruned: {least >= most}')
    seconds = {name: [] for name in METHODS}
    order = random.Random(0)
    for _ in range(args.repeats):  # interleaved in changing order, so that load hits all alike
        for name, method in order.sample(list(METHODS.items()), len(METHODS)):
            start = time.perf_counter()
            result = method(scores, one, masks)
            seconds[name].append(time.perf_counter() - start)
            del result
    print(f'{"method":<11} {"seconds":>8} {"/ np.partition":>15} {"extra memory (float32 copies)":>30}')
    for name, values in seconds.items():
        ratio = statistics.median(v / p for v, p in zip(values, seconds['partition']))
        peak = float(subprocess.run([sys.executable, __file__, '--peak', name], check=True,
                                    capture_output=True, text=True).stdout)
        print(f'{name:<11} {statistics.median(values):>8.3f} {ratio:>15.2f} {peak:>30.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
