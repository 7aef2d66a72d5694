"""The learning rate at which a training ends, told before it begins."""
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from mmlth.engine.config_parts import as_list, type_name

_NEXT_TO_NOTHING = 1e-4  # of the largest rate: a cosine to 0 ends far below it, steps far above


def check_last_rate(cfg: Config, rewind: str | int) -> None:
    """Raise ValueError where survivors would be trained at a learning rate of next to nothing.

    Source: fine-tuning, Renda et al., ICLR 2020, section 2, of nets whose rates fall by steps.

    Args:
        cfg: As that of :func:`last_rate`.
        rewind: Of the job; all but 'none' train under the whole schedule.
    """
    if rewind != 'none':
        return
    share = last_rate(cfg)
    if share < _NEXT_TO_NOTHING:
        raise ValueError(
            f"rewind='none' trains at the last learning rate, which param_scheduler ends at "
            f"{share:.1g} of the largest, so that next to nothing would be learnt. Give it an "
            "eta_min, or take rewind='lr'")


def last_rate(cfg: Config, steps_per_epoch: int = 500) -> float:
    """Return the learning rate after a config's training, as a share of the largest in it.

    Schedulers that wait for a metric are left out, as those of momentum are.

    Args:
        cfg: With a ``train_cfg`` that has ``max_epochs`` or ``max_iters``.
        steps_per_epoch: About as many; only those of warm-ups and of epochs that are cut into
            steps depend on it.

    Returns:
        In [0, 1].
    """
    epochs = cfg.train_cfg.get('max_epochs')
    steps = cfg.train_cfg.max_iters if epochs is None else epochs * steps_per_epoch
    peak = ((cfg.get('optim_wrapper') or {}).get('optimizer') or {}).get('lr', 1.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    schedulers = [
        _build(each, optimizer, epochs if each.get('by_epoch', True) else steps, steps_per_epoch)
        for each in as_list(cfg.get('param_scheduler')) if _sets_rates(each)]
    optimizer.step()  # else torch warns that schedulers came first
    rates = [_rate(optimizer)]
    for step in range(1, steps + 1):
        for scheduler in schedulers:
            if not scheduler.by_epoch or step % steps_per_epoch == 0:
                scheduler.step()
        rates.append(_rate(optimizer))
    return rates[-1] / max(rates)


def _sets_rates(scheduler: dict[str, Any]) -> bool:
    kind = type_name(scheduler)
    return kind.endswith('LR') and 'Plateau' not in kind


def _build(
    scheduler: dict[str, Any], optimizer: torch.optim.Optimizer, end: int | None, epoch: int,
) -> Any:
    """Build a scheduler as MMEngine's Runner does."""
    whole = dict(scheduler) if end is None else {'end': end, **scheduler}
    return PARAM_SCHEDULERS.build(
        whole, default_args=dict(optimizer=optimizer, epoch_length=epoch))


def _rate(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]['lr'])
