"""The ticket file: masks, where their w_k lies, provenance; and the file of weights w_k.

A ticket stores its masks coded to about their entropy and names the file of w_k with its digest;
all rounds of a job share that file. ``docs/formats.md`` lists every field.
"""
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from mmlth.core.mask_coding import pack, unpack
from mmlth.core.masks import Masks, Weights, apply, digest, shared_with
from mmlth.core.tensor_file import TicketError, read_header, read_tensors, write_tensors

TICKET_FORMAT = 'mmlth.ticket'
WEIGHTS_FORMAT = 'mmlth.weights'
_TICKET_KEYS = ('shapes', 'masks_digest', 'rewind_file', 'rewind_digest', 'provenance')
_MOST_WEIGHTS = 1 << 33  # a ticket of more is a mistake or an attack on the memory
_WEIGHTS_KEYS = ('step', 'digest')


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Masks and what is needed to trust and train them.

    Attributes:
        masks: name -> bool tensor, True = kept; each tensor of the scope once.
        rewind_file: File of w_k, relative to the ticket's folder.
        rewind_digest: SHA-256 that the tensors of that file must have.
        shared: name -> name of the tensor whose mask it takes: tied weights, and copies that
            follow another net, such as a mean teacher.
        groups: name of a masked tensor -> its group (:mod:`mmlth.core.scope`).
        provenance: Free JSON: round, sparsity, settings, parent ticket, seed.
    """

    masks: Masks
    rewind_file: str
    rewind_digest: str
    shared: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def all_masks(self) -> Masks:
        """Masks of every name that a state may use for a masked tensor."""
        return shared_with(self.masks, self.shared)

    def start(self, weights: Mapping[str, Tensor]) -> Weights:
        """Return m * ``weights`` of a whole state; shared tensors are masked under all names."""
        return apply(self.all_masks, weights)


def save_ticket(ticket: Ticket, path: str | Path) -> None:
    """Write a ticket atomically; equal tickets give equal files.

    Raises:
        OSError: The file can't be written; what was there is unchanged.
    """
    header = dict(
        shapes={name: list(m.shape) for name, m in ticket.masks.items()},  # order of the masks
        masks_digest=digest(ticket.masks),
        rewind_file=ticket.rewind_file,
        rewind_digest=ticket.rewind_digest,
        shared=_sorted(ticket.shared),
        groups=_sorted(ticket.groups),
        provenance=_sorted(ticket.provenance))
    arrays = {f'mask/{name}': np.frombuffer(pack(m), np.uint8) for name, m in ticket.masks.items()}
    write_tensors(save_arrays, arrays, path, TICKET_FORMAT, header)


def _sorted(values: Mapping[str, Any]) -> dict[str, Any]:
    ordered: dict[str, Any] = json.loads(json.dumps(dict(values), sort_keys=True))
    return ordered


def load_ticket(path: str | Path) -> Ticket:
    """Read a ticket and check every mask against the stored digest.

    Raises:
        FileNotFoundError: There is no such file.
        TicketError: Truncated, damaged, foreign or of a future version; the message says which.
    """
    _refuse_checkpoint(Path(path))
    header, arrays = read_tensors(path, TICKET_FORMAT, _TICKET_KEYS, 'np')
    _check_header(header, path)
    shapes = header['shapes']
    missing = [name for name in shapes if f'mask/{name}' not in arrays]
    surplus = [key for key in arrays if key.removeprefix('mask/') not in shapes]
    if missing or surplus:
        raise TicketError(f'{path}: damaged ticket, masks missing: {missing}, surplus: {surplus}')
    try:
        masks = {name: unpack(arrays[f'mask/{name}'].tobytes(), tuple(shape))
                 for name, shape in shapes.items()}
    except ValueError as error:
        raise TicketError(f'{path}: {error}. Copy the file again, or train the round '
                          'again') from error
    if digest(masks) != header['masks_digest']:
        raise TicketError(f'{path}: the masks differ from their stored digest, so the file was '
                          'damaged. Copy it again, or train the round again')
    return Ticket(
        masks=masks, rewind_file=header['rewind_file'], rewind_digest=header['rewind_digest'],
        shared=header.get('shared', {}), groups=header.get('groups', {}),
        provenance=header['provenance'])


def _check_header(header: Mapping[str, Any], path: str | Path) -> None:
    """Raise TicketError for a header whose values are of other types, or too large to be true."""
    types: dict[str, type] = {
        **dict.fromkeys(('shapes', 'shared', 'groups', 'provenance'), dict),
        **dict.fromkeys(('masks_digest', 'rewind_file', 'rewind_digest'), str),
    }
    wrong = [key for key, kind in types.items() if not isinstance(header.get(key, kind()), kind)]
    texts = [key for key in ('shared', 'groups') if key not in wrong
             and not all(isinstance(each, str) for each in header.get(key, {}).values())]
    if wrong or texts:
        raise TicketError(f'{path}: damaged header, {[*wrong, *texts]} of another type')
    for name, shape in header['shapes'].items():
        whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if not whole:
            raise TicketError(f'{path}: damaged header, shape {shape!r} of {name!r}')
    total = sum(math.prod(shape) for shape in header['shapes'].values())
    if total > _MOST_WEIGHTS:
        raise TicketError(f'{path}: masks of {total} weights; at most {_MOST_WEIGHTS} are read')


def _refuse_checkpoint(path: Path) -> None:
    """Raise TicketError for a checkpoint of PyTorch, which says where tickets are."""
    if not path.is_file() or not (path.suffix in ('.pth', '.pt') or is_zipfile(path)):
        return
    raise TicketError(
        f'{path} is a checkpoint, the weights of a model, and no ticket. Give the '
        'ticket.safetensors in the folder of its round; to prune a dense checkpoint to a ticket: '
        '`mmlth transfer CHECKPOINT CONFIG OUT --sparsity P`')


def masks_digest(path: str | Path) -> str:
    """Return the stored digest of a ticket's masks without reading them."""
    return str(read_header(path, TICKET_FORMAT, _TICKET_KEYS)['masks_digest'])


