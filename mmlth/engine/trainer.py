"""Refuse by name, before any training, the ways to train under which masks would not hold."""
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmlth.engine.config_parts import type_name

_MODEL_WRAPPERS = ('MMDistributedDataParallel', 'DistributedDataParallel')
_OPTIM_WRAPPERS = {
    'ApexOptimWrapper': 'Apex casts the weights and steps on copies of them; use AmpOptimWrapper',
    'DeepSpeedOptimWrapper': 'DeepSpeed steps on shards of its own; use OptimWrapper',
}
_OPTIMIZERS = {
    'LBFGS': 'it needs a closure, which MMEngine gives to no optimizer; use another',
    'ZeroRedundancyOptimizer': 'each rank steps on a shard, and its state lies on many ranks; use '
                               'the optimizer that it wraps',
}


def check_trainer(cfg: Config, kind: Any = None) -> None:
    """Raise for a runner, model wrapper or optimizer that masks don't go with.

    Args:
        cfg: Of a training.
        kind: Class of its runner; None takes ``runner_type``.

    Raises:
        ValueError: One of them; names the key, its value, the reason and what to do.
    """
    kind = kind or cfg.get('runner_type', 'Runner')
    runner = RUNNERS.get(kind) if isinstance(kind, str) else kind
    if runner is None or not issubclass(runner, Runner):
        name = type_name(dict(type=kind))
        raise ValueError(f'runner_type={name!r}: mmlth trains with the Runner of MMEngine and '
                         'classes derived from it, which FlexibleRunner is not. Remove '
                         'runner_type and strategy')
    if cfg.get('strategy') is not None:
        raise ValueError(f'strategy={type_name(cfg.strategy)!r}: strategies (DDP, FSDP, DeepSpeed, '
                         'ColossalAI) belong to FlexibleRunner, under which masks would not hold. '
                         'Remove it; DDP comes with the launcher')
    wrapper = type_name(cfg.get('model_wrapper_cfg'))
    if wrapper and wrapper not in _MODEL_WRAPPERS:
        raise ValueError(f'model_wrapper_cfg.type={wrapper!r}: it shards or renames the parameters '
                         f'that masks hang on (FSDP does). Allowed is {_MODEL_WRAPPERS[0]!r}')
    _check_optimizer(cfg.get('optim_wrapper') or {})


def _check_optimizer(wrapper: Any) -> None:
    kind, optimizer = type_name(wrapper), type_name(wrapper.get('optimizer'))
    if kind in _OPTIM_WRAPPERS:
        raise ValueError(f'optim_wrapper.type={kind!r}: {_OPTIM_WRAPPERS[kind]}')
    if wrapper.get('use_fsdp'):
        raise ValueError('optim_wrapper.use_fsdp=True: masks do not go with FSDP; remove it')
    if optimizer in _OPTIMIZERS:
        raise ValueError(f'optim_wrapper.optimizer.type={optimizer!r}: {_OPTIMIZERS[optimizer]}')
