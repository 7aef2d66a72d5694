"""Making DigitScenes: generation into a staging folder, and the final rename."""
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmlth.core.files import replaced_folder

from .contact_sheet import CONTACT_SHEET, draw_contact_sheet
from .crops import crop_counts, write_crops
from .formats import (
    ANNOTATIONS,
    JPEGS,
    SETS,
    XMLS,
    Record,
    annotation,
    image_record,
    write_coco,
    write_image,
    write_image_sets,
    write_voc_xml,
)
from .manifest import (
    MANIFEST,
    Manifest,
    check_arguments,
    digest,
    find_set,
    refuse_foreign,
)
from .meta import BANDS, CLASSES, NAME, SPLITS, VERSION, band_of_area
from .scene import compose

Log = Callable[[str], None]

_IDS_PER_IMAGE = 100  # no id of an annotation depends on how many objects came before


def generate(
    out: str | Path = 'data/digit_scenes',
    *,
    seed: int = 0,
    train: int = 1000,
    val: int = 200,
    crops_per_class: int = 200,
    hue_bias: float = 0.7,
    overwrite: bool = False,
    log: Log | None = print,
) -> Manifest:
    """Write DigitScenes below ``out`` unless the very same set is there already.

    Args:
        out: Folder to make. A DigitScenes folder of the same version and arguments is kept as
            it is; one of others is replaced only with ``overwrite``; any other folder that is
            not empty is refused.
        seed: int >= 0. The same seed and sizes give the same files, bit for bit, on the same
            versions of numpy and OpenCV. Which handwriting is train and which val is fixed.
        train: Training images, int >= 1; with ``val`` at most 999999.
        val: Validation images, int >= 1.
        crops_per_class: Training crops of each category, int >= 1; val has a fifth of it.
        hue_bias: 0..1, the chance that a digit wears the hue of its category rather than a
            random one. At 0 colour says nothing about the category.
        overwrite: Replace another DigitScenes at ``out``.
        log: Called with each progress line; None for silence.

    Returns:
        The manifest, a dict as in ``manifest.json``.

    Raises:
        TypeError, ValueError: An argument is out of range.
        FileExistsError: ``out`` may not be replaced.
        OSError: A file cannot be written.
    """
    wanted = check_arguments(seed, train, val, crops_per_class, hue_bias)
    out = Path(out).expanduser().resolve()
    say = log or _silence
    if not overwrite:
        found = find_set(out, wanted)
        if found:
            say(f'{NAME} {VERSION} with seed {seed} is in {out} already: nothing to do')
            return found
    refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced_folder(out) as root:
        manifest = _write_all(root, wanted, say)
    say(f'wrote {out}')
    return manifest


def _silence(line: str) -> None:
    pass


def _write_all(root: Path, wanted: Manifest, say: Log) -> Manifest:
    for folder in (JPEGS, XMLS, SETS, ANNOTATIONS):
        (root / folder).mkdir(parents=True)
    counts = _write_scenes(root, wanted, say)
    per_class = wanted['crops_per_class']
    write_crops(root, wanted['seed'], per_class, wanted['hue_bias'])
    manifest = dict(
        wanted,
        counts=counts,
        crops=crop_counts(per_class),
        made_with=dict(numpy=np.__version__, opencv=cv2.__version__),
        sha256=digest(root),
    )
    text = json.dumps(manifest, indent=2)
    (root / MANIFEST).write_text(text + '\n', encoding='utf-8')
    write_image(root / CONTACT_SHEET, draw_contact_sheet(root))
    return manifest


def _write_scenes(root: Path, wanted: Manifest, say: Log) -> dict[str, Record]:
    """Write scenes and their annotations; return a summary of each split."""
    numbers = {}
    summaries = {}
    first = 1
    for split in SPLITS:
        end = first + wanted[split]
        numbers[split] = range(first, end)
        summary = _write_split(root, split, first, wanted)
        summaries[split] = summary
        say(f'{split}: {summary["images"]} images, {summary["objects"]} objects')
        first = end
    write_image_sets(root, numbers)
    return summaries


def _write_split(root: Path, split: str, first: int, wanted: Manifest) -> Record:
    """Write the scenes of a split, whose ids start at ``first``; return its summary."""
    images = []
    annotations = []
    for index in range(wanted[split]):
        number = first + index
        scene = compose(wanted['seed'], split, index, wanted['hue_bias'])
        image = image_record(number, scene.image)
        numbered = enumerate(scene.instances, start=_IDS_PER_IMAGE * number)
        records = [annotation(instance, number, k) for k, instance in numbered]
        write_image(root / JPEGS / image['file_name'], scene.image)
        write_voc_xml(root, image, records)
        images.append(image)
        annotations += records
    write_coco(root, split, images, annotations)
    return _summary(images, annotations)


def _summary(images: Sequence[Record], annotations: Sequence[Record]) -> Record:
    objects = [record for record in annotations if not record['iscrowd']]
    per_class = Counter(record['category_id'] for record in objects)
    bands = Counter(band_of_area(record['area']) for record in objects)
    total = max(len(objects), 1)
    flags: Counter[int] = Counter()
    for record in annotations:
        flags.update(record.get('keypoints', [])[2::3])
    return dict(
        images=len(images),
        objects=len(objects),
        crowds=len(annotations) - len(objects),
        per_category={name: per_class[i] for i, name in enumerate(CLASSES, start=1)},
        share_by_area={band: round(bands[band] / total, 4) for band in BANDS},
        keypoints=dict(absent=flags[0], hidden=flags[1], visible=flags[2]),
    )
