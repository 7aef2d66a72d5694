"""The public entry: checks, generation into a staging folder, and the final rename."""
import hashlib
import json
import os
import shutil
from collections import Counter
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from .contact_sheet import CONTACT_SHEET, draw_contact_sheet
from .crops import CROPS, crop_counts, write_crops
from .formats import (ANNOTATIONS, JPEGS, SETS, XMLS, annotation, image_record, write_coco,
                      write_image, write_image_sets, write_voc_xml)
from .meta import CLASSES, NAME, SPLITS, VERSION, band_of_area
from .scene import compose

MANIFEST = 'manifest.json'
_LARGEST = 999_999  # file names have six digits


def generate(out: str | Path = 'data/digit_scenes', *, seed: int = 0, train: int = 1000,
             val: int = 200, crops_per_class: int = 200, hue_bias: float = 0.7,
             overwrite: bool = False, log: Callable[[str], None] | None = print) -> dict:
    """Write DigitScenes below ``out`` unless the very same set is there already.

    Args:
        out: folder to make. A DigitScenes folder of the same version and arguments is kept as
            it is; one of others is replaced only with ``overwrite``; any other folder that is
            not empty is refused.
        seed: int >= 0. The same seed and sizes give the same files, bit for bit, on the same
            versions of numpy and OpenCV. Which handwriting is train and which val is fixed.
        train, val: images per split, ints >= 1, together at most 999999.
        crops_per_class: training crops of each category, int >= 1; val has a fifth of it.
        hue_bias: 0..1, the chance that a digit wears the hue of its category rather than a
            random one. At 0 colour says nothing about the category.
        log: called with each progress line; ``None`` for silence.

    Returns: the manifest, a dict as in ``manifest.json``.

    Raises: TypeError or ValueError for an argument out of range; FileExistsError where ``out``
    may not be replaced; OSError if a file cannot be written.
    """
    wanted = check_arguments(seed, train, val, crops_per_class, hue_bias)
    out, log = Path(out).expanduser().resolve(), log or (lambda line: None)
    if not overwrite:
        found = _found(out, wanted)
        if found:
            log(f'{NAME} {VERSION} with seed {seed} is in {out} already: nothing to do')
            return found
    _refuse_foreign(out)
    with _staging(out) as root:
        manifest = _write_all(root, wanted, log)
    log(f'wrote {out}')
    return manifest


def check_arguments(seed: int, train: int, val: int, crops_per_class: int,
                    hue_bias: float) -> dict:
    """The arguments of :func:`generate` that decide on the content, as the manifest has them.

    Raises TypeError or ValueError, naming the argument, for one that is out of range.
    """
    sizes = dict(train=train, val=val, crops_per_class=crops_per_class)
    for name, value in dict(seed=seed, **sizes).items():
        low = 0 if name == 'seed' else 1
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f'{name} must be an int >= {low}, got {value!r}')
        if value < low:
            raise ValueError(f'{name} must be an int >= {low}, got {value}')
    if train + val > _LARGEST:
        raise ValueError(f'train + val must be at most {_LARGEST}, got {train} + {val}')
    if isinstance(hue_bias, bool) or not isinstance(hue_bias, Real):
        raise TypeError(f'hue_bias must be a number from 0 to 1, got {hue_bias!r}')
    if not 0 <= hue_bias <= 1:
        raise ValueError(f'hue_bias must be a number from 0 to 1, got {hue_bias}')
    sizes = {name: int(value) for name, value in sizes.items()}
    return dict(name=NAME, version=VERSION, seed=int(seed), **sizes, hue_bias=float(hue_bias))


def read_manifest(folder: str | Path) -> dict | None:
    """The manifest of a DigitScenes folder, or None where ``folder`` is not one."""
    try:
        manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and manifest.get('name') == NAME
    return manifest if ours else None


def digest(folder: str | Path) -> str:
    """sha256 (hex) over the names and bytes of all images and annotations below ``folder``."""
    folder, total = Path(folder), hashlib.sha256()
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        if path.parent != folder:  # the manifest and the contact sheet describe the set
            total.update(path.relative_to(folder).as_posix().encode() + b'\0')
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _found(out, wanted):
    """The manifest if the wanted set is in ``out`` and whole; FileExistsError if another is."""
    manifest = read_manifest(out)
    if manifest is None:
        return None
    other = {key: manifest.get(key) for key in wanted if manifest.get(key) != wanted[key]}
    if other:
        asked = {key: wanted[key] for key in other}
        raise FileExistsError(
            f'{out} holds a {NAME} with {other} but {asked} was asked for; choose another '
            'folder, or pass --overwrite (overwrite=True) to replace it')
    if not _whole(out, wanted):
        raise FileExistsError(
            f'{out} holds this {NAME} with files missing; pass --overwrite (overwrite=True) to '
            'write it again')
    return manifest


