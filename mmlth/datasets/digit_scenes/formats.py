"""Writing scenes as COCO JSON and as Pascal VOC."""
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np

from .collage import Instance
from .masks import encode
from .meta import CLASSES, KEYPOINTS, NAME, PERSON, SKELETON, SPLITS, VERSION

Record = dict[str, Any]  # as in COCO's JSON

JPEG_QUALITY = 93
VOC = Path('VOC2007')
JPEGS = VOC / 'JPEGImages'
XMLS = VOC / 'Annotations'
SETS = VOC / 'ImageSets' / 'Main'
ANNOTATIONS = Path('annotations')
_OCCLUDED_BELOW = 0.95  # of the pixels inside the image


def categories() -> list[Record]:
    """Return COCO's categories, ids 1..11; the person's has keypoints and a 1-based skeleton."""
    records: list[Record] = []
    for number, name in enumerate(CLASSES, start=1):
        kind = 'person' if number == PERSON else 'digit'
        records.append(dict(id=number, name=name, supercategory=kind))
    bones = [[start + 1, end + 1] for start, end in SKELETON]
    records[PERSON - 1].update(keypoints=list(KEYPOINTS), skeleton=bones)
    return records


def image_record(number: int, image: np.ndarray) -> Record:
    """Return COCO's record of image ``number`` (its id); file_name is relative to JPEGImages."""
    height, width = image.shape[:2]
    return dict(
        id=number,
        file_name=f'{number:06d}.jpg',
        width=width,
        height=height,
    )


def annotation(instance: Instance, image_id: int, annotation_id: int) -> Record:
    """Return COCO's record of a scene's Instance.

    Beyond COCO's fields it has ``handwriting`` (indices of scikit-learn's digits), and
    ``truncated`` and ``occluded`` (0 or 1) as VOC means them.
    """
    simple = instance.category != PERSON and not instance.crowd
    segmentation, area, bbox = encode(instance.mask, polygons=simple)
    visible = instance.mask.sum()
    truncated = instance.inside_area < instance.full_area
    occluded = visible < _OCCLUDED_BELOW * instance.inside_area
    record = dict(
        id=annotation_id,
        image_id=image_id,
        category_id=instance.category,
        bbox=bbox,
        area=area,
        segmentation=segmentation,
        iscrowd=int(instance.crowd),
        truncated=int(truncated),
        occluded=int(occluded),
        handwriting=list(instance.handwriting),
    )
    if instance.keypoints is not None:
        labelled = instance.keypoints[:, 2] > 0
        record['num_keypoints'] = int(labelled.sum())
        record['keypoints'] = _flat(instance.keypoints)
    return record


def _flat(keypoints: np.ndarray) -> list[float]:
    """Return [x0, y0, v0, x1, ...] with v as integers."""
    flat: list[float] = []
    for x, y, v in keypoints.tolist():
        flat += (x, y, int(v))
    return flat


def write_coco(
    root: Path,
    split: str,
    images: Sequence[Record],
    annotations: Sequence[Record],
) -> None:
    """Write instances_<split>.json (all categories) and person_keypoints_<split>.json."""
    people = [record for record in annotations if record['category_id'] == PERSON]
    info = dict(description=NAME, version=VERSION, split=split)
    for stem, records, chosen in (
        ('instances', annotations, categories()),
        ('person_keypoints', people, categories()[:PERSON]),
    ):
        content = dict(
            info=info,
            licenses=[],
            images=images,
            annotations=records,
            categories=chosen,
        )
        text = json.dumps(content, separators=(',', ':'))
        path = root / ANNOTATIONS / f'{stem}_{split}.json'
        path.write_text(text, encoding='utf-8')


def read_coco(root: Path, split: str, stem: str = 'instances') -> Record:
    """Read ``<stem>_<split>.json`` below ``root``, a dict as COCO's."""
    path = root / ANNOTATIONS / f'{stem}_{split}.json'
    return json.loads(path.read_text(encoding='utf-8'))


def write_voc_xml(root: Path, image: Record, annotations: Iterable[Record]) -> None:
    """Write the VOC annotation of an image: 1-based inclusive boxes; crowds are difficult."""
    tree = ElementTree.Element('annotation')
    _add(tree, folder=VOC.name, filename=image['file_name'])
    source = ElementTree.SubElement(tree, 'source')
    _add(source, database=NAME)
    size = ElementTree.SubElement(tree, 'size')
    _add(size, width=image['width'], height=image['height'], depth=3)
    _add(tree, segmented=0)
    for record in annotations:
        _add_object(tree, record)
    ElementTree.indent(tree)
    text = ElementTree.tostring(tree, encoding='unicode')
    path = root / XMLS / Path(image['file_name']).with_suffix('.xml')
    path.write_text(text + '\n', encoding='utf-8')


def _add_object(tree: ElementTree.Element, record: Record) -> None:
    node = ElementTree.SubElement(tree, 'object')
    _add(
        node,
        name=CLASSES[record['category_id'] - 1],
        pose='Unspecified',
        truncated=record['truncated'],
        occluded=record['occluded'],
        difficult=record['iscrowd'],
    )
    x, y, width, height = record['bbox']
    box = ElementTree.SubElement(node, 'bndbox')
    _add(box, xmin=x + 1, ymin=y + 1, xmax=x + width, ymax=y + height)


def _add(parent: ElementTree.Element, **fields: str | int) -> None:
    for name, value in fields.items():
        child = ElementTree.SubElement(parent, name)
        child.text = str(value)


def write_image_sets(root: Path, numbers: Mapping[str, Iterable[int]]) -> None:
    """Write ImageSets/Main from {'train': image numbers, 'val': ...}; the test set is val."""
    lists = {split: [f'{number:06d}' for number in numbers[split]] for split in SPLITS}
    lists['trainval'] = lists['train'] + lists['val']
    lists['test'] = lists['val']
    for name, stems in lists.items():
        path = root / SETS / f'{name}.txt'
        text = '\n'.join(stems) + '\n'
        path.write_text(text, encoding='utf-8')


def write_image(path: Path, image: np.ndarray) -> None:
    """Save a uint8 BGR image; raise OSError if it could not be written."""
    options = []
    if path.suffix == '.jpg':
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    contiguous = np.ascontiguousarray(image)
    if not cv2.imwrite(str(path), contiguous, options):
        raise OSError(f'could not write the image {path}')


def read_image(path: Path) -> np.ndarray:
    """Read an image as uint8 (h, w, 3) in BGR; raise OSError if it is missing or unreadable."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f'could not read the image {path}')
    return image
