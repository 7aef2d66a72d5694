"""Hooks for tests: every rank writes down what it holds, and which process it is."""
import gc
import hashlib
import json
import os
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmlth.core.masks import digest
from mmlth.core.ticket import load_ticket
from mmlth.engine.hooks import TicketHook
from mmlth.engine.wrapper import unwrap
from mmlth.job.preflight import Preflight


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
        (hook, ) = [hook for hook in runner.hooks if isinstance(hook, TicketHook)]
        facts = dict(
            weights=digest(parameters),
            buffers=digest(dict(unwrap(runner.model).named_buffers())),
            masks=digest(hook.ticket.masks),
            rewind=hook.start_digest,
            preflight=digest_of_plan(),
            zeros=sum(zeros),
            pruned_nonzero=sum(int(torch.count_nonzero(values)) for values in pruned))
        (folder / f'rank_{get_rank()}.json').write_text(json.dumps(facts))


@HOOKS.register_module()
class RankProcess(Hook):
    """Writes pid_R into the folder of the job: which process is rank R."""

    def before_train(self, runner):
        path = Path(runner.work_dir).parent / f'pid_{get_rank()}'
        path.write_text(str(os.getpid()))


def digest_of_plan():
    """Return the digest of the plan that this process was told."""
    (plan, ) = [each for each in gc.get_objects() if type(each) is Preflight]
    return hashlib.sha256(json.dumps(plan.as_dict(), sort_keys=True).encode()).hexdigest()


def what_ranks_hold(folder):
    """Return what each of two ranks wrote down at the end of a training."""
    return [json.loads((folder / f'rank_{rank}.json').read_text()) for rank in (0, 1)]
