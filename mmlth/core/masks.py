"""Masks: a dict from parameter name to a bool tensor, True where the weight is kept."""
import hashlib
import zlib
from typing import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

Masks = dict[str, Tensor]
Weights = dict[str, Tensor]

_BLOCK = 1 << 20  # positions coded at once: temporaries stay in the cache
_ESCAPE = 255  # this byte adds 255 to the gap and says that it goes on


def dense_masks(weights: Mapping[str, Tensor]) -> Masks:
    """Return masks that keep every weight, shaped like ``weights``."""
    return {name: torch.ones(w.shape, dtype=torch.bool) for name, w in weights.items()}


def shared_with(masks: Mapping[str, Tensor], shared: Mapping[str, str]) -> Masks:
    """Return ``masks`` and an entry for every name that takes the mask of another tensor.

    Args:
        masks: name -> bool tensor.
        shared: name -> name of the tensor whose mask it takes, as for tied parameters and for
            copies that follow a teacher. Those whose owner has no mask are left out.

    Returns:
        A new dict of the very same tensors, none of them copied.

    >>> own = torch.tensor([True, False])
    >>> found = shared_with({'w': own}, {'tied.w': 'w', 'copy.free': 'free'})
    >>> list(found), found['tied.w'] is own
    (['w', 'tied.w'], True)
    """
    taken = {name: masks[owner] for name, owner in shared.items() if owner in masks}
    return {**masks, **taken}


def kept(masks: Mapping[str, Tensor]) -> int:
    """Count the kept weights exactly (int64).

    >>> kept({'w': torch.tensor([True, False, True])})
    2
    """
    return sum(count_kept(m) for m in masks.values())


def count_kept(mask: Tensor) -> int:
    """Count the True entries of one mask (numpy does this 10 times faster than torch)."""
    return int(np.count_nonzero(mask.cpu().numpy()))


def size(tensors: Mapping[str, Tensor]) -> int:
    """Count the elements of all tensors."""
    return sum(t.numel() for t in tensors.values())


def density(masks: Mapping[str, Tensor]) -> float:
    """Return kept weights / all weights of the masks, in [0, 1]."""
    return kept(masks) / size(masks)


def is_subset(masks: Mapping[str, Tensor], of: Mapping[str, Tensor]) -> bool:
    """Tell whether every weight that ``masks`` keeps is kept by ``of`` too.

    >>> a = {'w': torch.tensor([True, False])}
    >>> is_subset(a, {'w': torch.tensor([True, True])}), is_subset({'w': ~a['w']}, a)
    (True, False)
    """
    check_same_tensors(masks, of, 'masks', 'masks they are compared with')
    return all(not torch.any(m & ~of[name]) for name, m in masks.items())


def overlap(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, float]:
    """Compare two sets of masks over the same tensors.

    Returns:
        ``iou``: shared kept weights / weights kept by either, in [0, 1] (1.0 if both keep none);
        ``hamming``: share of positions that differ, in [0, 1];
        ``chance_iou``: the IoU expected of independent random masks of the same densities.

    >>> overlap({'w': torch.tensor([True, True, False, False])},
    ...         {'w': torch.tensor([True, False, True, False])})['iou']  # 1 of 3
    0.3333333333333333
    """
    check_same_tensors(a, b, 'first masks', 'second masks')
    both = sum(count_kept(m & b[name]) for name, m in a.items())
    kept_a, kept_b, total = kept(a), kept(b), size(a)
    either = kept_a + kept_b - both
    chance_both = kept_a * kept_b / total
    chance_either = kept_a + kept_b - chance_both
    return dict(
        iou=both / either if either else 1.0,
        hamming=(either - both) / total,
        chance_iou=chance_both / chance_either if chance_either else 1.0)


