"""What the model of a config is, found out once: everybody else reads it here."""
import copy
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint, set_random_seed
from torch import nn

from mmlth.core import checkpoints, scope
from mmlth.core.masks import Weights, digest
from mmlth.core.quiet import quiet
from mmlth.core.roles import groups_of
from mmlth.core.scope import WeightInfo
from mmlth.core.seeds import derive_seed
from mmlth.core.storage import shared_names
from mmlth.engine.config_parts import as_list, type_name
from mmlth.engine.pretrained import how_to_get
from mmlth.settings.imp_config import IMPConfig

_LOADED = ('Pretrained', 'PretrainedInit')
_MIXED_PRECISION = ('loss_scale', 'dtype', 'use_fp16')  # of AmpOptimWrapper, which needs a GPU


@dataclass(frozen=True, kw_only=True)
class Net:
    """The model of a config before its first step, and what a job has to know of it.

    Attributes:
        model: On the CPU, in training mode, with its initial weights.
        weights: Every tensor that could be pruned, once, with its group and all its names; frozen
            means that no training changes it: after ``.train()``, or by a learning rate of 0.
        groups: name in the state -> group of its module.
        shared: name in the state -> name of the tensor whose mask it takes: tied weights, and
            copies that follow another net (a mean teacher).
        parameters: Number of parameters, shared ones once, following copies left out.
        note: Why the initial weights aren't the config's, or ''.
    """

    model: nn.Module
    weights: tuple[WeightInfo, ...]
    groups: dict[str, str]
    shared: dict[str, str]
    parameters: int
    note: str = ''

    @property
    def state(self) -> Weights:
        """Copies of all parameters and buffers, as a training would start from them."""
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """name -> shape of everything in the state."""
        return {name: tuple(t.shape) for name, t in self.model.state_dict().items()}

    def choose(self, settings: IMPConfig) -> tuple[str, ...]:
        """Return the names of the tensors in the scope of a job, in order."""
        return scope.choose(self.weights, settings.scope, include=settings.include,
                            exclude=settings.exclude, frozen=settings.frozen)


