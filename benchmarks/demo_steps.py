"""Training steps on made-up images: as MMEngine does them, and pruned."""
import copy
import re
from collections.abc import Iterable
from typing import Any

import torch
from demo_batches import batch_for
from mmengine.config import Config
from torch import nn

from mmlth.core.masks import Masks, Weights, apply, check_zeros, digest
from mmlth.engine.net import Net, build_optimizers
from mmlth.engine.wrapper import PrunedModelWrapper

STEPS = 2
SIZES = (64, 256, 512)  # of the images, in pixels
TOO_SMALL = re.compile('smaller than|out of range|too small')


def train_densely(model: nn.Module, cfg: Config) -> tuple[dict[str, Any], Weights]:
    """Train without mmlth, as MMEngine does, on images as small as the model can take.

    Returns the batch and the state afterwards.
    """
    start = copy.deepcopy(model)
    for size in SIZES:
        batch = batch_for(start, cfg, size)
        model = copy.deepcopy(start)
        try:
            train(model, cfg, batch)
        except RuntimeError as error:  # for a kernel, or for the queries of a transformer
            if size == SIZES[-1] or not TOO_SMALL.search(str(error)):
                raise
        else:
            break
    return batch, model.state_dict()


def train(model: nn.Module, cfg: Config, batch: dict[str, Any]) -> None:
    """Do the steps that MMEngine does."""
    model.train()
    (optimizer, *_) = build_optimizers(model, cfg)
    for _ in range(STEPS):
        model.train_step(copy.deepcopy(batch), optimizer)


def moved(state: Weights, start: Weights, names: Iterable[str]) -> list[str]:
    """List the tensors that differ from their start."""
    return [name for name in names if not torch.equal(state[name], start[name])]


def train_pruned(
    net: Net, masks: Masks, cfg: Config, batch: dict[str, Any], dense_moved: bool,
) -> None:
    """Do pruned steps; raise RuntimeError or ValueError where they aren't what mmlth promises."""
    everywhere = {**masks, **{name: masks[owner] for name, owner in net.shared.items()
                              if owner in masks}}
    start = apply(everywhere, net.state)
    net.model.load_state_dict(start, strict=True)
    wrapper = PrunedModelWrapper(net.model, masks)
    if digest(net.model.state_dict()) != digest(start):
        raise RuntimeError('the model is not m * w_0 after the rewind')
    (optimizer, *_) = build_optimizers(net.model, cfg)
    wrapper.guard(optimizer.optimizer)
    net.model.train()
    for _ in range(STEPS):
        wrapper.train_step(copy.deepcopy(batch), optimizer)
        check_zeros(everywhere, net.model.state_dict(), 'the model after a step')
    if dense_moved and not moved(net.model.state_dict(), start, masks):
        raise RuntimeError('no weight of the scope moved')
    net.model.load_state_dict(start, strict=False)
    state = net.model.state_dict()
    if digest({name: state[name] for name in start}) != digest(start):
        raise RuntimeError('the second rewind is not exact')
