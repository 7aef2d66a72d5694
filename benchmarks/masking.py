#!/usr/bin/env python
"""What masking costs in training: seconds spent in it per step over seconds of the step.

Faster R-CNN R50-FPN with 80% of the paper's scope pruned, one process, median over the steps.
Every method masks the same tensors; the seconds are taken inside the method's own hooks, since
whole-step times on a shared CPU swing by more than a per cent. On a GPU the ratio of whole steps
is printed too (CUDA is synchronised around every timer).

  mmlth       gradient masked as it arrives, weights masked after the optimizer's step
  prune       torch.nn.utils.prune: weight_orig * weight_mask before every forward of every layer
  forward     a parametrisation: weight * mask whenever the weight is read, that is once per call
  loop        weights multiplied by their mask in a loop before every forward (not the gradients)
  state_dict  after every step a loop over state_dict() that multiplies and loads, as the paper's
              released code does
"""
import argparse
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import torch
from detector import Clock, add_arguments, batch, build, sgd, train_step
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.optim import Optimizer

from mmlth.core import criteria, masks as mask_functions, scope, selection
from mmlth.engine.wrapper import PrunedModelWrapper

DENSITY = 0.2

Masks = dict[str, Tensor]


def owners_of(model: nn.Module, masks: Masks) -> dict[str, nn.Module]:
    """Return name of a weight -> the layer that holds it."""
    return {name: model.get_submodule(name.removesuffix('.weight')) for name in masks}


def by_mmlth(model: nn.Module, masks: Masks, optimizer: Optimizer, clock: Clock) -> None:
    with timed_gradient_hooks(clock):
        wrapper = PrunedModelWrapper(model, masks)
    timed_apply = clock.timed(wrapper.apply_masks)
    mock.patch.object(wrapper, 'apply_masks', timed_apply).start()
    wrapper.guard(optimizer)


def timed_gradient_hooks(clock: Clock) -> AbstractContextManager:
    """Time the gradient hooks that are registered within this context."""
    register = Tensor.register_post_accumulate_grad_hook

    def register_timed(parameter: Tensor, hook: Callable) -> Any:
        return register(parameter, clock.timed(hook))
    return mock.patch.object(Tensor, 'register_post_accumulate_grad_hook', register_timed)


class TimedPruning(prune.BasePruningMethod):
    """Multiply by a given mask, as prune.custom_from_mask does, against the clock."""

    PRUNING_TYPE = 'global'

    def __init__(self, mask: Tensor, clock: Clock) -> None:
        self.mask = mask
        self.clock = clock

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * self.mask.to(default_mask.dtype)

    def __call__(self, module: nn.Module, inputs: tuple) -> None:
        with self.clock.running():
            super().__call__(module, inputs)


def by_prune(model: nn.Module, masks: Masks, optimizer: Optimizer, clock: Clock) -> None:
    for name, owner in owners_of(model, masks).items():
        TimedPruning.apply(owner, 'weight', mask=masks[name], clock=clock)


class Multiply(nn.Module):
    """The parametrisation weight * mask, against the clock."""

    mask: Tensor

    def __init__(self, mask: Tensor, clock: Clock) -> None:
        super().__init__()
        self.register_buffer('mask', mask)
        self.clock = clock

    def forward(self, weight: Tensor) -> Tensor:
        with self.clock.running():
            return weight * self.mask


def by_forward(model: nn.Module, masks: Masks, optimizer: Optimizer, clock: Clock) -> None:
    for name, owner in owners_of(model, masks).items():
        multiply = Multiply(masks[name], clock)
        parametrize.register_parametrization(owner, 'weight', multiply)


def by_loop(model: nn.Module, masks: Masks, optimizer: Optimizer, clock: Clock) -> None:
    weights = {name: model.get_parameter(name) for name in masks}

    def before_forward(*_: Any) -> None:
        with clock.running(), torch.no_grad():
            for name, weight in weights.items():
                weight.mul_(masks[name])
    model.register_forward_pre_hook(before_forward)


def by_state_dict(model: nn.Module, masks: Masks, optimizer: Optimizer, clock: Clock) -> None:
    def after_step(*_: Any) -> None:
        with clock.running(), torch.no_grad():
            state = model.state_dict()
            for name in state:
                if name in masks:
                    state[name] = state[name] * masks[name]
            model.load_state_dict(state)
    optimizer.register_step_post_hook(after_step)


# name -> makes a model train masked, timing what that does beyond a dense step
METHODS = {
    'mmlth': by_mmlth,
    'prune': by_prune,
    'forward': by_forward,
    'loop': by_loop,
    'state_dict': by_state_dict,
}


def choose_masks(model: nn.Module) -> Masks:
    """Return the masks of the paper's scope by magnitude, on the device of the model."""
    names = scope.choose(scope.list_weights(model), 'paper')
    weights = {name: model.get_parameter(name).detach().cpu() for name in names}
    scores = criteria.score('magnitude', weights, weights)
    masks = selection.select(scores, mask_functions.dense_masks(weights), DENSITY)
    device = next(model.parameters()).device
    return {name: mask.to(device) for name, mask in masks.items()}


def measure(method: str | None, args: argparse.Namespace) -> tuple[float, float]:
    """Return the median seconds in the method (None: dense) and of the whole step."""
    model = build(args.device)
    masks = choose_masks(model)
    optimizer = sgd(model)
    clock = Clock(args.device)
    if method is not None:
        METHODS[method](model, masks, optimizer, clock)
    data = batch(args.size, args.images)
    inside, whole = [], []
    for _ in range(args.warmup + args.steps):
        clock.seconds = 0.0
        start = clock.now()
        train_step(model, optimizer, data)
        whole.append(clock.now() - start)
        inside.append(clock.seconds)
    return statistics.median(inside[args.warmup:]), statistics.median(whole[args.warmup:])


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=10, help='timed steps per method')
    parser.add_argument('--warmup', type=int, default=2)
    add_arguments(parser)
    parser.add_argument('--methods', nargs='+', default=list(METHODS), choices=METHODS)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    width, height = args.size
    print(f'Faster R-CNN R50-FPN, 80% of its scope pruned, {args.images} images of '
          f'{width}x{height}, {args.device}, median of {args.steps} steps', flush=True)
    dense = None if args.device == 'cpu' else measure(None, args)[1]
    ratio_title = f' {"step / dense step":>18}' if dense else ''
    print(f'{"method":<11} {"in it":>10} {"step":>9} {"share of the step":>18}' + ratio_title)
    for method in args.methods:
        inside, whole = measure(method, args)
        share = 100 * inside / whole
        ratio = f' {whole / dense:>18.3f}' if dense else ''
        print(f'{method:<11} {1000 * inside:>7.1f} ms {whole:>7.2f} s {share:>17.2f}%' + ratio,
              flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
