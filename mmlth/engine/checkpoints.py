"""Reading MMEngine checkpoints: which one is whole, and without unpickling arbitrary classes."""
import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch import Tensor

_METHODS = {HistoryBuffer: ('min', 'max', 'mean', 'current'),
            OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear')}
_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


def allow_checkpoint_classes() -> None:
    """Let ``torch.load(weights_only=True)`` read what MMEngine puts into a checkpoint.

    That is its log history, OneCycleLR's two curves and the numpy scalars and arrays in it, nothing
    else. Upstream MMEngine can't resume under torch 2.6 and later without this; OneDL's unpickles
    everything instead.
    """
    core = np.core if np.lib.NumpyVersion(np.__version__) < '2.0.0' else np._core
    dtypes = {type(np.dtype(t)) for t in (np.float64, np.float32, np.int64, np.int32, np.bool_, np.str_)}
    torch.serialization.add_safe_globals(
        [HistoryBuffer, OneCycleParamScheduler, np.dtype, np.ndarray, core.multiarray.scalar,
         core.multiarray._reconstruct, (_allowed_method, 'builtins.getattr'), *dtypes])


def _allowed_method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which a log history and OneCycleLR name methods of theirs."""
    if name not in _METHODS.get(owner, ()):
        raise UnpicklingError(f'a checkpoint asks for {owner!r}.{name}, which is not allowed')
    return getattr(owner, name)


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint (``epoch_N.pth`` or ``iter_N.pth``) in ``folder``.

    A file that a killed process left half-written is passed over: ``.pth`` files are zip archives
    whose directory is written last.
    """
    found = [(match[1], int(match[2]), path) for path in Path(folder).glob('*.pth')
             if (match := _NAME.fullmatch(path.name))]
    newest = {}  # of each kind: only their contents tell an epoch from a step
    for kind, _, path in sorted(found):
        if zipfile.is_zipfile(path):
            newest[kind] = path
    return max(newest.values(), key=steps_of) if len(newest) > 1 else next(iter(newest.values()), None)


def steps_of(path: str | Path) -> int:
    """Return the optimizer steps done when a checkpoint was written; see load_checkpoint."""
    return load_checkpoint(path)['meta']['iter']


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only tensors and the allowed classes are unpickled.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or holds other classes; names the file.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    allow_checkpoint_classes()  # again: OneDL's loader takes back what it had allowed for itself
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, KeyError) as error:
        raise ValueError(f'cannot read checkpoint {path}: {error}') from error


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read the weights and buffers that a checkpoint would be evaluated with (EMA's, if any).

    Raises:
        ValueError: The file has no ``state_dict``; names the file.
    """
    checkpoint = load_checkpoint(path)
    if 'state_dict' not in checkpoint:
        raise ValueError(f'{path} has no "state_dict"; keys are {list(checkpoint)}')
    return dict(checkpoint['state_dict'])
