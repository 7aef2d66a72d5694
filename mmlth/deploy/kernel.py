"""The compiled half of the engine: built once for each processor, at first use."""
import hashlib
import logging
import os
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils import cpp_extension

from mmlth.core.files import atomic_path
from mmlth.engine.machine import describe_machine, instruction_sets

logger = logging.getLogger(__name__)

SOURCES = tuple(Path(__file__).with_name(f'{name}.cpp')
                for name in ('sparse', 'roi_align', 'max_pool'))
_FLAGS = ['-O3', '-march=native', '-fopenmp']
_lock = threading.Lock()


def is_available() -> bool:
    """Tell whether the kernels can be used; builds them at the first call of all.

    Without a compiler a warning says once that everything runs as plain torch.
    """
    with _lock:
        return _load()


def build() -> Path:
    """Build the kernels for this processor and torch unless that was done; return their file.

    A machine without a compiler, but with such a processor and torch, finds the file in its own
    ``TORCH_EXTENSIONS_DIR`` (or torch's default folder of extensions) under the same name.

    Raises:
        RuntimeError: They can't be built, which a warning explains.
    """
    library = _library()
    if not is_available():
        raise RuntimeError(f'{library} was not built: this needs g++ and ninja')
    return library


def operators() -> Any:
    """Return the operators of the C++ sources; :func:`is_available` must have been true."""
    return torch.ops.mmlth


@cache
def _load() -> bool:
    library = _library()
    try:
        if library.exists():
            torch.ops.load_library(library)
        else:
            _build(library)
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().partition('\n')[0]
        logger.warning('the sparse kernels cannot be built (%s), so every layer runs as plain '
                       'torch. They need g++ and ninja; or build them where these are, by `mmlth '
                       'deploy --build-only`, and copy the file to %s', reason, library)
        return False
    return True


def _library() -> Path:
    """Name the file that the build is kept in; another processor or torch has another."""
    machine = describe_machine()
    texts = [source.read_text(encoding='utf-8') for source in SOURCES]
    told = [*texts, machine['processor'], instruction_sets(), machine['torch'], *_FLAGS]
    digest = hashlib.sha256('\n'.join(told).encode()).hexdigest()[:16]
    folder = os.environ.get('TORCH_EXTENSIONS_DIR') or cpp_extension.get_default_build_root()
    return Path(folder, f'mmlth_sparse_{digest}.so')


def _build(library: Path) -> None:
    """Compile and load, in a folder of its own: a build that is killed leaves no lock behind.

    Raises:
        OSError, RuntimeError: There is no compiler, or it fails.
    """
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        cpp_extension.load(
            'mmlth_sparse', list(map(str, SOURCES)), extra_cflags=_FLAGS,
            extra_ldflags=['-fopenmp'], build_directory=folder, is_python_module=False)
        with atomic_path(library) as temporary:
            temporary.write_bytes(Path(folder, 'mmlth_sparse.so').read_bytes())
