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
    """Writes rank_R.json into the folder of a round."""

    def after_train(self, runner):
        folder = Path(runner.work_dir)
        if not (folder / 'ticket.safetensors').exists():
            return
        masks = load_ticket(folder / 'ticket.safetensors').masks
        parameters = {n: p.detach() for n, p in unwrap(runner.model).named_parameters()}
        zeros = [int((parameters[name] == 0).sum()) for name in masks]
        pruned = [parameters[name][~mask] for name, mask in masks.items()]
        facts = dict(
            weights=digest(parameters),
            zeros=sum(zeros),
            pruned_nonzero=sum(int(torch.count_nonzero(values)) for values in pruned))
        (folder / f'rank_{get_rank()}.json').write_text(json.dumps(facts))
