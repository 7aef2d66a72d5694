"""Writes that either happen completely or leave what was there."""
import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, TextIO

_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends well.

    The temporary file is synced to disk, then renamed, so a reader sees the old file or the new
    one and never a part. If the block raises, the temporary file is removed and ``path`` stays
    as it was.

    Args:
        path: File to write; its folder must exist.

    Raises:
        OSError: The file can't be written (full disk, no permission); names the file and the
            space left.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # safetensors writes files for the owner alone
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise OSError(error.errno, f'cannot write {path}: {error.strerror or error}. '
                      f'{free_bytes(path.parent) / 2**20:.0f} MiB are free there') from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step (see :func:`atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON in one step (see :func:`atomic_path`)."""
    write_text(path, json.dumps(value, indent=2) + '\n')


def lock_folder(path: Path) -> TextIO:
    """Keep every other process off the folder of a lock file until this one ends, or closes what is returned.

    Raises:
        BlockingIOError: Another process works there; names its pid.
    """
    handle = open(path, 'a+', encoding='utf-8')
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # forked loader processes don't inherit it
    except OSError as error:
        handle.seek(0)
        raise BlockingIOError(error.errno, f'process {handle.read().strip() or "?"} is working on {path.parent}; '
                              'wait for it or stop it') from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: The file isn't JSON; names the file and the place in it.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid JSON ({error})') from error


def free_bytes(folder: str | Path) -> int:
    """Return the bytes free on the disk of ``folder`` or of its nearest existing parent."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
