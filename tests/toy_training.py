"""One training of the toy, with hooks at hand that look at it or kill it."""
from typing import ClassVar

import torch
import toys
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, OPTIMIZERS
from mmengine.runner import Runner

from mmlth.core.ticket import Ticket, save_ticket, save_weights


def toy_runner(cfg, folder, *hooks, **overrides):
    """Return a runner of a config in a folder, with hooks registered."""
    name = str(folder).replace('/', '_')
    facts = dict(work_dir=str(folder), experiment_name=name, randomness=dict(seed=0))
    runner = Runner.from_cfg(Config({**cfg.to_dict(), **facts, **overrides}))
    for hook in hooks:
        runner.register_hook(hook)
    return runner


def iteration_based(cfg, save_every=4, **train_cfg):
    """Change a toy config, in place, to a loop that counts iterations; returns it."""
    cfg.train_cfg = dict(by_epoch=False, **{'max_iters': 12, 'val_interval': 100, **train_cfg})
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.param_scheduler = None
    saving = dict(type='CheckpointHook', by_epoch=False, interval=save_every)
    cfg.default_hooks = dict(checkpoint=saving)
    return cfg


def state_of(model):
    """Return a copy of all that a model holds."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def half_ticket(folder):
    """Write a ticket of about half the toy's weights, with its w_0; returns the ticket's path."""
    torch.manual_seed(7)
    weights = toys.ToyNet().state_dict()
    masks = {name: torch.rand(weights[name].shape) > 0.5 for name in toys.NAMES}
    digest = save_weights(weights, folder / 'rewind.safetensors', step=0)
    path = folder / 'round_01' / 'ticket.safetensors'
    path.parent.mkdir()
    ticket = Ticket(
        masks=masks, rewind_file='../rewind.safetensors', rewind_digest=digest)
    save_ticket(ticket, path)
    return path


@OPTIMIZERS.register_module()
class NoisySGD(torch.optim.SGD):
    """Moves every weight in every step, pruned or not."""

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for p in group['params']:
                p.add_(0.01)


class Weights(Hook):
    """Keeps the weights after every step."""

    priority = 'LOWEST'

    def __init__(self):
        self.after = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.after[runner.iter + 1] = state_of(runner.model)


@HOOKS.register_module()
class StopOnce(Hook):
    """Kills the training in a folder of this name after some steps, once it is armed."""

    armed: ClassVar[list[tuple[str, int]]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for folder, step in self.armed:
            if folder in runner.work_dir and runner.iter + 1 == step:
                self.armed.clear()
                raise KeyboardInterrupt


@HOOKS.register_module()
class FirstStep(Hook):
    """Notes where a training begins (step, weights, momentum) and all its learning rates."""

    priority = 'VERY_LOW'
    seen: ClassVar[list[dict]] = []

    def before_train(self, runner):
        optimizer = runner.optim_wrapper.optimizer
        names = {p: name for name, p in runner.model.named_parameters()}
        momentum = {
            names[p]: state['momentum_buffer'].clone()
            for p, state in optimizer.state.items()
            if state
        }
        self.seen.append(dict(
            step=runner.iter, weights=state_of(runner.model), momentum=momentum, rates=[],
            seed=runner.seed, has_best='best_score' in runner.message_hub.runtime_info))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        rate = runner.optim_wrapper.get_lr()['lr'][0]
        self.seen[-1]['rates'].append(round(rate, 6))
