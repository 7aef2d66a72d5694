"""Carry out a rewind policy: new weights, optimizer state, learning rates (see ``mmlth.core.rewind``)."""
import copy
from pathlib import Path
from typing import Any, Mapping

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmlth.core.seeds import derive_seed
from mmlth.engine.checkpoints import load_checkpoint
from mmlth.engine.initial import build_model, init_quietly


def reinitialised(cfg: Config, seed: int, number: int) -> dict[str, Tensor]:
    """Draw the weights of the config's model anew, from a seed of its own for every round.

    What the config initialises from a file (a pretrained backbone) is the same as ever.
    """
    model = build_model(cfg, derive_seed(seed, number))
    init_quietly(model)
    return model.state_dict()


def restore_optimizer(wrapper: OptimWrapper, saved: Mapping[str, Any] | None,
                      masks: Mapping[nn.Parameter, Tensor]) -> None:
    """Set an optimizer's state back; learning rates and other settings stay as they are.

    Args:
        wrapper: Of one optimizer.
        saved: Its state in a checkpoint; None clears it.
        masks: Parameter -> mask; state of pruned weights becomes zero.
    """
    optimizer = wrapper.optimizer
    if saved is None:
        optimizer.state.clear()
        return
    settings = [{k: v for k, v in group.items() if k != 'params'} for group in optimizer.param_groups]
    wrapper.load_state_dict(copy.deepcopy(dict(saved)))
    for group, own in zip(optimizer.param_groups, settings):
        group.update(own)
    for parameter, mask in masks.items():
        for value in optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.masked_fill_(~mask.to(value.device), 0)


def saved_optimizer(path: str | Path, key: str | None) -> dict[str, Any]:
    """Read the state of an optimizer (``key``: its name among several) from a checkpoint."""
    saved = load_checkpoint(path)['optimizer']
    return saved if key is None else saved[key]


def hold_learning_rate(wrapper: OptimWrapper, saved: Mapping[str, Any]) -> None:
    """Give each group the learning rate that it ended with in a checkpoint."""
    for group, last in zip(wrapper.optimizer.param_groups, saved['param_groups']):
        group['lr'] = group['initial_lr'] = last['lr']
