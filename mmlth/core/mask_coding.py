"""Code masks in about their entropy, the form in which all files hold them."""
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlth.core.masks import Masks, Tensors, Weights

_BLOCK = 1 << 20  # positions coded at once: temporaries stay in the cache
_ESCAPE = 255  # this byte adds 255 to the gap and says that it goes on
_RAW = -15  # zlib's number for a bare deflate stream, without header and checksum
_KEPT_CODED = b'\x01'  # first byte where the gaps lead to kept weights, otherwise to pruned ones
_PRUNED_CODED = b'\x00'

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def pack(mask: Tensor) -> bytes:
    """Code a mask in about its entropy (0.73 bit a weight at 80% sparsity).

    The stream holds the distances between kept weights (between pruned ones where most are
    kept), one byte each, Huffman coded by zlib. Its first byte tells which of the two.

    Args:
        mask: Bool tensor of any shape, True = kept.

    >>> bool(torch.equal(unpack(pack(torch.eye(3) > 0), (3, 3)), torch.eye(3) > 0))
    True
    """
    flat = mask.detach().cpu().reshape(-1).numpy()
    few_kept = np.count_nonzero(flat) * 2 <= flat.size
    rare = flat if few_kept else ~flat
    coder = zlib.compressobj(1, wbits=_RAW, memLevel=9, strategy=zlib.Z_HUFFMAN_ONLY)
    parts = [_KEPT_CODED if few_kept else _PRUNED_CODED]
    for gaps in _gaps(rare):
        parts.append(coder.compress(gaps))
    parts.append(coder.flush())
    return b''.join(parts)


def unpack(stream: bytes, shape: Sequence[int]) -> Tensor:
    """Return the mask of ``shape`` that :func:`pack` coded.

    Raises:
        ValueError: The stream is damaged or belongs to another shape.
    """
    total = math.prod(shape)
    decoder = zlib.decompressobj(_RAW)
    try:
        coded = decoder.decompress(stream[1:], total + 1)
    except zlib.error as error:
        raise ValueError(f'damaged mask ({error})') from error
    if len(coded) > total:  # a byte covers a weight at least: no more is read, nor kept
        raise ValueError(f'damaged mask: more bytes than shape {tuple(shape)} has weights')
    if not decoder.eof:
        raise ValueError('damaged mask (incomplete stream)')
    gaps = np.frombuffer(coded, np.uint8)
    rare = _without_gaps(gaps, tuple(shape))
    flat = rare if stream[:1] == _KEPT_CODED else ~rare
    return torch.from_numpy(flat).reshape(tuple(shape))


def pack_all(masks: Tensors) -> Weights:
    """Code every mask; return name -> its stream as a uint8 vector."""
    streams = {}
    for name, mask in masks.items():
        stream = bytearray(pack(mask))
        streams[name] = torch.frombuffer(stream, dtype=torch.uint8)
    return streams


def unpack_all(streams: Tensors, shapes: Mapping[str, Sequence[int]]) -> Masks:
    """Return the masks that :func:`pack_all` coded.

    Args:
        streams: name -> uint8 vector.
        shapes: name -> shape of the mask, of the same names.

    Raises:
        ValueError: A stream is damaged or belongs to another shape; names the tensor.

    >>> masks = {'w': torch.eye(2) > 0}
    >>> unpack_all(pack_all(masks), {'w': (2, 2)})['w'].int().tolist()
    [[1, 0], [0, 1]]
    """
    masks = {}
    for name, shape in shapes.items():
        stream = streams[name].cpu().numpy().tobytes()
        try:
            masks[name] = unpack(stream, shape)
        except ValueError as error:
            raise ValueError(f'{name!r}: {error}') from error
    return masks


def _gaps(flat: Bools) -> Iterator[bytes]:
    """Yield, block by block, the number of False before each True, in bytes with escapes."""
    last = -1
    for start in range(0, flat.size, _BLOCK):
        block = flat[start:start + _BLOCK]
        positions = np.flatnonzero(block) + start
        if len(positions):
            gaps = np.diff(positions, prepend=last) - 1
            last = positions[-1]
            yield _with_escapes(gaps).tobytes()


def _with_escapes(gaps: NDArray[np.intp]) -> Bytes:
    """Write each gap as one byte, after an escape for every 255 in it."""
    escapes = gaps // _ESCAPE
    if not escapes.any():
        return gaps.astype(np.uint8)
    size = len(gaps) + escapes.sum()
    coded = np.full(size, _ESCAPE, np.uint8)
    ends = np.cumsum(escapes + 1) - 1
    coded[ends] = gaps - _ESCAPE * escapes
    return coded


def _without_gaps(gaps: Bytes, shape: tuple[int, ...]) -> Bools:
    """Return the flat mask of ``shape`` that is True after each gap."""
    total = int(np.prod(shape, dtype=np.int64))
    flat = np.zeros(total, bool)
    start = 0
    blocks = max(1, len(gaps) // _BLOCK)
    for block in np.array_split(gaps, blocks):
        ends = block != _ESCAPE
        steps = block + ends.astype(np.int64)
        positions = start + np.cumsum(steps) - 1
        if len(block):
            start = positions[-1] + 1
        if start > total:
            raise ValueError(f'damaged mask: position {start - 1} is outside shape {shape}')
        flat[positions[ends]] = True
    return flat
