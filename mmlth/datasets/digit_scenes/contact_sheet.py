"""A picture of the set as it lies on disk: scenes with their annotations, and a legend."""
from pathlib import Path

import cv2
import numpy as np

from .formats import JPEGS, read_coco, read_image
from .legend import draw_legend, put_text
from .masks import decode
from .meta import CLASSES, METAINFO, SKELETON, SPLITS

CONTACT_SHEET = 'contact_sheet.png'
_COLUMNS, _SHOWN = 5, dict(train=15, val=5)
_ZOOM, _CELL, _CAPTION, _GAP = 2, 384, 24, 8
_PAPER = 250
_LEFT, _RIGHT, _MIDDLE = (255, 190, 60), (40, 130, 255), (60, 220, 60)  # BGR


def draw_contact_sheet(folder: str | Path) -> np.ndarray:
    """A uint8 (h, w, 3) BGR picture of a DigitScenes folder, read from its files.

    Fifteen training and five validation images (fewer in a smaller set) with masks, boxes,
    category names and skeletons; beside them the legend. OSError if a file is missing.
    """
    folder, cells = Path(folder), []
    for split in SPLITS:
        content = read_coco(folder, split)
        images = content['images'][:_SHOWN[split]]
        for image in images:
            records = [record for record in content['annotations']
                       if record['image_id'] == image['id']]
            cells.append(_draw_cell(folder, split, image, records))
    grid = _grid(cells)
    legend = draw_legend(folder, grid.shape[0])
    below = np.full((legend.shape[0] - grid.shape[0], grid.shape[1], 3), _PAPER, np.uint8)
    return np.hstack([np.vstack([grid, below]), legend])


def _palette(category):
    """The BGR colour of a category id 1..11."""
    return METAINFO['palette'][category - 1][::-1]


def _grid(cells):
    blank = np.full_like(cells[0], _PAPER)
    cells = cells + [blank] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[start:start + _COLUMNS]) for start in range(0, len(cells), _COLUMNS)]
    return np.vstack(rows)


def _draw_cell(folder, split, image, records):
    """One annotated image under its caption, in a cell of fixed size."""
    picture = read_image(folder / JPEGS / image['file_name'])
    for record in records:
        _tint(picture, record)
    picture = cv2.resize(picture, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
    for record in records:
        _draw_shape(picture, record, (image['height'], image['width']))
    for record in records:
        _draw_skeleton(picture, record.get('keypoints', ()))
    _draw_names(picture, records)
    cell = np.full((_CELL + _CAPTION + _GAP, _CELL + _GAP, 3), _PAPER, np.uint8)
    put_text(cell, f'{split} {image["file_name"]}  {image["width"]}x{image["height"]}', (4, 17))
    cell[_CAPTION:_CAPTION + picture.shape[0], :picture.shape[1]] = picture
    return cell


def _tint(picture, record):
    mask = decode(record['segmentation'], picture.shape[:2])
    picture[mask] = 0.85 * picture[mask] + 0.15 * np.array(_palette(record['category_id']))


def _draw_shape(picture, record, shape):
    """The mask's contour, thin and white, and the box in the colour of the category."""
    mask = decode(record['segmentation'], shape).astype(np.uint8)
    mask = mask.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, (255, 255, 255), 1)
    corner, far = _corners(record)
    cv2.rectangle(picture, corner, far, _palette(record['category_id']), 2)


def _corners(record):
    x, y, width, height = (_ZOOM * side for side in record['bbox'])
    return (x, y), (x + width - 1, y + height - 1)


def _draw_names(picture, records):
    """Category names in a corner of each box, or just outside it if another name is there."""
    taken = []
    for record in records:
        name = CLASSES[record['category_id'] - 1] + (' crowd' if record['iscrowd'] else '')
        (width, height), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        size = np.array([width + 4, height + 6])
        spots = _name_spots(record, size, picture.shape)
        spot = next((spot for spot in spots if not _meets(spot, size, taken)), spots[0])
        taken.append((spot, size))
        x, y = spot.tolist()
        cv2.rectangle(picture, (x, y), (x + width + 3, y + height + 5),
                      _palette(record['category_id']), cv2.FILLED)
        put_text(picture, name, (x + 2, y + height + 2), 0.45, (255, 255, 255))


def _name_spots(record, size, shape):
    """Corners where a name of ``size`` may go, best first, all inside the picture."""
    (left, top), (right, bottom) = _corners(record)
    width, height = size
    spots = [(left, top - height), (left, top), (left, bottom - height), (right - width, top),
             (right - width, bottom - height), (left, bottom), (right, top)]
    return [np.clip(spot, 0, np.array(shape[1::-1]) - size) for spot in spots]


def _meets(spot, size, taken):
    return any((spot < other + extent).all() and (other < spot + size).all()
               for other, extent in taken)


def _draw_skeleton(picture, keypoints):
    """Bones by side, then the points: filled where visible, rings where hidden."""
    points = np.array(keypoints, float).reshape(-1, 3)
    spots = np.rint((points[:, :2] + 0.5) * _ZOOM).astype(int).tolist()
    for bone in SKELETON if len(points) else ():
        if points[list(bone), 2].all():
            colour = _LEFT if bone[0] % 2 and bone[1] % 2 else _RIGHT
            colour = _MIDDLE if (bone[0] + bone[1]) % 2 or 0 in bone else colour
            cv2.line(picture, spots[bone[0]], spots[bone[1]], colour, 2, cv2.LINE_AA)
    for spot, (_, _, flag) in zip(spots, points):
        if flag:
            cv2.circle(picture, spot, 4, (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(picture, spot, 3, (255, 255, 255) if flag == 2 else (60, 60, 255),
                       cv2.FILLED, cv2.LINE_AA)
