"""One cell of the matrix of trainers.py: the same training with mmlth and with m * w in forward.

With two ranks this file runs as the script of each rank.
"""
import argparse
import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn
from trainer_compare import Cell, Seen, compare
from trainer_features import FEATURES, OF_WHOLE_TENSORS, base_config

from mmlth.core.checkpoints import latest_checkpoint, load_checkpoint
from mmlth.core.masks import Masks, apply
from mmlth.core.ticket import Ticket, load_ticket, load_weights, save_ticket, save_weights
from mmlth.engine.launch import start_launcher, stop_launcher
from mmlth.engine.wrapper import unwrap

TWO_RANKS = 'SyncBN, 2 ranks'
SIDES = ('mmlth', 'reference')


class Watch(Hook):
    """Keeps the state of model and average after every step, and of what is evaluated."""

    priority = 'LOWEST'

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def _keep(self, place: str, model: nn.Module) -> None:
        self.seen.states[place] = {n: t.clone() for n, t in model.state_dict().items()}

    def after_train_iter(self, runner: Runner, *args: Any, **keywords: Any) -> None:
        step = runner.iter + 1
        self._keep(f'model after {step}', unwrap(runner.model))
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                self._keep(f'average after {step}', hook.ema_model.module)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._keep(f'evaluated after {runner.iter}', unwrap(runner.model))

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._keep('tested', runner.model.module)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.seen.metrics.append(dict(metrics or {}))

    after_test_epoch = after_val_epoch


class MaskInForward(Hook):
    """The reference: the convolutions of a plain model multiply their weights by a mask."""

    def __init__(self, masks: Masks, start: Mapping[str, Tensor] | None) -> None:
        self.masks, self.start = masks, start

    def before_train(self, runner: Runner) -> None:
        model = unwrap(runner.model)
        if self.start and runner.iter == 0:
            model.load_state_dict(self.start)  # not masked: what is pruned goes its own way
        for name, mask in self.masks.items():
            conv: Any = model.get_submodule(name.rpartition('.')[0])
            conv.forward = _masked_forward(conv, mask)


def _masked_forward(conv: nn.Conv2d, mask: Tensor) -> Any:
    def forward(x: Tensor) -> Tensor:
        return conv._conv_forward(x, mask * conv.weight, conv.bias)
    return forward


class StopAfter(Hook):
    """Ends a training as Ctrl-C would, in the middle of an epoch."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def after_train_iter(self, runner: Runner, *args: Any, **keywords: Any) -> None:
        if runner.iter + 1 == self.steps:
            raise KeyboardInterrupt


def run_cell(optimizer: dict[str, Any], feature: str, folder: Path) -> Cell:
    """Train with and without mmlth in a folder, and compare.

    Args:
        optimizer: ``optim_wrapper`` of the config, a row of ``OPTIMIZERS``.
        feature: A key of ``FEATURES``.
        folder: Empty; what both trainings leave lies there.
    """
    cfg = base_config(folder, copy.deepcopy(optimizer))
    FEATURES[feature](cfg)
    write_ticket(cfg, folder)
    if feature == TWO_RANKS:
        sides = run_two_ranks(optimizer, folder)
    else:
        sides = {side: train_side(copy.deepcopy(cfg), feature, side, folder) for side in SIDES}
    return compare(sides['mmlth'], sides['reference'], load_ticket(folder / 'ticket').masks)


def write_ticket(cfg: Config, folder: Path) -> None:
    """Write a ticket of half of every convolution's weights, its w_0, and that as a checkpoint."""
    if (folder / 'ticket').exists():
        return
    init_default_scope('mmdet')
    torch.manual_seed(7)
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    masks = {f'{name}.weight': torch.rand(layer.weight.shape) > 0.5
             for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}
    digest = save_weights(model.state_dict(), folder / 'w_0', step=0)
    torch.save(dict(meta={}, state_dict=model.state_dict()), folder / 'w_0.pth')
    save_ticket(Ticket(masks=masks, rewind_file='w_0', rewind_digest=digest), folder / 'ticket')


