#!/usr/bin/env python
"""What watching the early-bird mask costs: seconds in the hook over seconds of training.

Times whole looks of EarlyBirdHook (copy to the CPU, score, select, pack, compare with five earlier
masks, write) on the weights of Faster R-CNN R50-FPN, and whole training steps of the same model,
one process, median. At the default interval a training has 50 looks, however long it is; so the
share follows from the length of the training, and the last column is the length from which on it
is below 1%.

With --step-seconds no step is run and that figure is taken instead, which the table says.
"""
import argparse
import logging
import statistics
import sys
import tempfile
from types import SimpleNamespace

import torch
from detector import Clock, add_arguments, batch, build, sgd, train_step
from torch import nn

from mmlth.core import early_bird, scope
from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook

COCO_1X = 12 * 7329  # steps of the paper's schedule, 16 images each


def looks(model: nn.Module, names: tuple[str, ...], count: int, density: float) -> float:
    """Return the median seconds of a look at the weights called ``names``."""
    runner = stand_in_runner(model, count)
    seconds = []
    for parameter in model.parameters():  # of one scale: untrained ones leave some layers empty
        nn.init.normal_(parameter, std=0.02)
    with tempfile.TemporaryDirectory() as folder:
        hook = EarlyBirdHook(folder, density, names=names, interval=1, fraction=1.0)
        hook.before_train(runner)
        for step in range(count):
            disturb(model)
            before = hook.seconds
            runner.iter = step
            hook.after_train_iter(runner, 0)
            seconds.append(hook.seconds - before)
    return statistics.median(seconds[count // 2:])


def stand_in_runner(model: nn.Module, steps: int) -> SimpleNamespace:
    """Return what the hook reads and writes of a Runner."""
    return SimpleNamespace(
        model=model,
        hooks=[],
        iter=0,
        max_iters=steps,
        train_loop=SimpleNamespace(stop_training=False),
        logger=logging.getLogger('early_bird'),
        message_hub=SimpleNamespace(update_scalar=lambda *_: None),
    )


@torch.no_grad()
def disturb(model: nn.Module) -> None:
    """Stand in for training, so that the mask changes."""
    for parameter in model.parameters():
        parameter.mul_(1 + 0.02 * torch.randn_like(parameter))


def time_step(model: nn.Module, args: argparse.Namespace) -> float:
    """Return the median seconds of a training step."""
    optimizer = sgd(model)
    clock = Clock(args.device)
    data = batch(args.size, args.images)
    seconds = []
    for _ in range(1 + args.steps):
        start = clock.now()
        train_step(model, optimizer, data)
        seconds.append(clock.now() - start)
    return statistics.median(seconds[1:])


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--looks', type=int, default=12,
                        help='timed looks; the second half counts')
    parser.add_argument('--density', type=float, default=0.2)
    parser.add_argument('--steps', type=int, default=5, help='timed training steps')
    parser.add_argument('--step-seconds', type=float,
                        help='take this for a training step, run none')
    add_arguments(parser)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    model = build(args.device)
    source = 'given' if args.step_seconds else 'measured'
    step = args.step_seconds or time_step(model, args)
    names = scope.choose(scope.list_weights(model), 'paper')
    weights = sum(model.get_parameter(name).numel() for name in names)
    look = looks(model, names, args.looks, args.density)
    steps = early_bird.LOOKS * look / step  # that take as long as all looks of a training
    print(f'Faster R-CNN R50-FPN, {weights:,} weights watched, {early_bird.LOOKS} looks a '
          f'training, {args.device}, step {source}')
    share_title = f'share of {COCO_1X} steps'
    print(f'{"look":>9} {"step":>9} {share_title:>22} {"below 1% from":>15}')
    share = 100 * steps / COCO_1X
    print(f'{1000 * look:>6.0f} ms {step:>7.2f} s {share:>21.3f}% {100 * steps:>9.0f} steps')
    return 0


if __name__ == '__main__':
    sys.exit(main())
