"""Measure nets on the straight line between two trained ones: metrics and training loss."""
import copy
import re
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mmlth.core.interpolation import interpolate
from mmlth.core.masks import Weights
from mmlth.core.ticket import check_weights

_DRAWING = (_DropoutNd, nn.MultiheadAttention)  # layers that drop some of their values
_DROPS = re.compile('DropPath|DropBlock|StochasticDepth')  # those of other packages, by name

_UNUSED = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'test_dataloader',
           'test_cfg', 'test_evaluator', 'custom_hooks', 'load_from')


def walk(
    cfg: Config, a: Weights, b: Weights, shares: Sequence[float], *, work_dir: str,
    bn_batches: int = 50, loss_batches: int = 50, seed: int = 0,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure the net ``(1 - share) * a + share * b`` at every share.

    Statistics of batch normalisation are measured again between the ends, in the layers in which
    training updates them; at the ends they are those of the checkpoints.

    Args:
        cfg: Of the training, with its training and validation data; not changed.
        a: Whole state of the one end.
        b: Of the other.
        shares: In [0, 1].
        work_dir: For logs.
        bn_batches: Training batches on which statistics are measured; 0 interpolates them.
        loss_batches: Further training batches, whose mean loss is taken.
        seed: Of these batches and of what the loss draws, the same at every point.

    Returns:
        The points, each a dict: ``share``, ``reestimated``, ``loss``, ``metrics``; and the ends
        once more, with statistics measured again ([] where there are none).

    Raises:
        ValueError: The states differ or don't fit the model, or there is no training batch.
    """
    interpolate(a, b, 0)
    runner = _runner(cfg, work_dir)
    model: Any = runner.model
    check_weights(a, model.state_dict(), 'the checkpoint of the first net')
    layers = updated_statistics(model) if bn_batches else []
    needed = bn_batches if layers else 0
    batches = draw_batches(cfg, needed + loss_batches, seed)

    def measure(share: float, again: bool) -> dict[str, Any]:
        model.load_state_dict(interpolate(a, b, share), strict=True)
        if again:
            measure_statistics(model, layers, batches[:needed], seed)
        loss = mean_loss(model, batches[needed:], seed)
        found = runner.val_loop.run()
        metrics = {name: float(value) for name, value in found.items()}
        return dict(share=share, reestimated=again, loss=loss, metrics=metrics)

    points = [measure(share, bool(layers) and 0 < share < 1) for share in shares]
    return points, [measure(share, True) for share in (0.0, 1.0) if layers]


def _runner(cfg: Config, work_dir: str) -> Runner:
    """Build a runner that only evaluates, as the training did, and saves nothing."""
    cfg = copy.deepcopy(cfg)
    for key in _UNUSED:
        cfg.pop(key, None)
    cfg.work_dir, cfg.launcher, cfg.resume = work_dir, 'none', False
    cfg.default_hooks = {**(cfg.get('default_hooks') or {}), 'checkpoint': None}
    runner: Runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.call_hook('before_run')
    return runner


def draw_batches(cfg: Config, count: int, seed: int) -> list[Any]:
    """Return training batches, epoch after epoch until there are ``count``.

    Raises:
        ValueError: The training loader gives none.
    """
    set_random_seed(seed)
    loader = Runner.build_dataloader(
        {**copy.deepcopy(cfg.train_dataloader), 'persistent_workers': False}, seed=seed)
    batches: list[Any] = []
    epoch = 0
    while len(batches) < count:
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        before = len(batches)
        for batch in loader:
            batches.append(batch)
            if len(batches) == count:
                break
        if len(batches) == before:
            raise ValueError(f'train_dataloader gives no batch, but {count} are needed to measure '
                             'statistics and loss. Are all its images filtered out?')
        epoch += 1
    return batches


def updated_statistics(model: nn.Module) -> list[Any]:
    """List the batch normalisations whose statistics training updates.

    Those that the model freezes in ``.train()`` (``norm_eval``, frozen stages) are none: both ends
    hold the same statistics there.
    """
    model.train()
    return [layer for layer in model.modules()
            if isinstance(layer, _BatchNorm) and layer.training and layer.track_running_stats]


@torch.no_grad()
def measure_statistics(
    model: nn.Module, layers: Sequence[Any], batches: Sequence[Any], seed: int,
) -> None:
    """Set running statistics to their plain mean over batches.

    Layers that no batch reaches keep what they have.

    Args:
        model: MMEngine's kind, in any mode.
        layers: Of :func:`updated_statistics`.
        batches: As a training loader gives them; not changed.
        seed: Of what a forward pass draws.
    """
    before = [copy.deepcopy(layer.state_dict()) for layer in layers]
    momenta = [layer.momentum for layer in layers]
    _set_mode(model, layers)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch then takes the plain mean
    set_random_seed(seed)
    for batch in batches:
        _losses(model, batch)
    for layer, momentum, old in zip(layers, momenta, before, strict=True):
        layer.momentum = momentum
        if not layer.num_batches_tracked:
            layer.load_state_dict(old)


@torch.no_grad()
def mean_loss(model: Any, batches: Sequence[Any], seed: int) -> float:
    """Return the mean training loss over batches, with running statistics and without dropout."""
    _set_mode(model, [])
    set_random_seed(seed)
    losses = [float(model.parse_losses(_losses(model, batch))[0]) for batch in batches]
    return sum(losses) / len(losses)


def _set_mode(model: nn.Module, updated: Sequence[nn.Module]) -> None:
    """Train, as some detectors only then have a loss; but without dropout and other statistics."""
    model.train()
    for module in model.modules():
        if isinstance(module, (_BatchNorm, *_DRAWING)) or _DROPS.search(type(module).__name__):
            module.eval()
    for layer in updated:
        layer.train()


def _losses(model: Any, batch: Any) -> Any:
    own = copy.deepcopy(batch)  # preprocessors and heads write into it
    data = model.data_preprocessor(own, True)
    return model(**data, mode='loss') if isinstance(data, dict) else model(*data, mode='loss')
