"""Which classes of MMEngine a checkpoint may hold (see :mod:`mmlth.core.checkpoints`)."""
from pickle import UnpicklingError
from typing import Any

from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from mmlth.core.checkpoints import allow_classes

_METHODS = {HistoryBuffer: ('min', 'max', 'mean', 'current'),
            OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear')}


def allow_mmengine_classes() -> None:
    """Let ``torch.load(weights_only=True)`` read what MMEngine puts into a checkpoint.

    That is its log history, OneCycleLR's two curves, its dicts and the numpy values in them,
    nothing else. Upstream MMEngine can't resume under torch 2.6 and later without this; OneDL's
    unpickles everything instead.
    """
    getattr_ = (_allowed_method, 'builtins.getattr')
    allow_classes(HistoryBuffer, OneCycleParamScheduler, ConfigDict, getattr_)


def _allowed_method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which a log history and OneCycleLR name methods of theirs."""
    if name not in _METHODS.get(owner, ()):
        raise UnpicklingError(f'a checkpoint asks for {owner!r}.{name}, which is not allowed')
    return getattr(owner, name)
