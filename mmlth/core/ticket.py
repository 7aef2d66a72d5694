"""The ticket file: masks + where their w_k lies + provenance. Safetensors, never a pickle.

A ticket stores its masks coded to about their entropy and names the file of w_k with its digest;
all rounds of a job share that file. ``docs/formats.md`` lists every field.
"""
import errno
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from mmlth.core.files import atomic_path
from mmlth.core.masks import Masks, Weights, digest, pack, unpack

TICKET_FORMAT = 'mmlth.ticket'
WEIGHTS_FORMAT = 'mmlth.weights'
VERSION = 1
_HEADER = {
    TICKET_FORMAT: ('shapes', 'masks_digest', 'rewind_file', 'rewind_digest', 'provenance'),
    WEIGHTS_FORMAT: ('step', 'digest')}


class TicketError(ValueError):
    """A ticket or weights file that can't be used; the message names the file and the cause."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Masks and what is needed to trust and train them.

    Attributes:
        masks: name -> bool tensor, True = kept.
        rewind_file: File of w_k, relative to the ticket's folder.
        rewind_digest: SHA-256 that the tensors of that file must have.
        provenance: Free JSON: round, sparsity, settings, parent ticket, seed.
    """

    masks: Masks
    rewind_file: str
    rewind_digest: str
    provenance: dict[str, Any] = field(default_factory=dict)


def save_ticket(ticket: Ticket, path: str | Path) -> None:
    """Write a ticket atomically.

    Raises:
        OSError: The file can't be written; what was there is unchanged.
    """
    header = dict(
        shapes={name: list(m.shape) for name, m in ticket.masks.items()},
        masks_digest=digest(ticket.masks),
        rewind_file=ticket.rewind_file,
        rewind_digest=ticket.rewind_digest,
        provenance=ticket.provenance)
    arrays = {f'mask/{name}': np.frombuffer(pack(m), np.uint8) for name, m in ticket.masks.items()}
    with atomic_path(path) as temporary:
        _save(save_arrays, arrays, temporary, TICKET_FORMAT, header)


def load_ticket(path: str | Path) -> Ticket:
    """Read a ticket and check every mask against the stored digest.

    Raises:
        FileNotFoundError: There is no such file.
        TicketError: Truncated, damaged, foreign or of a future version; the message says which.
    """
    header, arrays = _read(path, TICKET_FORMAT, 'np')
    shapes = header['shapes']
    missing = [name for name in shapes if f'mask/{name}' not in arrays]
    surplus = [key for key in arrays if key.removeprefix('mask/') not in shapes]
    if missing or surplus:
        raise TicketError(f'{path}: damaged ticket, masks missing: {missing}, surplus: {surplus}')
    try:
        masks = {name: unpack(arrays[f'mask/{name}'].tobytes(), tuple(shape))
                 for name, shape in shapes.items()}
    except ValueError as error:
        raise TicketError(f'{path}: {error}. Copy the file again, or train the round again') from error
    if digest(masks) != header['masks_digest']:
        raise TicketError(f'{path}: the masks differ from their stored digest, so the file was '
                          'damaged. Copy it again, or train the round again')
    return Ticket(masks=masks, rewind_file=header['rewind_file'],
                  rewind_digest=header['rewind_digest'], provenance=header['provenance'])


def save_weights(weights: Mapping[str, Tensor], path: str | Path, *, step: int) -> str:
    """Write the state of a model at ``step`` (parameters and buffers) atomically.

    Every tensor is copied to the CPU first, so later training can't change what is stored.

    Returns:
        The SHA-256 of the tensors (:func:`mmlth.core.masks.digest`).
    """
    copies = {name: w.detach().cpu().contiguous().clone() for name, w in weights.items()}
    stored = digest(copies)
    with atomic_path(path) as temporary:
        _save(save_tensors, copies, temporary, WEIGHTS_FORMAT, dict(step=step, digest=stored))
    return stored


def load_weights(path: str | Path, expected_digest: str | None = None) -> Weights:
    """Read a weights file and check its digest.

    Args:
        path: File that :func:`save_weights` wrote.
        expected_digest: Digest that a ticket asks for; None accepts the file's own.

    Raises:
        FileNotFoundError: There is no such file.
        TicketError: Truncated, damaged, foreign, of a future version, or not the weights that the
            ticket was made with.
    """
    header, weights = _read(path, WEIGHTS_FORMAT, 'pt')
    found = digest(weights)
    if found != header['digest']:
        raise TicketError(f'{path}: the weights differ from their stored digest, so the file was '
                          'damaged. Copy it again')
    if expected_digest not in (None, found):
        raise TicketError(f'{path}: holds other weights (digest {found[:12]}) than the ticket was '
                          f'made with ({expected_digest[:12]}). Use the rewind file of its own job')
    return weights


