"""What tells one DigitScenes folder from another: its arguments, its files, their digest."""
import hashlib
import json
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .crops import CROPS, crop_counts
from .formats import ANNOTATIONS, JPEGS, SETS, XMLS
from .meta import CLASSES, NAME, VERSION

Manifest = dict[str, Any]

MANIFEST = 'manifest.json'
_LARGEST = 999_999  # file names have six digits


def check_arguments(
    seed: int,
    train: int,
    val: int,
    crops_per_class: int,
    hue_bias: float,
) -> Manifest:
    """Return the arguments of ``generate`` that decide on the content, as the manifest does.

    Raises:
        TypeError, ValueError: An argument is out of range; names it.
    """
    sizes = dict(train=train, val=val, crops_per_class=crops_per_class)
    _check_int('seed', seed, low=0)
    for name, value in sizes.items():
        _check_int(name, value, low=1)
    if train + val > _LARGEST:
        raise ValueError(f'train + val must be at most {_LARGEST}, got {train} + {val}')
    if isinstance(hue_bias, bool) or not isinstance(hue_bias, Real):
        raise TypeError(f'hue_bias must be a number from 0 to 1, got {hue_bias!r}')
    if not 0 <= hue_bias <= 1:
        raise ValueError(f'hue_bias must be a number from 0 to 1, got {hue_bias}')
    return dict(
        name=NAME,
        version=VERSION,
        seed=int(seed),
        train=int(train),
        val=int(val),
        crops_per_class=int(crops_per_class),
        hue_bias=float(hue_bias),
    )


def _check_int(name: str, value: int, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f'{name} must be an int >= {low}, got {value!r}')
    if value < low:
        raise ValueError(f'{name} must be an int >= {low}, got {value}')


def read_manifest(folder: str | Path) -> Manifest | None:
    """Read the manifest of a DigitScenes folder; None where ``folder`` is not one."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and manifest.get('name') == NAME
    return manifest if ours else None


def digest(folder: str | Path) -> str:
    """Return the sha256 (hex) over names and bytes of all images and annotations below."""
    folder = Path(folder)
    total = hashlib.sha256()
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    for path in files:
        if path.parent != folder:  # the manifest and the contact sheet describe the set
            name = path.relative_to(folder).as_posix()
            content = hashlib.sha256(path.read_bytes())
            total.update(name.encode() + b'\0')
            total.update(content.digest())
    return total.hexdigest()


def find_set(out: Path, wanted: Manifest) -> Manifest | None:
    """Return the manifest in ``out`` if that is the wanted set; None if it holds none.

    Raises:
        FileExistsError: There is another set, or files are missing.
    """
    manifest = read_manifest(out)
    if manifest is None:
        return None
    other = {key: manifest.get(key) for key in wanted if manifest.get(key) != wanted[key]}
    if other:
        asked = {key: wanted[key] for key in other}
        raise FileExistsError(
            f'{out} holds a {NAME} with {other} but {asked} was asked for; choose another '
            'folder, or pass --overwrite (overwrite=True) to replace it'
        )
    if not _is_whole(out, wanted):
        raise FileExistsError(
            f'{out} holds this {NAME} with files missing; pass --overwrite (overwrite=True) to '
            'write it again'
        )
    return manifest


def _is_whole(out: Path, wanted: Manifest) -> bool:
    """Tell whether the promised files are there, by number; read none of them."""
    images = wanted['train'] + wanted['val']
    per_class = crop_counts(wanted['crops_per_class'])
    crops = sum(per_class.values()) * len(CLASSES)
    expected = (
        (JPEGS, '*.jpg', images),
        (XMLS, '*.xml', images),
        (SETS, '*.txt', 4),
        (ANNOTATIONS, '*.json', 4),
        (CROPS, '*/*/*.png', crops),
    )
    for folder, pattern, count in expected:
        found = list((out / folder).glob(pattern))
        if len(found) != count:
            return False
    return True


def refuse_foreign(out: Path) -> None:
    """Raise FileExistsError unless ``out`` is absent, empty or a DigitScenes folder."""
    if not out.exists() or read_manifest(out) is not None:
        return
    if not out.is_dir():
        raise FileExistsError(f'out must be a folder, but {out} is a file; choose another path')
    if any(out.iterdir()):
        raise FileExistsError(
            f'{out} is not empty and has no {MANIFEST} of {NAME}, so it is not replaced; choose '
            'an empty or new folder, or empty it yourself'
        )
