#!/usr/bin/env python
"""What watching the early-bird mask costs: seconds in the hook over seconds of training.

Times whole looks of EarlyBirdHook (copy to the CPU, score, select, compare with five earlier masks,
write) on the weights of Faster R-CNN R50-FPN, and whole training steps of the same model, one process,
median. At the default interval a training has 50 looks, however long it is; so the share follows from
the length of the training, and the last column is the length from which on it is below 1%.

With --step-seconds no step is run and that figure is taken instead, which the table says.
"""
import argparse
import logging
import statistics
import sys
import tempfile
from types import SimpleNamespace

import torch
from masking import batch, build, Clock

from mmlth.core import early_bird, scope
from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook

COCO_1X = 12 * 7329  # steps of the paper's schedule, 16 images each


def looks(model: torch.nn.Module, count: int, density: float) -> tuple[int, float]:
    """Return the number of weights watched and the median seconds of a look."""
    names = scope.choose(scope.list_weights(model), 'paper')
    runner = SimpleNamespace(
        model=model, hooks=[], iter=0, max_iters=count, train_loop=SimpleNamespace(stop_training=False),
        logger=logging.getLogger('early_bird'), message_hub=SimpleNamespace(update_scalar=lambda *_: None))
    seconds = []
    for parameter in model.parameters():  # of one scale: untrained ones would leave some layers empty
        torch.nn.init.normal_(parameter, std=0.02)
    with tempfile.TemporaryDirectory() as folder:
        hook = EarlyBirdHook(folder, density, names=names, interval=1, fraction=1.0)
        hook.before_train(runner)
        for step in range(count):
            with torch.no_grad():  # stands in for training, so that the mask changes
                for parameter in model.parameters():
                    parameter.mul_(1 + 0.02 * torch.randn_like(parameter))
            before = hook.seconds
            runner.iter = step
            hook.after_train_iter(runner, 0)
            seconds.append(hook.seconds - before)
    return sum(model.get_parameter(n).numel() for n in names), statistics.median(seconds[count // 2:])


def step(model: torch.nn.Module, args: argparse.Namespace) -> float:
    """Return the median seconds of a training step."""
    optimizer, clock = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9), Clock(args.device)
    data, seconds = batch(args.size, args.images), []
    for _ in range(1 + args.steps):
        start = clock.now()
        optimizer.zero_grad()
        processed = model.data_preprocessor(data, training=True)
        loss, _ = model.parse_losses(model(**processed, mode='loss'))
        loss.backward()
        optimizer.step()
        seconds.append(clock.now() - start)
    return statistics.median(seconds[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--looks', type=int, default=12, help='timed looks; the second half counts')
    parser.add_argument('--density', type=float, default=0.2)
    parser.add_argument('--steps', type=int, default=5, help='timed training steps')
    parser.add_argument('--step-seconds', type=float, help='take this for a training step, run none')
    parser.add_argument('--size', type=int, nargs=2, default=(1333, 800), metavar=('W', 'H'))
    parser.add_argument('--images', type=int, default=2, help='per step')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    model = build(args.device)
    source = 'given' if args.step_seconds else 'measured'
    one_step = args.step_seconds or step(model, args)
    weights, one_look = looks(model, args.looks, args.density)
    seconds = early_bird.LOOKS * one_look
    print(f'Faster R-CNN R50-FPN, {weights:,} weights watched, {early_bird.LOOKS} looks a training, '
          f'{args.device}, step {source}')
    print(f'{"look":>9} {"step":>9} {f"share of {COCO_1X} steps":>22} {"below 1% from":>15}')
    print(f'{1000 * one_look:>6.0f} ms {one_step:>7.2f} s {100 * seconds / (COCO_1X * one_step):>21.3f}% '
          f'{100 * seconds / one_step:>9.0f} steps')
    return 0


if __name__ == '__main__':
    sys.exit(main())
