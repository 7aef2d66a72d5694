"""Files of an early bird: the masks that a training went through, beside its final ones.

In the folder of one training ``looks.jsonl`` has a line for every look,
``masks_SSSSSSSS.safetensors`` the masks of some of them, ``final.json`` their comparison with the
masks that selection gave after the training.
"""
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mmlth.core.files import atomic_path, read_json, write_json, write_text
from mmlth.core.mask_coding import pack_all, unpack_all
from mmlth.core.masks import Masks, Tensors, kept
from mmlth.core.overlap import count_overlap, describe, describe_each

_LOG = 'looks.jsonl'
_FINAL = 'final.json'
_FINAL_VERSION = 1
_FORMAT = 'mmlth.early_bird_masks'
_VERSION = '2'  # 1 held one bit a weight


@dataclass(frozen=True, kw_only=True)
class StoredMasks:
    """Masks of one look.

    Attributes:
        step: At which the training was looked at.
        max_iters: Steps of the whole training.
        alive: name -> weights that the masks of the training itself keep.
        masks: What pruning at this step would keep.
    """

    step: int
    max_iters: int
    alive: dict[str, int]
    masks: Masks


def append_look(folder: Path, look: Mapping[str, Any]) -> None:
    """Add one look to the log of a training, as a line of JSON."""
    with open(folder / _LOG, 'a', encoding='utf-8') as file:
        file.write(_line(look))


def read_looks(folder: str | Path) -> list[dict[str, Any]]:
    """Read the log of a training, in order of steps; a line that a kill cut off is passed over.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: A line is no JSON; names file and line.
    """
    path = Path(folder) / _LOG
    lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
    looks = []
    for number, line in enumerate(lines, 1):
        if not line.endswith('\n'):
            continue
        try:
            looks.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f'{path}, line {number} is not valid JSON ({error})') from error
    return looks


def forget_after(folder: Path, step: int) -> None:
    """Drop all looks and masks after ``step``, which a resumed training sees again (-1: all)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FINAL).unlink(missing_ok=True)
    log = folder / _LOG
    if log.exists():
        looks = [look for look in read_looks(folder) if look['step'] <= step]
        write_text(log, ''.join(_line(look) for look in looks))
    for later, path in mask_files(folder):
        if later > step:
            path.unlink()


def save_masks(folder: Path, stored: StoredMasks) -> None:
    """Write the masks of one look atomically (safetensors)."""
    shapes = {name: list(mask.shape)
              for name, mask in stored.masks.items()}
    header = {
        'step': stored.step,
        'max_iters': stored.max_iters,
        'alive': stored.alive,
        'shapes': shapes,
    }
    metadata = {
        'format': _FORMAT,
        'version': _VERSION,
        'header': json.dumps(header),
    }
    with atomic_path(folder / f'masks_{stored.step:08d}.safetensors') as temporary:
        save_file(pack_all(stored.masks), str(temporary), metadata=metadata)


def mask_files(folder: Path) -> list[tuple[int, Path]]:
    """List (step, file) of the stored masks of a training, in order of steps."""
    paths = folder.glob('masks_*.safetensors')
    found = {int(path.stem.removeprefix('masks_')): path for path in paths}
    return sorted(found.items())


def read_masks(path: Path) -> StoredMasks:
    """Read what :func:`save_masks` wrote.

    Raises:
        ValueError: The file is damaged, of an earlier version, or no such file.
    """
    try:
        with safe_open(str(path), 'pt') as file:
            metadata = file.metadata() or {}
            streams = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path, error) from error
    if metadata.get('format') != _FORMAT:
        raise ValueError(f'{path} is no mask file of an early bird')
    if metadata.get('version') != _VERSION:
        raise ValueError(f'{path} has format version {metadata.get("version")}, but {_VERSION} '
                         'is read here. Delete it to compare the others')
    header = json.loads(metadata['header'])
    shapes = header.pop('shapes')
    try:
        masks = unpack_all(streams, shapes)
    except ValueError as error:
        raise _damaged(path, error) from error
    return StoredMasks(masks=masks, **header)


def against_final(
    folder: str | Path,
    masks: Tensors,
) -> Iterator[dict[str, Any]]:
    """Compare every stored mask of a training with its final ones.

    Args:
        folder: Of the training's looks.
        masks: What selection gave after the training: the next round's masks.

    Yields:
        ``step``, ``max_iters``, what :func:`mmlth.core.overlap.describe` tells of all tensors,
        and in ``layers`` what it tells of each.

    Raises:
        FileNotFoundError: No mask was stored there.
        ValueError: A file is damaged, or the masks are of another model or scope.
    """
    files = mask_files(Path(folder))
    if not files:
        raise FileNotFoundError(f'{folder} holds no masks of an early bird: train with '
                                'early_bird=dict(...)')
    for _, path in files:
        stored = read_masks(path)
        counts = count_overlap(stored.masks, masks, stored.alive)
        yield {
            'step': stored.step,
            'max_iters': stored.max_iters,
            **describe(*counts.values()),
            'layers': describe_each(counts),
        }


def write_final(
    folder: str | Path,
    masks: Tensors,
) -> list[dict[str, Any]]:
    """Write :func:`against_final` to ``final.json`` of the folder, for figures; return its rows."""
    rows = list(against_final(folder, masks))
    found = {'version': _FINAL_VERSION, 'kept': kept(masks), 'looks': rows}
    write_json(Path(folder) / _FINAL, found)
    return rows


def has_final(folder: str | Path) -> bool:
    """Tell whether the masks of a training have been compared with its final ones."""
    return (Path(folder) / _FINAL).exists()


def read_final(folder: str | Path) -> dict[str, Any]:
    """Read what :func:`write_final` wrote: ``kept`` weights of the final masks, and ``looks``.

    Raises:
        FileNotFoundError: There is no such file; says what writes it.
        ValueError: It is no JSON, or of another version.
    """
    path = Path(folder) / _FINAL
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist: it is written when the trained weights '
                                'are pruned')
    found = read_json(path)
    if not isinstance(found, dict) or found.get('version') != _FINAL_VERSION:
        raise ValueError(f'{path} was not written by an early bird, or has another version')
    return found


def _line(look: Mapping[str, Any]) -> str:
    return json.dumps(look) + '\n'


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f'{path} is truncated or damaged ({error}). Delete it to compare the others')
