"""The side panel of the contact sheet: crops, category frequency, sizes, markers."""
import cv2
import numpy as np

from .crops import CROPS
from .formats import read_coco, read_image
from .meta import CLASSES, METAINFO, NAME, SPLITS, VERSION, band_of_area

_WIDTH, _PAPER, _INK = 700, 250, (40, 40, 40)
_NAME_LEFT, _BAR_LEFT, _BAR_LENGTH = 332, 420, 160
_CROP, _CROPS_SHOWN = 72, 4
_TOP, _ROW = 100, _CROP + 8


def put_text(picture, text, corner, size=0.5, colour=_INK):
    """Write ``text`` with its base line starting at ``corner`` (x, y), in place."""
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def draw_legend(folder, height):
    """The panel for a DigitScenes folder, uint8 (``height`` or more, 700, 3) in BGR."""
    panel = np.full((max(height, 1400), _WIDTH, 3), _PAPER, np.uint8)
    objects = {split: [record for record in read_coco(folder, split)['annotations']
                       if not record['iscrowd']] for split in SPLITS}
    put_text(panel, f'{NAME} {VERSION}', (20, 40), 0.9)
    put_text(panel, 'crops (train)', (20, 80), 0.6)
    put_text(panel, 'objects in train + val', (_BAR_LEFT, 80), 0.6)
    _draw_categories(panel, folder, objects)
    y = _TOP + len(CLASSES) * _ROW + 30
    for line in _size_lines(objects) + _MARKERS:
        put_text(panel, line, (20, y), 0.55)
        y += 30
    return panel[:max(height, y)]


_MARKERS = [
    '', 'box and tint: colour of the category; white line: mask',
    'keypoints: white dot = visible (v=2), red dot = hidden (v=1);',
    'outside the image (v=0): not drawn',
    "bones: blue = the person's left, orange = right, green = across"]


def _draw_categories(panel, folder, objects):
    """One row for each category: some crops, its name, and a bar for its frequency."""
    counts = {split: np.bincount([record['category_id'] for record in objects[split]],
                                 minlength=len(CLASSES) + 1) for split in SPLITS}
    longest = max(counts['train'].max(), 1)
    for k, name in enumerate(CLASSES, start=1):
        y = _TOP + (k - 1) * _ROW
        files = sorted((folder / CROPS / 'train' / name).glob('*.png'))[:_CROPS_SHOWN]
        for column, path in enumerate(files):
            x = 20 + column * (_CROP + 4)
            panel[y:y + _CROP, x:x + _CROP] = cv2.resize(read_image(path), (_CROP, _CROP))
        base = y + _CROP // 2
        put_text(panel, name, (_NAME_LEFT, base + 6), 0.6)
        length = int(round(_BAR_LENGTH * counts['train'][k] / longest))
        cv2.rectangle(panel, (_BAR_LEFT, base - 14), (_BAR_LEFT + length, base + 14),
                      METAINFO['palette'][k - 1][::-1], cv2.FILLED)
        put_text(panel, ' + '.join(str(counts[split][k]) for split in SPLITS),
                 (_BAR_LEFT + length + 8, base + 6), 0.55)


def _size_lines(objects):
    """For each split, the share of small, medium and large objects by mask area."""
    lines = ['objects by mask area (small < 32x32 <= medium < 96x96 <= large):']
    for split in SPLITS:
        bands = [band_of_area(record['area']) for record in objects[split]]
        shares = ', '.join(f'{100 * bands.count(band) / max(len(bands), 1):.0f} % {band}'
                           for band in ('small', 'medium', 'large'))
        lines.append(f'{split}: {len(bands)} objects, {shares}')
    return lines
