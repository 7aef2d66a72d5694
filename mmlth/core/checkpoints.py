"""Training checkpoints (``.pth``): which one is whole, and reading without unpickling classes."""
import datetime
import errno
import logging
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlth.core.files import atomic_path
from mmlth.core.safe_unpickler import HAS_SAFE_GLOBALS, load_restricted

logger = logging.getLogger(__name__)

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')
_DTYPES = ('bool', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64',
           'float16', 'float32', 'float64', 'complex64', 'complex128', 'str', 'bytes', 'object',
           'datetime64[s]', 'timedelta64[s]', 'V')
_PATHS = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_CONTAINERS = (frozenset, slice, range, datetime.datetime, datetime.timedelta)
# What damaged bytes raise in torch's unpickler, zip reader and rebuilding of tensors.
_UNREADABLE = (UnpicklingError, RuntimeError, EOFError, OSError, LookupError, TypeError, ValueError,
               AttributeError, AssertionError, ArithmeticError, MemoryError, struct.error)
_CHUNK = 1 << 22
_extra: list[Any] = []


def allow_classes(*classes: Any) -> None:
    """Let :func:`load_checkpoint` read these too: classes, or (function, pickled name) pairs.

    From torch 2.6 on they are allowed for ``torch.load(weights_only=True)`` itself, by which
    upstream MMEngine resumes.
    """
    _extra.extend(classes)
    if HAS_SAFE_GLOBALS:
        torch.serialization.add_safe_globals(_allowed())


def _allowed() -> list[Any]:
    """List what a checkpoint may hold: numpy's values, paths, and the extra classes."""
    old = np.lib.NumpyVersion(np.__version__) < '2.0.0'
    multiarray = import_module('numpy.core.multiarray' if old else 'numpy._core.multiarray')
    dtypes = {type(np.dtype(name)) for name in _DTYPES}
    functions = [(function, f'{module}.{function.__name__}')  # as either numpy, 1 or 2, wrote it
                 for function in (multiarray.scalar, multiarray._reconstruct)
                 for module in ('numpy.core.multiarray', 'numpy._core.multiarray')]
    return [np.dtype, np.ndarray, *functions, *dtypes, *_PATHS, *_CONTAINERS, *_extra]


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint (``epoch_N.pth`` or ``iter_N.pth``) in ``folder``.

    A file that a killed process left half-written, or whose contents differ from their checksums,
    is passed over: ``.pth`` files are zip archives whose directory is written last.
    """
    newest = {}  # of each kind: only their contents tell an epoch from an iteration
    for kind, _, path in reversed(_checkpoints(folder)):
        if kind not in newest and _is_whole(path):
            newest[kind] = path
    if len(newest) > 1:
        return max(sorted(newest.values()), key=iterations_of)
    return next(iter(newest.values()), None)


def _is_whole(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        damaged = damaged_part(path)
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged:
        logger.warning('%s is damaged (%s) and passed over', path, damaged)
    return not damaged


def damaged_part(path: str | Path) -> str:
    """Return the name of the first part of a zip archive that isn't as it was written, or ''.

    Raises:
        zipfile.BadZipFile: It has no readable directory.
    """
    with zipfile.ZipFile(path) as file:
        for part in file.infolist():
            try:
                with file.open(part) as content:
                    while content.read(_CHUNK):
                        pass
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                return part.filename
    return ''


def checkpoints_in(folder: str | Path) -> list[Path]:
    """List ``epoch_N.pth`` and ``iter_N.pth`` in a folder; best ones have other names."""
    return [path for _, _, path in _checkpoints(folder)]


def _checkpoints(folder: str | Path) -> list[tuple[str, int, Path]]:
    """List kind, number and path of each, in order of kinds and numbers."""
    return sorted((match[1], int(match[2]), path) for path in Path(folder).glob('*.pth')
                  if (match := _NAME.fullmatch(path.name)))


def iterations_of(path: str | Path) -> int:
    """Return the iterations done when a checkpoint was written; see load_checkpoint.

    Raises:
        ValueError: It doesn't say; names the file.
    """
    try:
        return int(load_checkpoint(path)['meta']['iter'])
    except (KeyError, TypeError) as error:
        raise ValueError(f'{path} was not written by an MMEngine training: its "meta" has no '
                         '"iter"') from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only tensors and the allowed classes are unpickled.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or holds other classes; names the file.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        return dict(_read(path))
    except _UNREADABLE as error:
        raise ValueError(f'cannot read checkpoint {path}: {_cause(error)}') from error


def _read(path: str | Path) -> Any:
    """Unpickle with torch, told anew: OneDL's loader takes back what it had allowed itself."""
    if HAS_SAFE_GLOBALS:
        torch.serialization.add_safe_globals(_allowed())
        return torch.load(path, map_location='cpu', weights_only=True)
    return load_restricted(path, _allowed())


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
    state = checkpoint['state_dict']
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f'{path}: its "state_dict" holds other things than tensors')
    return dict(state)


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint atomically."""
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's for a full disk
            raise OSError(errno.EIO, str(error)) from error


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
