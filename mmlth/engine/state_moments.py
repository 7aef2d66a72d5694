"""Moments whose whole state can be gone back to: where epochs are counted, their ends."""
from collections.abc import Iterable

from mmengine.config import Config

from mmlth.core.moment import Moment

_NEARLY_WHOLE = 1e-6  # epochs


def check_state_moments(cfg: Config, moments: Iterable[Moment]) -> None:
    """Raise ValueError for shares of a training by epochs that lie within an epoch.

    A training goes on with its data order and schedule from the end of an epoch alone. Numbers of
    steps are checked by :class:`mmlth.engine.hooks.CaptureStateHook`, which knows an epoch's.

    Args:
        cfg: Whose ``train_cfg`` counts epochs; trainings by iterations go on from any step.
        moments: Of which the whole state is to be kept.
    """
    epochs = (cfg.get('train_cfg') or {}).get('max_epochs')
    for moment in moments:
        at = float(moment.value * epochs) if epochs and moment.unit == 'share' else 0.0
        if abs(at - round(at)) > _NEARLY_WHOLE:
            raise ValueError(
                f'rewind={moment.text!r} with a state to go back to (capture_states of a dense '
                f'net) must end an epoch, but lies after {at:.4g} of {epochs}: set '
                f'"epoch_{max(1, round(at))}"')
