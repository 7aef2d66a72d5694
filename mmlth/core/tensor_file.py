"""Our safetensors files: a format, a version, a header with its digest. Never a pickle.

Equal content gives equal files: metadata are sorted, and no time or path of writing is in them.
"""
import errno
import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mmlth.core.files import atomic_path

VERSION = 1


class TicketError(ValueError):
    """A ticket or weights file that can't be used; the message names the file and the cause."""


def write_tensors(
    save: Callable[..., None],
    tensors: Mapping[str, Any],
    path: str | Path,
    kind: str,
    header: Mapping[str, Any],
) -> None:
    """Write tensors and header in one step.

    Args:
        save: ``save_file`` of ``safetensors.numpy`` or ``safetensors.torch``.
        tensors: name -> array or tensor.
        path: File to write.
        kind: Name of the format.
        header: JSON that is stored beside the tensors, in the order given.

    Raises:
        OSError: The file can't be written; what was there is unchanged.
    """
    text = json.dumps(header)
    metadata = dict(format=kind, version=str(VERSION), header=text, header_digest=_sha256(text))
    with atomic_path(path) as temporary:
        try:
            save(dict(tensors), str(temporary), metadata=metadata)
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(errno.EIO, str(error)) from error
        _sort_metadata(temporary)


def read_header(path: str | Path, kind: str, needed: tuple[str, ...]) -> dict[str, Any]:
    """Return the header of a file without its tensors; see :func:`read_tensors`."""
    return _read(path, kind, needed, None)[0]


def read_tensors(
    path: str | Path, kind: str, needed: tuple[str, ...], framework: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and tensors.

    Args:
        path: File that :func:`write_tensors` wrote.
        kind: Name of the format that it must have.
        needed: Keys that the header must have.
        framework: 'np' or 'pt'.

    Raises:
        FileNotFoundError: There is no such file.
        TicketError: Truncated, damaged, foreign or of a future version; the message says which.
    """
    return _read(path, kind, needed, framework)


def _read(
    path: str | Path, kind: str, needed: tuple[str, ...], framework: str | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} does not exist or is no file')
    try:
        with safe_open(str(path), framework or 'np') as file:
            header = _check_header(file.metadata() or {}, path, kind, needed)
            names = file.keys() if framework else []
            return header, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, UnicodeDecodeError) as error:
        raise TicketError(f'{path} is truncated, damaged or not a safetensors file ({error}). '
                          f'Expected a file of format {kind!r}') from error


def _check_header(
    metadata: Mapping[str, str], path: str | Path, kind: str, needed: tuple[str, ...],
) -> dict[str, Any]:
    if metadata.get('format') != kind:
        raise TicketError(f'{path} is a foreign file: format {metadata.get("format")!r}, but '
                          f'{kind!r} is needed')
    version = metadata.get('version', '')
    if version != str(VERSION):
        raise TicketError(f'{path} has version {version} of {kind!r}; this mmlth reads version '
                          f'{VERSION}. Update mmlth to read newer files')
    text = metadata.get('header', '')
    if _sha256(text) != metadata.get('header_digest'):
        raise TicketError(f'{path}: the header differs from its stored digest, so the file was '
                          'damaged. Copy it again')
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TicketError(f'{path}: damaged header ({error})') from error
    if not isinstance(header, dict):
        raise TicketError(f'{path}: damaged header, a {type(header).__name__} and no dict')
    missing = [key for key in needed if key not in header]
    if missing:
        raise TicketError(f'{path}: damaged header, without {missing}')
    return header


def _sort_metadata(path: Path) -> None:
    """Put the keys of a safetensors header in order: the library writes metadata in a random one.

    The file begins with the length of its JSON header, which may end in blanks.
    """
    with open(path, 'r+b') as file:
        length, = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(length))
        text = json.dumps(header, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
        ordered = text.encode()
        grown = len(ordered)
        if grown > length:
            raise OSError(errno.EIO, f'the header of {path} grew from {length} to {grown} bytes')
        file.seek(8)
        file.write(ordered.ljust(length))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
