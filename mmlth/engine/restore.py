"""Carry out what a rewind does to optimizers: their state and their learning rates."""
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from mmlth.core.checkpoints import load_checkpoint


def optimizers_of(runner: Runner) -> dict[str | None, OptimWrapper]:
    """Return the runner's optimizers by name; the name of an only one is None."""
    wrapper = runner.optim_wrapper
    return dict(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else {None: wrapper}


def restore_optimizer(
    wrapper: OptimWrapper, saved: Mapping[str, Any] | None, masks: Mapping[nn.Parameter, Tensor],
) -> None:
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
    settings = [{key: value for key, value in group.items() if key != 'params'}
                for group in optimizer.param_groups]
    wrapper.load_state_dict(copy.deepcopy(dict(saved)))
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
    for parameter, mask in masks.items():
        for value in optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.masked_fill_(~mask.to(value.device), 0)


def saved_optimizer(path: str | Path, key: str | None) -> dict[str, Any]:
    """Read the state of an optimizer (``key``: its name among several) from a checkpoint."""
    saved = load_checkpoint(path)['optimizer']
    return dict(saved if key is None else saved[key])


def hold_learning_rate(wrapper: OptimWrapper, saved: Mapping[str, Any]) -> None:
    """Give each group the learning rate that it ended with in a checkpoint."""
    for group, last in zip(wrapper.optimizer.param_groups, saved['param_groups'], strict=True):
        group['lr'] = group['initial_lr'] = last['lr']
