"""Training checkpoints (``.pth``): which one is whole, and reading without unpickling classes."""
import datetime
import pathlib
import re
import zipfile
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlth.core.files import atomic_path

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')
_DTYPES = ('bool', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64',
           'float16', 'float32', 'float64', 'complex64', 'complex128', 'str', 'bytes', 'object',
           'datetime64[s]', 'timedelta64[s]', 'V')
_PATHS = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_CONTAINERS = (frozenset, slice, range, datetime.datetime, datetime.timedelta)
_extra: list[Any] = []


def allow_classes(*classes: Any) -> None:
    """Let :func:`load_checkpoint` read these too: classes, or (function, pickled name) pairs."""
    _extra.extend(classes)
    _allow()


def _allow() -> None:
    """Tell torch which classes a checkpoint may hold: numpy's values, paths, and the extra ones."""
    old = np.lib.NumpyVersion(np.__version__) < '2.0.0'
    multiarray = import_module('numpy.core.multiarray' if old else 'numpy._core.multiarray')
    dtypes = {type(np.dtype(name)) for name in _DTYPES}
    arrays = (np.dtype, np.ndarray, multiarray.scalar, multiarray._reconstruct)
    torch.serialization.add_safe_globals([*arrays, *dtypes, *_PATHS, *_CONTAINERS, *_extra])


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint (``epoch_N.pth`` or ``iter_N.pth``) in ``folder``.

    A file that a killed process left half-written is passed over: ``.pth`` files are zip archives
    whose directory is written last.
    """
    found = [(match[1], int(match[2]), path) for path in Path(folder).glob('*.pth')
             if (match := _NAME.fullmatch(path.name))]
    newest = {}  # of each kind: only their contents tell an epoch from an iteration
    for kind, _, path in sorted(found):
        if zipfile.is_zipfile(path):
            newest[kind] = path
    if len(newest) > 1:
        return max(newest.values(), key=iterations_of)
    return next(iter(newest.values()), None)


def iterations_of(path: str | Path) -> int:
    """Return the iterations done when a checkpoint was written; see load_checkpoint."""
    return int(load_checkpoint(path)['meta']['iter'])


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only tensors and the allowed classes are unpickled.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or holds other classes; names the file.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    _allow()  # again: OneDL's loader takes back what it had allowed for itself
    try:
        return dict(torch.load(path, map_location='cpu', weights_only=True))
    except (UnpicklingError, RuntimeError, EOFError, OSError, KeyError, TypeError) as error:
        raise ValueError(f'cannot read checkpoint {path}: {_cause(error)}') from error


def _cause(error: BaseException) -> str:
    """Return the line of torch's long message that names the class, if one does."""
    found = re.search(r'WeightsUnpickler error: ([^\n]*?)(\. Please use|\n|$)', str(error))
    return found[1] if found and found[1].strip() else str(error)


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read the weights and buffers that a checkpoint would be evaluated with (EMA's, if any).

    Raises:
        ValueError: The file has no ``state_dict``; names the file.
    """
    checkpoint = load_checkpoint(path)
    if 'state_dict' not in checkpoint:
        raise ValueError(f'{path} has no "state_dict"; keys are {list(checkpoint)}')
    return dict(checkpoint['state_dict'])


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint atomically."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def reduce_checkpoint(path: str | Path) -> None:
    """Rewrite a finished training's checkpoint without optimizer state and second weights.

    What stays: the weights it is evaluated with, learning rates, metadata, schedules, log. A
    training that resumes from it is at its end, so it only evaluates.
    """
    content = load_checkpoint(path)
    content.pop('ema_state_dict', None)
    saved = content.get('optimizer', {})
    several = [saved] if 'param_groups' in saved else list(saved.values())
    for optimizer in several:
        optimizer['state'] = {}
    save_checkpoint(content, path)
