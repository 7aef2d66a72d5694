"""Evaluate a ticket's checkpoint."""
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import check_zeros
from mmlth.core.ticket import check_weights, load_ticket
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.export import trained_checkpoint

_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader',
             'val_cfg', 'val_evaluator', 'custom_hooks')


def evaluate_ticket(
    ticket: str | Path, *, config: str | None = None, checkpoint: str | Path | None = None,
    work_dir: str | None = None, options: dict[str, Any] | None = None,
    data_root: str | None = None,
) -> dict[str, float]:
    """Return the metrics of the config's test evaluator (its validation one if it has none).

    Args:
        ticket: Ticket file.
        config: None takes the one that MMEngine left in the folder of the round.
        checkpoint: None takes the newest whole one beside the ticket.
        work_dir: For logs; None takes ``eval/`` beside the ticket.
        options: Overrides of the config.
        data_root: Where the data lies, if not where the config says.

    Raises:
        FileNotFoundError: Ticket, config or checkpoint is missing.
        ValueError: A pruned weight of the checkpoint isn't exactly zero, or it doesn't fit the
            config's model.
    """
    folder = Path(ticket).parent
    masks = load_ticket(ticket).all_masks
    path = trained_checkpoint(ticket, checkpoint)
    state = load_state(path)
    check_zeros(masks, state, str(path))
    found = [config] if config else sorted(str(p) for p in folder.glob('*.py'))
    if not found:
        raise FileNotFoundError(f'no config lies beside {ticket}; name one with --config')
    cfg = load_config(found[0], options)
    if data_root:
        cfg = set_data_root(cfg, data_root)
    for part in ('dataloader', 'cfg', 'evaluator'):
        if not cfg.get(f'test_{part}'):
            cfg[f'test_{part}'] = dict(type='TestLoop') if part == 'cfg' else cfg[f'val_{part}']
    for key in _TRAINING:
        cfg.pop(key, None)
    cfg.work_dir = work_dir or str(folder / 'eval')
    cfg.load_from, cfg.resume, cfg.launcher = str(path), False, 'none'
    runner = Runner.from_cfg(cfg)
    check_weights(state, runner.model.state_dict(), str(path))  # the runner's own load is lax
    return {name: float(value) for name, value in runner.test().items()}
