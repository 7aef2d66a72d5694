"""Evaluate a ticket's checkpoint."""
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import check_zeros
from mmlth.core.ticket import check_weights, load_ticket
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.export import trained_checkpoint

_UNUSED = (
    'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader',
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
        checkpoint: None finds it (:func:`mmlth.engine.export.trained_checkpoint`).
        work_dir: For logs; None takes ``eval/`` beside the ticket.
        options: Overrides of the config.
        data_root: Where the data lies, if not where the config says.

    Raises:
        FileNotFoundError: Ticket, config or checkpoint is missing.
        ValueError: A pruned weight of the checkpoint isn't exactly zero, or it doesn't fit the
            config's model.
    """
    loaded = load_ticket(ticket)
    path = trained_checkpoint(loaded, ticket, checkpoint)
    state = load_state(path)
    check_zeros(loaded.all_masks, state, str(path))
    cfg = load_config(config or _config_beside(ticket), options)
    if data_root:
        cfg = set_data_root(cfg, data_root)
    _leave_test_alone(cfg)
    cfg.work_dir = work_dir or str(Path(ticket).parent / 'eval')
    cfg.load_from, cfg.resume, cfg.launcher = str(path), False, 'none'
    runner = Runner.from_cfg(cfg)
    check_weights(state, runner.model.state_dict(), str(path))  # the runner's own load is lax
    return {name: float(value) for name, value in runner.test().items()}


def _config_beside(ticket: str | Path) -> str:
    """Return the config that MMEngine left in the folder of the round."""
    found = sorted(Path(ticket).parent.glob('*.py'))
    if not found:
        raise FileNotFoundError(f'no config lies beside {ticket}; name one with --config')
    return str(found[0])


def _leave_test_alone(cfg: Config) -> None:
    """Reduce a config to its test, which is its validation where it has none."""
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    for part in ('dataloader', 'evaluator'):
        cfg[f'test_{part}'] = cfg.get(f'test_{part}') or cfg[f'val_{part}']
    for key in _UNUSED:
        cfg.pop(key, None)
