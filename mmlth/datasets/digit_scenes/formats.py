"""Writing scenes as COCO JSON and as Pascal VOC."""
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np

from .masks import encode
from .meta import CLASSES, KEYPOINTS, NAME, PERSON, SKELETON, SPLITS, VERSION
from .scene import Instance

Record = dict[str, Any]  # as in COCO's JSON

JPEG_QUALITY = 93
VOC = Path('VOC2007')
JPEGS, XMLS, SETS = VOC / 'JPEGImages', VOC / 'Annotations', VOC / 'ImageSets' / 'Main'
ANNOTATIONS = Path('annotations')
_OCCLUDED_BELOW = 0.95  # of the pixels inside the image


def categories():
    """COCO's category records, ids 1..11; the person's has keypoints and a 1-based skeleton."""
    records = [dict(id=i, name=name, supercategory='person' if i == PERSON else 'digit')
               for i, name in enumerate(CLASSES, start=1)]
    bones = [[start + 1, end + 1] for start, end in SKELETON]
    records[PERSON - 1].update(keypoints=list(KEYPOINTS), skeleton=bones)
    return records


def image_record(number, image):
    """COCO's record of image ``number`` (its id); file_name is relative to JPEGImages."""
    height, width = image.shape[:2]
    return dict(id=number, file_name=f'{number:06d}.jpg', width=width, height=height)


def annotation(instance: Instance, image_id: int, annotation_id: int) -> dict:
    """COCO's record of a scene's Instance.

    Beyond COCO's fields it has ``handwriting`` (indices of scikit-learn's digits), and
    ``truncated`` and ``occluded`` (0 or 1) as VOC means them.
    """
    simple = instance.category != PERSON and not instance.crowd
    segmentation, area, bbox = encode(instance.mask, polygons=simple)
    truncated = instance.inside_area < instance.full_area
    occluded = instance.mask.sum() < _OCCLUDED_BELOW * instance.inside_area
    record = dict(id=annotation_id, image_id=image_id, category_id=instance.category, bbox=bbox,
                  area=area, segmentation=segmentation, iscrowd=int(instance.crowd),
                  truncated=int(truncated), occluded=int(occluded),
                  handwriting=list(instance.handwriting))
    if instance.keypoints is not None:
        record.update(num_keypoints=int((instance.keypoints[:, 2] > 0).sum()),
                      keypoints=_flat(instance.keypoints))
    return record


def _flat(keypoints):
    """[x0, y0, v0, x1, ...] with v as integers."""
    return [number for x, y, v in keypoints.tolist() for number in (x, y, int(v))]


def write_coco(root, split, images, annotations):
    """instances_<split>.json with all categories, person_keypoints_<split>.json with people."""
    people = [record for record in annotations if record['category_id'] == PERSON]
    info = dict(description=NAME, version=VERSION, split=split)
    for stem, records, chosen in (('instances', annotations, categories()),
                                  ('person_keypoints', people, categories()[:PERSON])):
        content = dict(info=info, licenses=[], images=images, annotations=records,
                       categories=chosen)
        text = json.dumps(content, separators=(',', ':'))
        (root / ANNOTATIONS / f'{stem}_{split}.json').write_text(text, encoding='utf-8')


def read_coco(root: Path, split: str, stem: str = 'instances') -> dict:
    """The content of ``<stem>_<split>.json`` below ``root``, a dict as COCO's."""
    path = root / ANNOTATIONS / f'{stem}_{split}.json'
    return json.loads(path.read_text(encoding='utf-8'))


def write_voc_xml(root, image, annotations):
    """The VOC annotation of one image record: 1-based inclusive boxes; crowds are difficult."""
    tree = ElementTree.Element('annotation')
    _add(tree, folder=VOC.name, filename=image['file_name'])
    _add(ElementTree.SubElement(tree, 'source'), database=NAME)
    _add(ElementTree.SubElement(tree, 'size'), width=image['width'], height=image['height'],
         depth=3)
    _add(tree, segmented=0)
    for record in annotations:
        _add_object(tree, record)
    ElementTree.indent(tree)
    path = root / XMLS / Path(image['file_name']).with_suffix('.xml')
    path.write_text(ElementTree.tostring(tree, encoding='unicode') + '\n', encoding='utf-8')


def _add_object(tree, record):
    node = ElementTree.SubElement(tree, 'object')
    _add(node, name=CLASSES[record['category_id'] - 1], pose='Unspecified',
         truncated=record['truncated'], occluded=record['occluded'], difficult=record['iscrowd'])
    x, y, width, height = record['bbox']
    _add(ElementTree.SubElement(node, 'bndbox'), xmin=x + 1, ymin=y + 1, xmax=x + width,
         ymax=y + height)


def _add(parent, **fields):
    for name, value in fields.items():
        ElementTree.SubElement(parent, name).text = str(value)


def write_image_sets(root, numbers):
    """ImageSets/Main from {'train': image numbers, 'val': ...}; the test set is val."""
    lists = {split: [f'{number:06d}' for number in numbers[split]] for split in SPLITS}
    lists.update(trainval=lists['train'] + lists['val'], test=lists['val'])
    for name, stems in lists.items():
        (root / SETS / f'{name}.txt').write_text('\n'.join(stems) + '\n', encoding='utf-8')


def write_image(path, image):
    """Save a uint8 BGR image; OSError if it could not be written."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg' else []
    if not cv2.imwrite(str(path), np.ascontiguousarray(image), options):
        raise OSError(f'could not write the image {path}')


def read_image(path: Path) -> np.ndarray:
    """A stored image as uint8 (h, w, 3) in BGR; OSError if it is missing or unreadable."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f'could not read the image {path}')
    return image
