"""Rehearse round 1 on the real model: what can fail after days of dense training fails now.

Prune to the plan, rewind, one guarded step on random gradients, save, read, load strictly.
"""
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from mmlth.core.checkpoints import load_checkpoint, save_checkpoint
from mmlth.core.masks import (
    Masks,
    Weights,
    apply as apply_masks,
    check_zeros,
    dense_masks,
    digest,
    shared_with,
)
from mmlth.core.scope import weights_of
from mmlth.core.ticket import load_ticket
from mmlth.engine.net import Net, build_optimizers
from mmlth.engine.wrapper import PrunedModelWrapper
from mmlth.job.checks import metainfo
from mmlth.job.preflight import Preflight, ranked_now
from mmlth.settings.imp_config import IMPConfig


def rehearse(net: Net, plan: Preflight, settings: IMPConfig, cfg: Config) -> None:
    """Go through a round with the net, whose weights are changed; takes a second or so.

    Args:
        net: With its initial weights.
        plan: Of the job.
        settings: Of the job.
        cfg: With ``optim_wrapper`` and ``train_dataloader``.

    Raises:
        ValueError, RuntimeError: Something of this would fail in round 1; says in which part.
    """
    state = net.state
    masks = shared_with(_masks(plan, state, settings), net.shared)
    _rewind(net, apply_masks(masks, state))
    wrapper = PrunedModelWrapper(net.model, masks)
    optimizers = build_optimizers(net.model, cfg)
    for each in optimizers:
        wrapper.guard(each.optimizer)
    _step(net, optimizers)
    _check_still_zero(wrapper, masks, net)
    plain = wrapper.detach()
    _save_and_load(plain.state_dict(), masks, net, metainfo(cfg))


def _masks(plan: Preflight, state: Weights, settings: IMPConfig) -> Masks:
    """Return the masks of the first pruned round, as far as they can be known now."""
    if settings.ticket:
        return load_ticket(str(settings.ticket)).masks  # the plan has checked it
    if len(plan.densities) == 1:
        return dense_masks(weights_of(state, plan.names))
    found = ranked_now(plan, state, settings, plan.densities[1])
    return found or dense_masks(weights_of(state, plan.names))


def _rewind(net: Net, start: Weights) -> None:
    net.model.load_state_dict(start, strict=True)
    found = net.model.state_dict()
    if digest(found) != digest(start):
        wrong = [name for name, t in start.items() if not torch.equal(t, found[name])]
        raise RuntimeError(
            f'rehearsal: after loading m * w_0 the model differs from it in {wrong[:5]}, so that '
            'no round could start at its ticket. Do its layers change weights when they are '
            'loaded?')


def _step(net: Net, optimizers: list[OptimWrapper]) -> None:
    """Step once on gradients that are random numbers, without a forward pass."""
    generator = torch.Generator().manual_seed(0)
    moving = [p for p in net.model.parameters() if p.requires_grad]
    loss = torch.zeros(())
    for p in moving:
        loss = loss + (p * torch.randn(p.shape, generator=generator)).sum()
    loss.backward()
    for each in optimizers:
        each.optimizer.step()


def _check_still_zero(wrapper: PrunedModelWrapper, masks: Masks, net: Net) -> None:
    revived = wrapper.nonzero_pruned()
    if revived:
        raise RuntimeError(f'rehearsal: pruned weights of {revived[:5]} are not zero after a step')
    check_zeros(masks, net.model.state_dict(), 'the model after a rehearsed step')


def _save_and_load(state: Weights, masks: Masks, net: Net, meta: dict[str, Any]) -> None:
    """Write a checkpoint as MMEngine does, read it as the next round will, load it strictly."""
    with tempfile.TemporaryDirectory(prefix='mmlth_') as folder:
        path = Path(folder) / 'rehearsal.pth'
        save_checkpoint(dict(meta=dict(dataset_meta=meta), state_dict=state), path)
        try:
            read = load_checkpoint(path)['state_dict']
        except ValueError as error:
            raise ValueError(
                f'rehearsal: {error}. A checkpoint holds the METAINFO of the training data set, '
                'and mmlth unpickles no such class: make it plain lists, dicts, numbers and '
                'texts') from error
    check_zeros(masks, read, 'the rehearsed checkpoint')
    net.model.load_state_dict(read, strict=True)