def read_net(cfg: Config, seed: int, *, need_weights: bool = True) -> Net:
    """Build the model of a config with the initial weights that its seed gives.

    Args:
        cfg: Config with a ``model``; ``init_cfg`` and ``load_from`` are applied.
        seed: Of what is drawn.
        need_weights: Whether weights that can't be had (no network, a missing package) are an
            error; otherwise they become the note.

    Raises:
        OSError: Pretrained weights can't be had and ``need_weights``.
        ValueError: The model or its optimizer can't be built; ``load_from`` or the checkpoint of
            an ``init_cfg`` fits nothing.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = _build(cfg, seed)
    note = _initialise(model, cfg, need_weights)
    shared = shared_names(model)
    _copy_followers(model, shared)
    model.train()
    still = _names_at_rest(model, cfg)
    weights = tuple(replace(weight, frozen=weight.frozen or weight.name in still)
                    for weight in scope.list_weights(model))
    return Net(model=model, weights=weights, groups=groups_of(model), shared=shared,
               parameters=scope.count_parameters(model), note=note)


def drawn_anew(cfg: Config, seed: int, number: int) -> Weights:
    """Draw the initial weights of a config again, from a seed of its own for every round.

    What the config takes from a file (a pretrained backbone, ``load_from``) is the same as ever.
    """
    return read_net(cfg, derive_seed(seed, number)).state


def build_optimizers(model: nn.Module, cfg: Config) -> list[OptimWrapper]:
    """Build the optimizers that would train a model, without mixed precision.

    Raises:
        ValueError: The config's ``optim_wrapper`` can't be built.
    """
    wanted = copy.deepcopy(cfg.optim_wrapper)
    if type_name(wanted) == 'AmpOptimWrapper':
        wanted['type'] = 'OptimWrapper'
    for key in _MIXED_PRECISION:
        wanted.pop(key, None)
    try:
        built = build_optim_wrapper(model, wanted)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f'optim_wrapper of the config cannot be built: {error}') from error
    return list(built.values()) if isinstance(built, OptimWrapperDict) else [built]


def _build(cfg: Config, seed: int) -> nn.Module:
    set_random_seed(seed)
    own = copy.deepcopy(cfg.model)  # two-stage detectors write into theirs
    if cfg.get('data_preprocessor') is not None:
        own.setdefault('data_preprocessor', copy.deepcopy(cfg.data_preprocessor))  # as Runner does
    model: nn.Module = MODELS.build(own)
    return model


def _initialise(model: Any, cfg: Config, need_weights: bool) -> str:
    """Draw or load the initial weights; return why that failed, or ''."""
    try:
        with _without_log():
            if hasattr(model, 'init_weights'):
                _init_weights(model)
            if cfg.get('load_from'):
                _load(model, cfg.load_from)
    except (OSError, ImportError) as error:  # a scheme may need a package
        by_hand = how_to_get(cfg) or 'check init_cfg, load_from and the network'
        if need_weights:
            raise OSError(
                f'the initial weights of the config cannot be loaded: {error}. {by_hand}; or set '
                'init_cfg=None') from error
        return f'not loaded: the initial weights ({error}), which a training will need. {by_hand}'
    return ''


def _init_weights(model: Any) -> None:
    """Draw and load initial weights, but not in silence where nothing of a checkpoint fits."""
    given = {name: init for name, module in model.named_modules()
             for init in as_list(getattr(module, 'init_cfg', None)) if type_name(init) in _LOADED}
    before = {name: digest(model.get_submodule(name).state_dict()) for name in given}
    model.init_weights()
    for name, init in given.items():
        if digest(model.get_submodule(name).state_dict()) == before[name]:
            raise ValueError(
                f'init_cfg of {name or "the model"} loads nothing: {init["checkpoint"]!r} holds no '
                "tensor of equal name and shape. If its names begin with 'backbone.' or the like, "
                "give init_cfg a prefix='backbone.'")


def _load(model: nn.Module, path: str) -> None:
    """Load ``load_from`` as a runner does, but not in silence where nothing fits."""
    if os.path.isfile(path):
        checkpoints.load_checkpoint(path)  # older torch would unpickle anything: refused by name
    checkpoint = load_checkpoint(model, path, map_location='cpu', revise_keys=[(r'^module\.', '')])
    found: Mapping[str, Any] = checkpoint.get('state_dict', checkpoint)
    given = {name.removeprefix('module.'): value for name, value in found.items()}
    own = model.state_dict()
    if not any(isinstance(value, torch.Tensor) and name in own and value.shape == own[name].shape
               for name, value in given.items()):
        raise ValueError(f'load_from={path!r} holds no tensor of the model, of equal name and '
                         f'shape; its names begin with {sorted(given)[:3]}')


@torch.no_grad()
def _copy_followers(model: nn.Module, shared: Mapping[str, str]) -> None:
    """Let copies that follow another net begin as it does, as their hook will have it."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, owner in shared.items():
        if parameters[name] is not parameters[owner]:
            parameters[name].copy_(parameters[owner])


def _names_at_rest(model: nn.Module, cfg: Config) -> set[str]:
    """Return the names of parameters that the config's optimizers never change."""
    if cfg.get('optim_wrapper') is None:
        return set()
    with _without_log():
        optimizers = build_optimizers(model, cfg)
    groups = [group for each in optimizers for group in each.optimizer.param_groups]
    moving = {id(p) for group in groups if group['lr'] for p in group['params']}
    return {name for name, p in model.named_parameters() if id(p) not in moving}


def _without_log() -> AbstractContextManager[None]:
    """Keep back MMEngine's log line per parameter, which would bury the table."""
    return quiet(MMLogger.get_current_instance(), logging.WARNING)