def _whole(out, wanted):
    """Whether the files that a manifest promises are there, by number; it reads none of them."""
    images = wanted['train'] + wanted['val']
    crops = sum(crop_counts(wanted['crops_per_class']).values()) * len(CLASSES)
    expected = ((JPEGS, '*.jpg', images), (XMLS, '*.xml', images), (SETS, '*.txt', 4),
                (ANNOTATIONS, '*.json', 4), (CROPS, '*/*/*.png', crops))
    return all(len(list((out / folder).glob(pattern))) == count
               for folder, pattern, count in expected)


def _refuse_foreign(out):
    """FileExistsError unless ``out`` is absent, an empty folder or a DigitScenes folder."""
    if not out.exists() or read_manifest(out) is not None:
        return
    if not out.is_dir():
        raise FileExistsError(f'out must be a folder, but {out} is a file; choose another path')
    if any(out.iterdir()):
        raise FileExistsError(
            f'{out} is not empty and has no {MANIFEST} of {NAME}, so it is not replaced; choose '
            'an empty or new folder, or empty it yourself')


@contextmanager
def _staging(out):
    """A sibling folder that takes the place of ``out`` when the block ends without an error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging, old = (out.with_name(f'.{out.name}.{word}-{os.getpid()}') for word in ('new', 'old'))
    staging.mkdir()
    try:
        yield staging
        if out.exists():
            out.rename(old)
        staging.rename(out)
    finally:
        for left_over in (staging, old):
            shutil.rmtree(left_over, ignore_errors=True)


def _write_all(root, wanted, log):
    for folder in (JPEGS, XMLS, SETS, ANNOTATIONS):
        (root / folder).mkdir(parents=True)
    numbers, summary, first = {}, {}, 1
    for split in SPLITS:
        numbers[split] = range(first, first + wanted[split])
        summary[split] = _write_split(root, split, first, wanted)
        first += wanted[split]
        log(f'{split}: {summary[split]["images"]} images, {summary[split]["objects"]} objects')
    write_image_sets(root, numbers)
    write_crops(root, wanted['seed'], wanted['crops_per_class'], wanted['hue_bias'])
    manifest = dict(wanted, counts=summary, crops=crop_counts(wanted['crops_per_class']),
                    made_with=dict(numpy=np.__version__, opencv=cv2.__version__),
                    sha256=digest(root))
    (root / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
    write_image(root / CONTACT_SHEET, draw_contact_sheet(root))
    return manifest


def _write_split(root, split, first, wanted):
    """Write the scenes of a split, whose ids start at ``first``; returns its summary."""
    images, annotations = [], []
    for index in range(wanted[split]):
        scene = compose(wanted['seed'], split, index, wanted['hue_bias'])
        image = image_record(first + index, scene.image)
        # 100 ids for each image: no id depends on how many objects came before.
        records = [annotation(instance, image['id'], 100 * image['id'] + k)
                   for k, instance in enumerate(scene.instances)]
        write_image(root / JPEGS / image['file_name'], scene.image)
        write_voc_xml(root, image, records)
        images.append(image)
        annotations += records
    write_coco(root, split, images, annotations)
    return _summary(images, annotations)


def _summary(images, annotations):
    objects = [record for record in annotations if not record['iscrowd']]
    per_class = Counter(record['category_id'] for record in objects)
    bands = Counter(band_of_area(record['area']) for record in objects)
    flags = Counter(v for record in annotations for v in record.get('keypoints', [])[2::3])
    return dict(
        images=len(images), objects=len(objects), crowds=len(annotations) - len(objects),
        per_category={name: per_class[i] for i, name in enumerate(CLASSES, start=1)},
        share_by_area={band: round(bands[band] / max(len(objects), 1), 4)
                       for band in ('small', 'medium', 'large')},
        keypoints=dict(absent=flags[0], hidden=flags[1], visible=flags[2]))
