"""A restricted unpickler for torch before 2.6, which can't be told what else a file may hold."""
import codecs
import pickle
import struct
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import _weights_only_unpickler

# What later releases of torch's own unpickler allow; numpy pickles bytes by way of encode.
NEWER: dict[str, Any] = {
    'collections.Counter': Counter,
    'builtins.set': set,
    'builtins.bytearray': bytearray,
    '_codecs.encode': codecs.encode,
}
# Since 2.6 it takes pairs of a function and its pickled name too.
HAS_SAFE_GLOBALS = tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 6)
_build: Callable[..., None] = pickle._Unpickler.dispatch[pickle.BUILD[0]]


class SafeUnpickler(pickle._Unpickler):  # the one in Python, whose steps can be checked
    """Unpickle what ``torch.load(weights_only=True)`` would, and the classes allowed besides."""

    stack: list[Any]
    allowed: Mapping[str, Any] = MappingProxyType({})
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class or function.

        Raises:
            pickle.UnpicklingError: It isn't allowed.
        """
        plain = IMPORT_MAPPING.get(module, module), name  # torch writes Python 2's names
        full_name = '.'.join(NAME_MAPPING.get((module, name), plain))
        if full_name not in self.allowed:
            raise pickle.UnpicklingError(
                f'WeightsUnpickler error: Unsupported global: GLOBAL {full_name}')
        return self.allowed[full_name]

    def load_build(self) -> None:
        """Set attributes of an instance of an allowed class, never those of the class itself.

        Raises:
            pickle.UnpicklingError: It is a class, a function, or an instance of another class.
        """
        target = self.stack[-2]
        if not any(type(target) is each for each in self.allowed.values()):
            raise pickle.UnpicklingError(f'WeightsUnpickler error: cannot set state of {target!r}')
        _build(self)

    dispatch[pickle.BUILD[0]] = load_build


class SafePickle:
    """What ``torch.load`` takes as its ``pickle_module``.

    Args:
        classes: Allowed ones, as ``torch.serialization.add_safe_globals`` takes them: classes and
            functions, or pairs of one and its pickled name.
    """

    def __init__(self, classes: Iterable[Any]) -> None:
        allowed = dict(_weights_only_unpickler._get_allowed_globals())
        allowed |= NEWER
        for each in classes:
            if isinstance(each, tuple):
                allowed[each[1]] = each[0]
            else:
                allowed[f'{each.__module__}.{each.__qualname__}'] = each
        self.Unpickler = type('Unpickler', (SafeUnpickler, ), dict(allowed=allowed))
        self.__name__ = __name__  # which torch asks a module for
        self.UnpicklingError = pickle.UnpicklingError

    def load(self, file: Any, **options: Any) -> Any:
        """Read one pickled value, as ``pickle.load`` does; of files in torch's older format."""
        return self.Unpickler(file, **options).load()


def load_restricted(path: str | Path, classes: Iterable[Any]) -> Any:
    """Read a checkpoint on the CPU; ``classes`` as :class:`SafePickle` takes them.

    Raises:
        pickle.UnpicklingError: It is damaged, holds other classes, or is TorchScript.
    """
    if zipfile.is_zipfile(path) and _is_torchscript(path):
        raise pickle.UnpicklingError('it is a TorchScript archive')
    try:
        return torch.load(
            path, map_location='cpu', weights_only=False, pickle_module=SafePickle(classes))
    except (AttributeError, IndexError, ValueError, struct.error) as error:  # of damaged pickles
        raise pickle.UnpicklingError(f'{type(error).__name__}: {error}') from error


def _is_torchscript(path: str | Path) -> bool:
    """Tell what ``torch.load`` would give to ``torch.jit.load``, which runs code of the file."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('/constants.pkl') for name in archive.namelist())
