#!/usr/bin/env python
"""What masking costs in training: seconds spent in it per step over seconds of the step.

Faster R-CNN R50-FPN with 80% of the paper's scope pruned, one process, median over the steps. Every
method masks the same tensors; the seconds are taken inside the method's own hooks, since whole-step
times on a shared CPU swing by more than a per cent. On a GPU the ratio of whole steps is printed too
(CUDA is synchronised around every timer).

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
import time
from contextlib import contextmanager

import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from torch import nn
from torch.nn.utils import parametrize, prune

from mmlth.core import criteria, masks as mask_functions, scope, selection
from mmlth.engine.configs import load_config
from mmlth.engine.initial import init_quietly
from mmlth.engine.wrapper import PrunedModelWrapper


class Clock:
    """Adds up the seconds spent in a method within one step."""

    def __init__(self, device: str) -> None:
        self.cuda = device != 'cpu'
        self.seconds = 0.0

    def now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def running(self):
        start = self.now()
        yield
        self.seconds += self.now() - start

    def timed(self, function):
        def call(*args, **kwargs):
            with self.running():
                return function(*args, **kwargs)
        return call


class Multiply(nn.Module):
    def __init__(self, mask: torch.Tensor, clock: Clock) -> None:
        super().__init__()
        self.register_buffer('mask', mask)
        self.clock = clock

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        with self.clock.running():
            return weight * self.mask


def install(method: str, model: nn.Module, masks: dict, optimizer, clock: Clock) -> None:
    """Make ``model`` train masked by one method, timing what it does beyond a dense step."""
    owners = {name: model.get_submodule(name.rpartition('.')[0]) for name in masks}
    on_device = {name: m.to(next(model.parameters()).device) for name, m in masks.items()}
    if method == 'mmlth':
        PrunedModelWrapper._mask_grad = timed_factory(PrunedModelWrapper._mask_grad, clock)
        wrapper = PrunedModelWrapper(model, masks)
        wrapper.apply_masks = clock.timed(wrapper.apply_masks)
        wrapper.guard(optimizer)
    elif method == 'prune':
        for name, owner in owners.items():
            prune.custom_from_mask(owner, 'weight', on_device[name])
            (hook, ) = [k for k, h in owner._forward_pre_hooks.items()
                        if isinstance(h, prune.BasePruningMethod)]
            owner._forward_pre_hooks[hook] = clock.timed(owner._forward_pre_hooks[hook])
    elif method == 'forward':
        for name, owner in owners.items():
            parametrize.register_parametrization(owner, 'weight', Multiply(on_device[name], clock))
    elif method == 'loop':
        def before_forward(*_):
            with clock.running(), torch.no_grad():
                for name, owner in owners.items():
                    owner.weight.data.mul_(on_device[name])
        model.register_forward_pre_hook(before_forward)
    elif method == 'state_dict':
        def after_step(*_):
            with clock.running(), torch.no_grad():
                state = model.state_dict()
                for name in state:
                    if name in on_device:
                        state[name] = state[name] * on_device[name]
                model.load_state_dict(state)
        optimizer.register_step_post_hook(after_step)


def timed_factory(factory, clock: Clock):
    """Time the gradient hook that ``factory`` returns."""
    inner = getattr(factory, '_plain', factory)

    def make(self, name):
        return clock.timed(inner(self, name))
    make._plain = inner
    return make


def build(device: str):
    cfg = load_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', {'model.backbone.init_cfg': None})
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device)
    init_quietly(model)
    return model.train()


def batch(size: tuple[int, int], images: int) -> dict:
    """Return random images with five boxes each, as a data loader would."""
    from mmdet.structures import DetDataSample
    generator = torch.Generator().manual_seed(0)
    width, height = size
    samples = []
    for _ in range(images):
        corner = torch.rand(5, 2, generator=generator) * torch.tensor([width / 2, height / 2])
        boxes = torch.cat([corner, corner + torch.tensor([width / 3, height / 3])], 1)
        sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width),
                                             scale_factor=(1.0, 1.0)))
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.arange(5))
        samples.append(sample)
    inputs = [torch.randint(0, 255, (3, height, width), dtype=torch.uint8, generator=generator)
              for _ in range(images)]
    return dict(inputs=inputs, data_samples=samples)


def measure(method: str, args: argparse.Namespace) -> tuple[float, float]:
    """Return the median seconds in the method and of the whole step."""
    model = build(args.device)
    names = scope.choose(scope.list_weights(model), 'paper')
    weights = {n: model.get_parameter(n).detach().cpu() for n in names}
    scores = criteria.score('magnitude', weights, weights)
    masks = selection.select(scores, mask_functions.dense_masks(weights), 0.2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    clock = Clock(args.device)
    install(method, model, masks, optimizer, clock)
    data = batch(args.size, args.images)
    inside, whole = [], []
    for _ in range(args.warmup + args.steps):
        clock.seconds, start = 0.0, clock.now()
        optimizer.zero_grad()
        processed = model.data_preprocessor(data, training=True)
        loss, _ = model.parse_losses(model(**processed, mode='loss'))
        loss.backward()
        optimizer.step()
        whole.append(clock.now() - start)
        inside.append(clock.seconds)
    return statistics.median(inside[args.warmup:]), statistics.median(whole[args.warmup:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=10, help='timed steps per method')
    parser.add_argument('--warmup', type=int, default=2)
    parser.add_argument('--size', type=int, nargs=2, default=(1333, 800), metavar=('W', 'H'))
    parser.add_argument('--images', type=int, default=2, help='per step')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--methods', nargs='+', default=['mmlth', 'prune', 'forward', 'loop', 'state_dict'])
    args = parser.parse_args()
    print(f'Faster R-CNN R50-FPN, 80% of its scope pruned, {args.images} images of {args.size[0]}x'
          f'{args.size[1]}, {args.device}, median of {args.steps} steps', flush=True)
    dense = measure('dense', args)[1] if args.device != 'cpu' else None
    print(f'{"method":<11} {"in it":>10} {"step":>9} {"share of the step":>18}'
          + (f' {"step / dense step":>18}' if dense else ''))
    for method in args.methods:
        inside, whole = measure(method, args)
        print(f'{method:<11} {1000 * inside:>7.1f} ms {whole:>7.2f} s {100 * inside / whole:>17.2f}%'
              + (f' {whole / dense:>18.3f}' if dense else ''), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
