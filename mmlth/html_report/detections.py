"""What the dense net and the ticket of a job find in the same images, beside the ground truth."""

import base64
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlth.analysis.metrics import format_share
from mmlth.analysis.predictions import Predictions, load_predictions
from mmlth.core.dump import dump_command, has_dump, read_facts
from mmlth.core.store import Store

if TYPE_CHECKING:
    from PIL import Image

IMAGES = 6
MOST_BYTES = 400_000  # of all thumbnails as they stand in the page
SCORE = 0.3  # as MMDetection draws them
_OVERLAP = 0.5
_SIDE = 300  # pixels of the longer side
_QUALITY = 72
TRUE, FALSE, MISSED = '#00c08b', '#ff5a1f', '#ff3df0'
Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """One image with boxes: title, what is said of it, and its JPEG as a data URI."""

    title: str
    text: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Rows of thumbnails, or why there are none.

    Attributes:
        title: The job.
        rows: An image each: ground truth, dense net, ticket.
        note: What is missing, and the commands that make it.
    """

    title: str = ''
    rows: tuple[tuple[Thumbnail, ...], ...] = ()
    note: str = ''


@dataclass(frozen=True, kw_only=True)
class Found:
    """Boxes of one image: detections that are right, wrong, and objects that were missed."""

    right: list[Box]
    wrong: list[Box]
    missed: list[Box]

    def text(self) -> str:
        """Count them in words."""
        return f'{len(self.right)} found, {len(self.wrong)} wrong, {len(self.missed)} missed'


def detections(stores: Iterable[Store]) -> Detections:
    """Return thumbnails of the first job whose dense net and last ticket have dumped predictions.

    Images are taken at even distances among those of the data set; boxes with a score of
    :data:`SCORE` at least are drawn. One is right if it overlaps an object of its class by an IoU
    of 0.5, each object once, the best scores first.

    Args:
        stores: Work directories of finished jobs.
    """
    wanted = ''
    for store in stores:
        summary = store.summary()
        if len(summary.rounds) < 2:
            continue
        dense, ticket = _dense_folder(store, summary.rounds[0]), _folder(store, summary.rounds[-1])
        missing = [dump_command(Path(os.path.relpath(each)))
                   for each in (dense, ticket) if not has_dump(each)]
        if missing:
            wanted = wanted or f'No predictions were kept: {" and ".join(missing)} keep them.'
            continue
        title = f'ticket, {format_share(summary.rounds[-1]["sparsity"])} pruned'
        try:
            return _of(store.work_dir.name, dense, ticket, title)
        except (FileNotFoundError, ValueError) as error:
            wanted = str(error)
    return Detections(note=wanted)


def _folder(store: Store, record: dict[str, Any]) -> Path:
    return store.layout.round_dir(record['round'])


def _dense_folder(store: Store, record: dict[str, Any]) -> Path:
    """Return the folder of the dense net's predictions: the job's own, or where it was trained."""
    own = _folder(store, record)
    if has_dump(own) or not record.get('trained_in'):
        return own
    return _folder(Store((store.work_dir / record['trained_in']).resolve()), record)


def _of(job: str, dense: Path, ticket: Path, title: str) -> Detections:
    images = read_facts(ticket).get('images', '')
    if not images or not Path(images).is_dir():
        raise FileNotFoundError(
            f'The images of {ticket} are not at {images or "a place that its dump names"}: '
            f'{dump_command(ticket)} says where they lie.')
    nets = {'dense net': load_predictions(dense), title: load_predictions(ticket)}
    known = nets[title].truth['images']
    chosen = known[::max(1, len(known) // IMAGES)][:IMAGES]
    rows: list[tuple[Thumbnail, ...]] = []
    room = MOST_BYTES
    for image in chosen:
        path = Path(images) / image['file_name']
        if not path.is_file():
            raise FileNotFoundError(f'{path} does not exist: the detections are left out.')
        row = _row(path, image['id'], nets)
        room -= sum(len(each.uri) for each in row)
        if room < 0:
            break
        rows.append(row)
    return Detections(title=job, rows=tuple(rows))


def _row(path: Path, image: int, nets: dict[str, Predictions]) -> tuple[Thumbnail, ...]:
    from PIL import Image

    with Image.open(path) as opened:
        picture = opened.convert('RGB')
    first = next(iter(nets.values()))
    truth = [one['bbox'] for one in _truth(first, image)]
    found = Found(right=truth, wrong=[], missed=[])
    row = [Thumbnail(title='ground truth', text=f'{path.name}: {len(truth)} objects',
                     uri=_draw(picture, found))]
    for name, predictions in nets.items():
        found = match(_truth(predictions, image), _of_image(predictions, image))
        row.append(Thumbnail(title=name, text=found.text(), uri=_draw(picture, found)))
    return tuple(row)


def _truth(predictions: Predictions, image: int) -> list[dict[str, Any]]:
    return [one for one in predictions.truth['annotations'] if one['image_id'] == image
            and not one.get('iscrowd') and one['category_id'] in predictions.categories]


def _of_image(predictions: Predictions, image: int) -> list[dict[str, Any]]:
    return [one for one in predictions.found.get('bbox', ())
            if one['image_id'] == image and one['score'] >= SCORE]


def match(truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> Found:
    """Tell right detections from wrong ones, and the objects that none found.

    Args:
        truth: Objects with ``bbox`` and ``category_id``.
        found: Detections with these and ``score``.
    """
    open_ones = list(truth)
    right, wrong = [], []
    for one in sorted(found, key=lambda each: -each['score']):
        same = [each for each in open_ones if each['category_id'] == one['category_id']]
        best = max(same, key=lambda each: _iou(each['bbox'], one['bbox']), default=None)
        if best is not None and _iou(best['bbox'], one['bbox']) >= _OVERLAP:
            open_ones.remove(best)
            right.append(one['bbox'])
        else:
            wrong.append(one['bbox'])
    return Found(right=right, wrong=wrong, missed=[one['bbox'] for one in open_ones])


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared) if shared else 0.0


def _draw(picture: 'Image.Image', found: Found) -> str:
    """Return a thumbnail with boxes as a data URI."""
    from PIL import ImageDraw

    scale = _SIDE / max(picture.size)
    small = picture.resize((round(scale * picture.width), round(scale * picture.height)))
    pen = ImageDraw.Draw(small)
    for boxes, colour, width in (
            (found.missed, MISSED, 1), (found.right, TRUE, 2), (found.wrong, FALSE, 2)):
        for x, y, w, h in boxes:
            ends = (scale * x, scale * y, scale * (x + max(w, 0)), scale * (y + max(h, 0)))
            pen.rectangle(ends, outline=colour, width=width)
    out = io.BytesIO()
    small.save(out, format='JPEG', quality=_QUALITY, optimize=True)
    return 'data:image/jpeg;base64,' + base64.b64encode(out.getvalue()).decode()
