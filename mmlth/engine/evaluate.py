"""Evaluate a ticket's checkpoint."""
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mmlth.core.masks import check_zeros
from mmlth.core.ticket import check_weights, load_ticket
from mmlth.engine.checkpoints import latest_checkpoint, load_state
from mmlth.engine.configs import load_config

_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader',
             'val_cfg', 'val_evaluator', 'custom_hooks')


def evaluate_ticket(ticket: str | Path, *, config: str | None = None, checkpoint: str | Path | None = None,
                    work_dir: str | None = None, options: dict[str, Any] | None = None
                    ) -> dict[str, float]:
    """Return the metrics of the config's test evaluator (its validation one if it has none).

    Args:
        ticket: Ticket file.
        config: None takes the one that MMEngine left in the folder of the round.
        checkpoint: None takes the newest whole one beside the ticket.
        work_dir: For logs; None takes ``eval/`` beside the ticket.
        options: Overrides of the config.

    Raises:
        FileNotFoundError: Ticket, config or checkpoint is missing.
        ValueError: A pruned weight of the checkpoint isn't exactly zero, or it doesn't fit the
            config's model.
    """
    folder = Path(ticket).parent
    masks = load_ticket(ticket).masks
    checkpoint = checkpoint or latest_checkpoint(folder)
    if checkpoint is None:
        raise FileNotFoundError(f'no trained checkpoint lies beside {ticket}; name one with --checkpoint')
    state = load_state(checkpoint)
    check_zeros(masks, state, str(checkpoint))
    found = [config] if config else sorted(str(p) for p in folder.glob('*.py'))
    if not found:
        raise FileNotFoundError(f'no config lies beside {ticket}; name one with --config')
    cfg = load_config(found[0], options)
    for part in ('dataloader', 'cfg', 'evaluator'):
        if not cfg.get(f'test_{part}'):
            cfg[f'test_{part}'] = dict(type='TestLoop') if part == 'cfg' else cfg[f'val_{part}']
    for key in _TRAINING:
        cfg.pop(key, None)
    cfg.work_dir = work_dir or str(folder / 'eval')
    cfg.load_from, cfg.resume, cfg.launcher = str(checkpoint), False, 'none'
    runner = Runner.from_cfg(cfg)
    check_weights(state, runner.model.state_dict(), str(checkpoint))  # the runner's own load is lax
    return {name: float(value) for name, value in runner.test().items()}
