"""Files of an early bird: what one training leaves in a folder, and the comparison with its final masks.

``looks.jsonl`` has a line for every look, ``masks_SSSSSSSS.safetensors`` the packed masks of some of them,
``final.json`` their comparison with the masks that selection gave after the training.
"""
import json
from pathlib import Path
from typing import Any, Iterator, Mapping

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from mmlth.core.early_bird import compare, pack_bits, PackedMasks
from mmlth.core.files import atomic_path, read_json, write_json, write_text
from mmlth.core.masks import kept

_LOG, _FINAL = 'looks.jsonl', 'final.json'
_FORMAT, _VERSION = 'mmlth.early_bird_masks', '1'


def append_look(folder: Path, look: Mapping[str, Any]) -> None:
    """Add one look to the log of a training, as a line of JSON."""
    with open(folder / _LOG, 'a', encoding='utf-8') as file:
        file.write(json.dumps(look) + '\n')


def read_looks(folder: Path) -> list[dict[str, Any]]:
    """Read the log of a training, in order of steps; a last line that a kill cut off is passed over.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: A line is no JSON; names file and line.
    """
    path, looks = Path(folder) / _LOG, []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(keepends=True), 1):
        if line.endswith('\n'):
            try:
                looks.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f'{path}, line {number} is not valid JSON ({error})') from error
    return looks


def forget_after(folder: Path, step: int) -> None:
    """Drop all looks and masks after ``step``, which a resumed training will see again (-1: all)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FINAL).unlink(missing_ok=True)
    if (folder / _LOG).exists():
        looks = [look for look in read_looks(folder) if look['step'] <= step]
        write_text(folder / _LOG, ''.join(json.dumps(look) + '\n' for look in looks))
    for later, path in _mask_files(folder):
        if later > step:
            path.unlink()


def save_masks(folder: Path, packed: PackedMasks, *, step: int, max_iters: int,
               alive: Mapping[str, int]) -> None:
    """Write the packed masks of one look atomically (safetensors)."""
    header = json.dumps(dict(step=step, max_iters=max_iters, alive=dict(alive)))
    with atomic_path(folder / f'masks_{step:08d}.safetensors') as temporary:
        save_file(packed, str(temporary), metadata=dict(format=_FORMAT, version=_VERSION, header=header))


def _mask_files(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(p.stem.removeprefix('masks_')), p) for p in folder.glob('masks_*.safetensors'))


def _read_masks(path: Path) -> tuple[dict[str, Any], PackedMasks]:
    try:
        with safe_open(str(path), 'np') as file:
            metadata = file.metadata() or {}
            if (metadata.get('format'), metadata.get('version')) != (_FORMAT, _VERSION):
                raise ValueError(f'{path} is no mask file of an early bird, or of another version')
            return json.loads(metadata['header']), {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f'{path} is truncated or damaged ({error}). Delete it to compare the '
                         'others') from error


def against_final(folder: str | Path, masks: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """Yield :func:`compare` of every stored mask of a training with its final masks, with step and max_iters.

    Args:
        folder: Of the training's looks.
        masks: What selection gave after the training: the next round's masks.

    Raises:
        FileNotFoundError: No mask was stored there.
        ValueError: A file is damaged, or the masks are of another model or scope.
    """
    files = _mask_files(Path(folder))
    if not files:
        raise FileNotFoundError(f'{folder} holds no masks of an early bird: train with early_bird=dict(...)')
    final = pack_bits(masks)
    for _, path in files:
        header, packed = _read_masks(path)
        yield dict(step=header['step'], max_iters=header['max_iters'],
                   **compare(packed, final, header['alive']))


def write_final(folder: str | Path, masks: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Write :func:`against_final` to ``final.json`` of the folder, for figures; return its rows."""
    rows = list(against_final(folder, masks))
    write_json(Path(folder) / _FINAL, dict(version=1, kept=kept(masks), looks=rows))
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
        raise FileNotFoundError(f'{path} does not exist: it is written when the trained weights are pruned')
    found = read_json(path)
    if not isinstance(found, dict) or found.get('version') != 1:
        raise ValueError(f'{path} was not written by an early bird, or has another version')
    return found
