#!/usr/bin/env python
"""Time detectors as MMDet runs them, and as a deployed ticket does, end to end on the CPU.

One image of noise, from the preprocessed image to the detections: RoIAlign and NMS are in it. The
ways take turns in one process; medians are printed, and the spread between the quartiles of the
last. What is pruned, and how far each layer is, says pruned_detectors.py.

``outside`` is the share of the time of MMDet's own detector, folded, that is no convolution and no
linear layer; ``bound`` what would be reached if these took as little of their time as of their
multiply-adds is kept, and all else stayed (Amdahl's law).
"""
import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from pruned_detectors import (
    DETECTORS,
    LogOdds,
    measured,
    multiply_adds,
    pruned,
    runner,
    take_turns,
    weighed,
)
from torch import nn

from mmlth.core.tables import to_markdown_table
from mmlth.deploy.fold import fold
from mmlth.deploy.plan import follow
from mmlth.deploy.pooling import FastRoIAlign, replace, replace_pooling
from mmlth.deploy.tune import record_shapes, tune

WAYS = ['MMDet', 'folded', 'channels_last', 'compiled', 'channels_last, own RoIAlign', 'mmlth']
HEADER = ['detector', 'sparsity', 'multiply-adds kept', 'outside', 'bound', 'sparse layers',
          *(f'{way}, ms' for way in WAYS), 'quartiles', 'vs MMDet',
          'vs the fastest of torch', '... with own RoIAlign']
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
COMPILED = ('backbone', 'neck', 'bbox_head', 'rpn_head', 'roi_head.bbox_head')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detectors', nargs='+', choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument('--sparsities', nargs='+', type=float, default=[0, 0.8, 0.9, 0.95])
    parser.add_argument('--densities', default='paper', help='"paper" or the record of a ticket')
    parser.add_argument('--size', type=int, default=512, help='pixels, both ways')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repetitions', type=int, default=9)
    parser.add_argument('--no-compile', action='store_true', help='leave torch.compile out')
    parser.add_argument(
        '--clock', choices=list(CLOCKS), default='wall', help='cpu: seconds that this process '
        'computed, for a machine that does other things besides; of one thread only')
    return parser.parse_args(argv)


def compiled(model: nn.Module) -> nn.Module:
    """Return the detector with the parts that compute on whole maps compiled, weights frozen."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    made = copy.deepcopy(model)
    modules: dict[str, Any] = dict(made.named_modules())
    for name in COMPILED:
        if name in modules:
            modules[name].forward = torch.compile(modules[name].forward)
    return made


def share_outside(model: nn.Module, run: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the share of a run that is in no convolution and no linear layer."""
    inside, started = [0.0], [0.0]

    def start(*_: Any) -> None:
        started[0] = clock()

    def stop(*_: Any) -> None:
        inside[0] += clock() - started[0]

    run()
    handles = [handle for layer in weighed(model).values() for handle in (
        layer.register_forward_pre_hook(start), layer.register_forward_hook(stop))]
    shares = []
    for _ in range(3):
        inside[0], begun = 0.0, clock()
        run()
        shares.append(1 - inside[0] / (clock() - begun))
    for handle in handles:
        handle.remove()
    return statistics.median(shares)


def row_of(name: str, sparsity: float, odds: LogOdds, args: argparse.Namespace) -> list[str]:
    """Time one detector at one sparsity."""
    clock, size = CLOCKS[args.clock], args.size
    plain = pruned(name, sparsity, odds)
    kept = multiply_adds(plain, runner(plain, size))
    folded = copy.deepcopy(plain)
    fold(folded)
    outside = share_outside(folded, runner(folded, size), clock)
    last, deployed = copy.deepcopy(folded), copy.deepcopy(folded)
    last.to(memory_format=torch.channels_last)
    own_roi_align = copy.deepcopy(last)
    replace(own_roi_align, FastRoIAlign)
    shapes = record_shapes(deployed, runner(deployed, size))
    sparse = follow(deployed, tune(deployed, shapes, lambda text: None).layers)
    replace_pooling(deployed)
    ways = [runner(plain, size), runner(folded, size), runner(last, size, channels_last=True),
            runner(own_roi_align, size, channels_last=True), runner(deployed, size)]
    if not args.no_compile:
        torch._dynamo.reset()
        ways.insert(3, runner(compiled(last), size, channels_last=True))
    times = take_turns(ways, args.repetitions, clock)
    medians = [statistics.median(taken) for taken in times]
    low, _, high = statistics.quantiles(times[-1])
    ratios = [f'{ms / medians[-1]:.2f}x' for ms in (
        medians[0], min(medians[:-2]), min(medians[:-1]))]
    shown = [f'{ms:.0f}' for ms in medians]
    if args.no_compile:
        shown.insert(3, '')
    return [name, f'{sparsity:.0%}', f'{kept:.1%}', f'{outside:.0%}',
            f'{1 / (outside + (1 - outside) * kept):.1f}x', str(sparse), *shown,
            f'{low:.0f} to {high:.0f}', *ratios]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    odds, rows = measured(args.densities), []
    for name in args.detectors:
        for sparsity in args.sparsities:
            rows.append(row_of(name, sparsity, odds, args))
            print(rows[-1], flush=True)
    print(to_markdown_table(HEADER, rows))


if __name__ == '__main__':
    main()