def save_weights(weights: Mapping[str, Tensor], path: str | Path, *, step: int) -> str:
    """Write the state of a model at ``step`` (parameters and buffers) atomically.

    Every tensor is copied to the CPU first, so later training can't change what is stored.

    Returns:
        The SHA-256 of the tensors (:func:`mmlth.core.masks.digest`).
    """
    copies = {name: w.detach().cpu().contiguous().clone() for name, w in weights.items()}
    stored = digest(copies)
    write_tensors(save_tensors, copies, path, WEIGHTS_FORMAT, dict(step=step, digest=stored))
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
    header, weights = read_tensors(path, WEIGHTS_FORMAT, _WEIGHTS_KEYS, 'pt')
    found = digest(weights)
    if found != header['digest']:
        raise TicketError(f'{path}: the weights differ from their stored digest, so the file was '
                          'damaged. Copy it again')
    if expected_digest not in (None, found):
        wanted = str(expected_digest)[:12]
        raise TicketError(f'{path}: holds other weights (digest {found[:12]}) than the ticket was '
                          f'made with ({wanted}). Use the rewind file of its own job')
    return weights


def weights_digest(path: str | Path) -> str:
    """Return the stored digest of a weights file without reading its tensors."""
    return str(read_header(path, WEIGHTS_FORMAT, _WEIGHTS_KEYS)['digest'])


def weights_step(path: str | Path) -> int:
    """Return k, the optimizer steps after which a weights file was captured."""
    return int(read_header(path, WEIGHTS_FORMAT, _WEIGHTS_KEYS)['step'])


def load_rewind_weights(ticket: Ticket, path: str | Path) -> Weights:
    """Read the w_k that belongs to the ticket stored at ``path``; raises like load_weights."""
    file = Path(path).parent / ticket.rewind_file
    if not file.exists():
        raise FileNotFoundError(
            f'{path} needs its initial weights {file}, which are missing. Copy them from the job '
            'that made the ticket, to the same relative place')
    return load_weights(file, ticket.rewind_digest)


def check_weights(weights: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Raise TicketError unless ``weights`` have exactly the names and shapes of ``state``."""
    missing = sorted(set(state) - set(weights))
    surplus = sorted(set(weights) - set(state))
    if missing or surplus:
        raise TicketError(f'{source} does not fit the model: missing {_some(missing)}, '
                          f'surplus {_some(surplus)}. Was it made with another config?')
    for name, tensor in state.items():
        found, wanted = tuple(weights[name].shape), tuple(tensor.shape)
        if found != wanted:
            raise TicketError(f'{source}: {name!r} has shape {found}, but the model has {wanted}')


def _some(names: list[str]) -> str:
    more = f' and {len(names) - 5} more' if len(names) > 5 else ''
    return ', '.join(names[:5]) + more or 'none'


__all__ = ['Ticket', 'TicketError', 'check_weights', 'load_rewind_weights', 'load_ticket',
           'load_weights', 'masks_digest', 'save_ticket', 'save_weights', 'weights_digest',
           'weights_step']