def train_side(cfg: Config, feature: str, side: str, folder: Path) -> Seen:
    """Train one side in a folder of its own; return what it showed."""
    seen = Seen()
    cfg.work_dir, cfg.randomness = str(folder / side), dict(seed=3)
    loads = feature == 'load_from'
    if loads:
        cfg.load_from = str(folder / 'w_0.pth')
    masks = load_ticket(folder / 'ticket').masks
    if side == 'mmlth':
        cfg.custom_hooks.append(
            dict(type='TicketHook', ticket=str(folder / 'ticket'), rewind=not loads))
        extra: list[Hook] = []
    else:
        start = load_weights(folder / 'w_0')
        if cfg.optim_wrapper.optimizer.type in OF_WHOLE_TENSORS:
            start = apply(masks, start)
        extra = [MaskInForward(masks, None if loads else start)]
    if feature == 'resume' and side == 'mmlth':
        _train_in_two_parts(cfg, seen)
    else:
        _runner(cfg, seen, *extra).train()
    _read_files(seen, folder / side)
    if feature == 'TTA at test':
        _test(cfg, seen, masks)
    return seen


def _runner(cfg: Config, seen: Seen, *hooks: Hook) -> Runner:
    cfg = copy.deepcopy(cfg)
    cfg.experiment_name = cfg.work_dir.replace('/', '_') + str(len(seen.states))
    runner = Runner.from_cfg(cfg)
    for hook in (*hooks, Watch(seen)):
        runner.register_hook(hook)
    return runner


def _train_in_two_parts(cfg: Config, seen: Seen) -> None:
    try:
        _runner(cfg, seen, StopAfter(3)).train()
    except KeyboardInterrupt:
        cfg.resume, cfg.load_from = True, str(latest_checkpoint(cfg.work_dir))
        _runner(cfg, seen).train()


def _read_files(seen: Seen, folder: Path) -> None:
    for path in sorted(folder.glob('*.pth')):
        checkpoint = load_checkpoint(path)
        seen.states[path.name] = checkpoint['state_dict']
        if 'ema_state_dict' in checkpoint:
            seen.states[f'average in {path.name}'] = {
                name.removeprefix('module.'): tensor
                for name, tensor in checkpoint['ema_state_dict'].items() if name != 'steps'}


def _test(cfg: Config, seen: Seen, masks: Masks) -> None:
    """Test the last checkpoint as MMDet's tools/test.py --tta does; the reference's one masked."""
    path = Path(cfg.work_dir) / 'plain' / 'last.pth'
    state = load_checkpoint(str(latest_checkpoint(cfg.work_dir)))['state_dict']
    if not any(hook['type'] == 'TicketHook' for hook in cfg.custom_hooks):
        state = apply(masks, state)
    path.parent.mkdir()
    torch.save(dict(meta={}, state_dict=state), path)
    cfg.custom_hooks, cfg.load_from = [], str(path)
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.test_cfg, cfg.test_evaluator = dict(type='TestLoop'), cfg.val_evaluator
    _runner(cfg, seen).test()


def run_two_ranks(optimizer: dict[str, Any], folder: Path) -> dict[str, Seen]:
    """Train both sides with two processes, in a folder that holds data and ticket."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node',
               '2', __file__, json.dumps(optimizer), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if 'Error' in line]
        raise RuntimeError(said[0] if said else f'exit {done.returncode}')
    return {side: Seen(**torch.load(folder / f'{side}.seen', weights_only=True)) for side in SIDES}


def main() -> None:
    """Be one of two ranks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('optimizer', type=json.loads)
    parser.add_argument('folder', type=Path)
    args = parser.parse_args()
    cfg = base_config(args.folder, args.optimizer)
    FEATURES[TWO_RANKS](cfg)
    start_launcher(cfg, 'pytorch')
    for side in SIDES:
        seen = train_side(copy.deepcopy(cfg), TWO_RANKS, side, args.folder)
        if get_rank() == 0:
            torch.save(vars(seen), args.folder / f'{side}.seen')
    stop_launcher()


if __name__ == '__main__':
    main()
