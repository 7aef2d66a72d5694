"""Facts that all ranks share: rank 0 finds them out, the others are told."""
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mmengine.dist import (
    all_gather_object,
    broadcast,
    broadcast_object_list,
    get_rank,
    get_world_size,
)
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmlth.core.files import write_text

Result = TypeVar('Result')
VISIBLE_WITHIN = 90.0  # seconds; network file systems show a new file up to a minute late
# What an error is on the other ranks: of a class that can be sent and made of its text alone.
_KINDS = (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError, BlockingIOError,
          OSError, ValueError, RuntimeError)


class _Noted:
    """Keep an error of whatever class for later, so that no rank waits for one that has failed.

    Ctrl-C isn't kept: it reaches every rank by itself.
    """

    error: Exception | None = None

    def __enter__(self) -> '_Noted':
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None

    def tell(self, where: str = '') -> Exception | None:
        """Return the error as other ranks are told it."""
        if self.error is None:
            return None
        kind = next((kind for kind in _KINDS if isinstance(self.error, kind)), None)
        if kind is None:
            return RuntimeError(f'{where}{type(self.error).__name__}: {self.error}')
        return kind(f'{where}{self.error}')


def on_rank_0(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run a function on rank 0 alone; every rank returns its result, or raises its error.

    Args:
        function: Its result must be picklable if there are several ranks.
    """
    if get_world_size() == 1:
        return function(*args, **kwargs)
    told: list[Any] = [None, None]
    with _Noted() as noted:
        if get_rank() == 0:
            told[0] = function(*args, **kwargs)
    told[1] = noted.tell()
    broadcast_object_list(told)
    result, error = told
    if error is not None:
        raise noted.error or error
    return result


def on_every_rank(function: Callable[..., Any], *args: Any) -> None:
    """Run a check on every rank; an error on any of them is raised on all, with rank and host."""
    if get_world_size() == 1:
        function(*args)
        return
    with _Noted() as noted:
        function(*args)
    where = f'rank {get_rank()} on {socket.gethostname()}: '
    found = [error for error in all_gather_object(noted.tell(where)) if error is not None]
    if found:
        raise found[0] from noted.error


def check_same(facts: Mapping[str, Any]) -> None:
    """Prove that all ranks were given one job: DDP averages gradients, whatever the settings are.

    Raises:
        ValueError: On all ranks, if one's facts differ from those of rank 0; names its host.
    """
    of_rank_0: dict[str, Any] = on_rank_0(dict, facts)

    def compare() -> None:
        keys = sorted({*facts, *of_rank_0})
        other = [f'{key}: {facts.get(key)!r} here, {of_rank_0.get(key)!r} on rank 0'
                 for key in keys if facts.get(key) != of_rank_0.get(key)]
        if other:
            raise ValueError('the job differs from that of rank 0: ' + '; '.join(other[:8]) +
                             '. Give all nodes the same config, flags and code')
    on_every_rank(compare)


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait until a condition holds; return whether it did within VISIBLE_WITHIN."""
    end = time.monotonic() + VISIBLE_WITHIN
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
            raise RuntimeError(f'{path.parent} is not the folder that rank 0 writes to. All nodes '
                               'must share the work directory: put --work-dir on a shared disk')
    on_every_rank(look)
    on_rank_0(path.unlink)


def share_statistics(model: nn.Module) -> None:
    """Give all ranks the BN statistics of rank 0, which are those that checkpoints hold.

    DDP leaves each rank its own, so that a metric would be a mean over several nets, and another
    one after a resume.
    """
    if get_world_size() == 1:
        return
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for buffer in module.buffers(recurse=False):
                broadcast(buffer)