def apply(masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Weights:
    """Return copies of ``weights`` in which pruned weights are exactly +0.0.

    Tensors without a mask are copied unchanged, so the whole state of a model may be given.

    Raises:
        ValueError: A mask has no tensor in ``weights`` or another shape.
    """
    check_fits(masks, weights, 'weights')
    return {name: torch.where(masks[name], w, torch.zeros((), dtype=w.dtype))
            if name in masks else w.clone() for name, w in weights.items()}


def check_fits(masks: Mapping[str, Tensor], weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ValueError unless every mask has a tensor of its name and shape in ``weights``."""
    for name, mask in masks.items():
        if name not in weights:
            raise ValueError(f'the ticket has a mask for {name!r}, which {where} lack. It was made '
                             'for another model or scope')
        if mask.shape != weights[name].shape:
            raise ValueError(f'mask of {name!r} has shape {tuple(mask.shape)}, but the tensor in '
                             f'{where} has {tuple(weights[name].shape)}')


def check_zeros(masks: Mapping[str, Tensor], state: Mapping[str, Tensor], where: str) -> None:
    """Raise ValueError unless ``state`` is exactly zero wherever the masks prune; names a tensor."""
    check_fits(masks, state, where)
    for name, mask in masks.items():
        if (state[name].cpu().ne(0) & ~mask).any():
            raise ValueError(f'pruned weights of {name!r} are not zero in {where}: it does not belong '
                             'to this ticket')


def check_same_tensors(a: Mapping[str, Tensor], b: Mapping[str, Tensor], what_a: str,
                       what_b: str) -> None:
    """Raise ValueError unless both hold the same names in the same shapes; names the first."""
    for name in sorted(set(a) ^ set(b)):
        lacking, holding = (what_b, what_a) if name in a else (what_a, what_b)
        raise ValueError(f'{name!r} is in the {holding} but not in the {lacking}')
    for name, tensor in a.items():
        if tensor.shape != b[name].shape:
            raise ValueError(f'{name!r} has shape {tuple(tensor.shape)} in the {what_a} but '
                             f'{tuple(b[name].shape)} in the {what_b}')


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bits of the tensors, in order of name.

    Two sets of tensors have the same digest only if they are the same bit for bit.
    """
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f'{name}|{tensor.dtype}|{tuple(tensor.shape)}|'.encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


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
    coded = np.count_nonzero(flat) * 2 <= flat.size
    coder = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    stream = b''.join(coder.compress(gaps) for gaps in _gaps(flat if coded else ~flat))
    return bytes([coded]) + stream + coder.flush()


def unpack(stream: bytes, shape: tuple[int, ...]) -> Tensor:
    """Return the mask of ``shape`` that :func:`pack` coded.

    Raises:
        ValueError: The stream is damaged or belongs to another shape.
    """
    try:
        gaps = np.frombuffer(zlib.decompress(stream[1:], -15), np.uint8)
    except zlib.error as error:
        raise ValueError(f'damaged mask ({error})') from error
    total = int(np.prod(shape, dtype=np.int64))
    flat = np.zeros(total, bool)
    start = 0
    for block in np.array_split(gaps, max(1, len(gaps) // _BLOCK)):
        ends = block != _ESCAPE
        positions = start + np.cumsum(block + ends.astype(np.int64)) - 1
        start = positions[-1] + 1 if len(block) else start
        if start > total:
            raise ValueError(f'damaged mask: position {start - 1} is outside shape {shape}')
        flat[positions[ends]] = True
    mask = torch.from_numpy(flat if stream[:1] == b'\x01' else ~flat)
    return mask.reshape(shape)


def _gaps(flat: np.ndarray) -> Iterator[bytes]:
    """Yield, block by block, the number of False before each True, in bytes with escapes."""
    last = -1
    for start in range(0, flat.size, _BLOCK):
        positions = np.flatnonzero(flat[start:start + _BLOCK]) + start
        if not len(positions):
            continue
        gaps = np.diff(positions, prepend=last) - 1
        last = positions[-1]
        escapes = gaps // _ESCAPE
        if not escapes.any():
            yield gaps.astype(np.uint8).tobytes()
            continue
        coded = np.full(len(gaps) + escapes.sum(), _ESCAPE, np.uint8)
        coded[np.cumsum(escapes + 1) - 1] = gaps - _ESCAPE * escapes
        yield coded.tobytes()
