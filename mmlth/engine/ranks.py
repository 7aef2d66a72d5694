"""Facts that all ranks share: rank 0 finds them out, the others are told."""
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmengine.dist import all_gather_object, broadcast_object_list, get_rank, get_world_size

from mmlth.core.files import write_text

Result = TypeVar('Result')
_EXPECTED = (ValueError, OSError, RuntimeError, KeyError)
VISIBLE_WITHIN = 90.0  # seconds; network file systems show a new file up to a minute late


def on_rank_0(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run a function on rank 0 alone; every rank returns its result, or raises its error.

    Args:
        function: Its result must be picklable if there are several ranks.
    """
    if get_world_size() == 1:
        return function(*args, **kwargs)
    told: list[Any] = [None, None]
    if get_rank() == 0:
        try:
            told[0] = function(*args, **kwargs)
        except _EXPECTED as error:
            told[1] = error
    broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return told[0]


def on_every_rank(function: Callable[..., Any], *args: Any) -> None:
    """Run a check on every rank; an error on any of them is raised on all, with rank and host."""
    if get_world_size() == 1:
        function(*args)
        return
    own: Exception | None = None
    try:
        function(*args)
    except _EXPECTED as error:
        own = error
    for rank, (host, found) in enumerate(all_gather_object((socket.gethostname(), own))):
        if found is not None:
            raise type(found)(f'rank {rank} on {host}: {found}')


def wait_until(holds: Callable[[], bool], seconds: float | None = None) -> bool:
    """Wait until a condition holds; return whether it did in time (None: VISIBLE_WITHIN)."""
    end = time.monotonic() + (VISIBLE_WITHIN if seconds is None else seconds)
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def check_shared(path: Path) -> None:
    """Prove that every rank sees the disk of rank 0, by a word that only rank 0 can have written.

    Args:
        path: File that rank 0 writes, and deletes at the end.

    Raises:
        RuntimeError: On all ranks, if one doesn't; names its host.
    """
    if get_world_size() == 1:
        return
    word = on_rank_0(lambda: uuid.uuid4().hex)
    on_rank_0(write_text, path, word)

    def look() -> None:
        if not wait_until(lambda: path.exists() and path.read_text() == word):
            raise RuntimeError(f'{path.parent} is not the folder that rank 0 writes to. All nodes must '
                               'share the work directory: put --work-dir on a shared disk')
    on_every_rank(look)
    on_rank_0(path.unlink)
