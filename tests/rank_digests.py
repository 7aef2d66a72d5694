"""A hook for tests: every rank writes down the weights it ends a training with."""
import json
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmlth.core.masks import digest
from mmlth.core.ticket import load_ticket
from mmlth.engine.wrapper import unwrap


@HOOKS.register_module()
class RankDigests(Hook):
    def after_train(self, runner):
        folder = Path(runner.work_dir)
        if not (folder / 'ticket.safetensors').exists():
            return
        masks = load_ticket(folder / 'ticket.safetensors').masks
        parameters = {n: p.detach() for n, p in unwrap(runner.model).named_parameters()}
        facts = dict(
            weights=digest(parameters),
            zeros=sum(int((parameters[n] == 0).sum()) for n in masks),
            pruned_nonzero=sum(int(torch.count_nonzero(parameters[n][~m])) for n, m in masks.items()))
        (folder / f'rank_{get_rank()}.json').write_text(json.dumps(facts))
