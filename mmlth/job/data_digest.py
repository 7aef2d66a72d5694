"""Notice that files which a job reads have changed since it was begun."""
import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache

from mmengine.config import Config

from mmlth.job.checks import files_of
from mmlth.job.identity import differences

_CHUNK = 1 << 22
_READERS = ('train_dataloader', 'val_dataloader', 'val_evaluator')


def data_digests(cfg: Config) -> dict[str, str]:
    """Return 'data.KEY' -> SHA-256 of every annotation file and checkpoint that a config names.

    Images aren't read: that would take as long as an epoch.
    """
    if not all(cfg.get(part) for part in _READERS):
        return {}
    found = {}
    for key, path in files_of(cfg):
        if os.path.isfile(path):
            status = os.stat(path)
            found[f'data.{key}'] = _digest(path, status.st_size, status.st_mtime_ns)
    return found


def data_differences(there: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return what differs between two results of :func:`data_digests`, of the keys that both have.

    A job may be older than some of the digests.
    """
    both = there.keys() & now.keys()
    return differences({k: there[k][:12] for k in both}, {k: now[k][:12] for k in both})


def check_data(cfg: Config, known: Mapping[str, str]) -> None:
    """Raise unless the files are still those of ``known``, :func:`data_digests` of before.

    Raises:
        ValueError: One has changed; names it.
        FileNotFoundError: One is gone.
    """
    now = data_digests(cfg)
    for key, path in files_of(cfg):
        wanted = known.get(f'data.{key}')
        found = now.get(f'data.{key}')
        if wanted and found is None:
            raise FileNotFoundError(f'{key} = {path!r} is gone since the job was begun. Put it '
                                    'back, then give the same command again')
        if wanted and found != wanted:
            raise ValueError(
                f'{key} = {path!r} has changed since the job was begun, so its trainings could not '
                'be compared. Put the file back and give the same command again, or go on with the '
                f'new one: --accept-change data.{key}')


@lru_cache
def _digest(path: str, size: int, nanoseconds: int) -> str:
    """Read a file, but not again while its size and time are the same."""
    found = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