def weights_digest(path: str | Path) -> str:
    """Return the stored digest of a weights file without reading its tensors."""
    return _header(path, WEIGHTS_FORMAT)['digest']


def weights_step(path: str | Path) -> int:
    """Return k, the optimizer steps after which a weights file was captured."""
    return _header(path, WEIGHTS_FORMAT)['step']


def load_rewind_weights(ticket: Ticket, path: str | Path) -> Weights:
    """Read the w_k that belongs to the ticket stored at ``path``; raises like load_weights."""
    file = Path(path).parent / ticket.rewind_file
    if not file.exists():
        raise FileNotFoundError(f'{path} needs its initial weights {file}, which are missing. Copy '
                                'them from the job that made the ticket, to the same relative place')
    return load_weights(file, ticket.rewind_digest)


def check_weights(weights: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Raise TicketError unless ``weights`` fit ``state`` exactly: names, shapes, nothing missing."""
    missing = sorted(set(state) - set(weights))
    surplus = sorted(set(weights) - set(state))
    if missing or surplus:
        raise TicketError(f'{source} does not fit the model: missing {_some(missing)}, '
                          f'surplus {_some(surplus)}. Was it made with another config?')
    for name, tensor in state.items():
        if tensor.shape != weights[name].shape:
            raise TicketError(f'{source}: {name!r} has shape {tuple(weights[name].shape)}, but the '
                              f'model has {tuple(tensor.shape)}')


def _some(names: list[str]) -> str:
    return ', '.join(names[:5]) + (f' and {len(names) - 5} more' if len(names) > 5 else '') or 'none'


def _save(save: Any, tensors: dict, path: Path, kind: str, header: dict) -> None:
    text = json.dumps(header)
    metadata = dict(format=kind, version=str(VERSION), header=text, header_digest=_sha256(text))
    try:
        save(tensors, str(path), metadata=metadata)
    except SafetensorError as error:  # how safetensors reports a full disk
        raise OSError(errno.EIO, str(error)) from error


def _header(path: str | Path, kind: str) -> dict[str, Any]:
    return _read(path, kind, None)[0]


def _read(path: str | Path, kind: str, framework: str | None) -> tuple[dict[str, Any], dict]:
    """Return header and tensors; ``framework`` is 'np', 'pt' or None to read the header alone."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} does not exist or is no file')
    try:
        with safe_open(str(path), framework or 'np') as file:
            metadata = file.metadata() or {}
            header = _check_header(metadata, path, kind)
            names = file.keys() if framework else []
            return header, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, UnicodeDecodeError) as error:
        raise TicketError(f'{path} is truncated, damaged or not a safetensors file ({error}). '
                          f'Expected a file of format {kind!r}') from error


def _check_header(metadata: Mapping[str, str], path: str | Path, kind: str) -> dict[str, Any]:
    if metadata.get('format') != kind:
        raise TicketError(f'{path} is a foreign file: format {metadata.get("format")!r}, but '
                          f'{kind!r} is needed')
    version = metadata.get('version', '')
    if version != str(VERSION):
        raise TicketError(f'{path} has version {version} of {kind!r}; this mmlth reads version '
                          f'{VERSION}. Update mmlth to read newer files')
    text = metadata.get('header', '')
    if _sha256(text) != metadata.get('header_digest'):
        raise TicketError(f'{path}: the header differs from its stored digest, so the file was damaged. '
                          'Copy it again')
    try:
        header = json.loads(text)
    except json.JSONDecodeError as error:
        raise TicketError(f'{path}: damaged header ({error})') from error
    missing = [key for key in _HEADER[kind] if key not in header]
    if missing:
        raise TicketError(f'{path}: damaged header, without {missing}')
    return header


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


__all__ = ['Ticket', 'TicketError', 'save_ticket', 'load_ticket', 'save_weights', 'load_weights',
           'load_rewind_weights', 'weights_digest', 'weights_step', 'check_weights']
