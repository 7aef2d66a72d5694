"""Writes that either happen completely or leave what was there."""
import errno
import fcntl
import json
import logging
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

logger = logging.getLogger(__name__)

_held: set[Path] = set()  # lock files that this process holds
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
        if temporary.stat().st_nlink == 1:  # a link has the rights of what it links to
            temporary.chmod(0o666 & ~_UMASK)  # safetensors writes files for the owner alone
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise OSError(error.errno, f'cannot write {path}: {error.strerror or error}. '
                      f'{free_bytes(path.parent) / 2**20:.0f} MiB are free there') from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` that takes its place when the block ends well.

    Whatever ends it otherwise, what was at ``path`` is there again; after a kill between the two
    renames the next call puts it back. Its own folder must exist.
    """
    path = Path(path).absolute()
    old = path.with_name(f'.{path.name}.old')
    if old.exists() and not path.exists():
        old.rename(path)
    staging = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', suffix='.new', dir=path.parent))
    staging.chmod(0o777 & ~_UMASK)  # it was made for the owner alone
    try:
        yield staging
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        staging.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for left_over in (staging, old):
            shutil.rmtree(left_over, ignore_errors=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Put a file in a second place in one step: a hard link, or a copy on another disk.

    Replacing one of the two later leaves the other as it is.
    """
    with atomic_path(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step (see :func:`atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON in one step (see :func:`atomic_path`)."""
    write_text(path, json.dumps(value, indent=2) + '\n')


@contextmanager
def locked_folder(path: str | Path, *, together: bool = False) -> Iterator[None]:
    """Keep every other process, and every other claim of this one, off the folder of a lock file.

    Where the file system has no locks a warning says so and nothing is held.

    Args:
        path: Lock file, made if it is missing; its folder must exist.
        together: Let in others that ask for the same, and nobody else.

    Raises:
        BlockingIOError: The folder is in use; names host and process.
    """
    path = Path(path).resolve()
    if path in _held:  # the system's locks are between processes only
        raise BlockingIOError(errno.EAGAIN, f'this process is working on {path.parent} already')
    with open(path, 'a+', encoding='utf-8') as handle:
        _lock(handle, path, together)
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)


def is_locked(path: str | Path) -> bool:
    """Tell whether another process holds a lock file; False where there is none.

    Nothing is held meanwhile, not even for a moment.
    """
    try:
        with open(path, 'rb') as handle:
            asked = struct.pack('hhqqi', fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            found = fcntl.fcntl(handle, fcntl.F_GETLK, asked)
    except OSError:  # no file, or a file system without locks
        return False
    kind: int = struct.unpack('hhqqi', found)[0]
    return kind != fcntl.F_UNLCK


def _lock(handle: TextIO, path: Path, together: bool) -> None:
    kind = fcntl.LOCK_SH if together else fcntl.LOCK_EX
    try:
        fcntl.lockf(handle, kind | fcntl.LOCK_NB)  # forked loaders don't inherit it
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            logger.warning('%s: the file system has no locks (%s), so nothing keeps a second '
                           'process off this folder', path.parent, error.strerror)
            return
        handle.seek(0)
        owner = handle.read().strip() or '?'
        raise BlockingIOError(error.errno, f'process {owner} is working on {path.parent}; wait '
                              'for it or stop it') from error
    handle.truncate(0)
    handle.write(f'{os.getpid()} on {socket.gethostname()}')
    handle.flush()


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: The file isn't JSON; names the file and the place in it.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:  # no text, no JSON, huge numbers, deep nesting
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
