"""A picture of the set as it lies on disk: scenes with their annotations, and a legend."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .crops import CROPS
from .formats import JPEGS, Record, read_coco, read_image
from .masks import decode
from .meta import BANDS, CLASSES, NAME, PALETTE, SKELETON, SPLITS, VERSION, band_of_area
from .plan import SIDES

Records = Sequence[Record]

CONTACT_SHEET = 'contact_sheet.png'
_INCHES = (14.0, 8.75)
_DPI = 190  # a pixel of a scene is then two of the picture
_WIDTHS = (10.3, 3.7)  # inches, of the scenes and of the legend
_ROWS, _COLUMNS = 4, 5
_SHOWN = dict(train=15, val=5)
_CROPS_SHOWN = 4
_COLOURS = [(r / 255, g / 255, b / 255) for r, g, b in PALETTE]
_LEFT, _RIGHT, _ACROSS = '#3cbeff', '#ff8228', '#3cdc3c'
_HIDDEN, _VISIBLE = '#ff3c3c', 'white'


def draw_contact_sheet(folder: str | Path) -> np.ndarray:
    """Draw a uint8 (h, w, 3) BGR picture of a DigitScenes folder, read from its files.

    Fifteen training and five validation images (fewer in a smaller set) with masks, boxes,
    category names and skeletons; beside them the legend.

    Raises:
        OSError: A file is missing.
    """
    folder = Path(folder)
    contents = {split: read_coco(folder, split) for split in SPLITS}
    figure = Figure(figsize=_INCHES, dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    scenes, legend = figure.subfigures(1, 2, squeeze=False, width_ratios=_WIDTHS)[0]
    _draw_scenes(scenes, folder, contents)
    _draw_legend(legend, folder, contents)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())
    bgr = rgba[..., 2::-1]
    return np.ascontiguousarray(bgr)


def _draw_scenes(figure: SubFigure, folder: Path, contents: Mapping[str, Record]) -> None:
    grid = figure.add_gridspec(
        _ROWS,
        _COLUMNS,
        left=0.005,
        right=0.995,
        bottom=0.005,
        top=0.975,
        wspace=0.03,
        hspace=0.1,
    )
    place = 0
    for split, content in contents.items():
        for image in content['images'][:_SHOWN[split]]:
            axes = figure.add_subplot(grid[place])
            title = f'{split} {image["file_name"]}  {image["width"]}x{image["height"]}'
            axes.set_title(title, fontsize=6.5, loc='left', pad=2)
            picture = _read_rgb(folder / JPEGS / image['file_name'])
            records = [r for r in content['annotations'] if r['image_id'] == image['id']]
            _draw_scene(axes, picture, records)
            place += 1


def _read_rgb(path: Path) -> np.ndarray:
    return read_image(path)[..., ::-1]


def _draw_scene(axes: Axes, picture: np.ndarray, records: Records) -> None:
    axes.imshow(picture, interpolation='bicubic')
    _draw_masks(axes, records, picture.shape[:2])
    for record in records:
        _draw_box(axes, record)
        if 'keypoints' in record:
            _draw_skeleton(axes, record['keypoints'])
    axes.set_axis_off()
    axes.set_anchor('NW')
    side = max(SIDES)  # one scale for all scenes
    axes.set_xlim(-0.5, side - 0.5)
    axes.set_ylim(side - 0.5, -0.5)


def _draw_masks(axes: Axes, records: Records, shape: tuple[int, ...]) -> None:
    tint = np.zeros((*shape, 4))
    for record in records:
        mask = decode(record['segmentation'], shape)
        tint[mask] = (*_colour(record), 0.15)
        axes.contour(mask, [0.5], colors='white', linewidths=0.7)
    axes.imshow(tint, interpolation='nearest')


def _draw_box(axes: Axes, record: Record) -> None:
    x, y, width, height = record['bbox']
    colour = _colour(record)
    corner = (x - 0.5, y - 0.5)  # the centre of the first pixel is 0
    box = Rectangle(corner, width, height, fill=False, color=colour, linewidth=1.1)
    axes.add_patch(box)
    name = CLASSES[record['category_id'] - 1]
    if record['iscrowd']:
        name += ' crowd'
    frame = dict(facecolor=colour, edgecolor='none', pad=0.7)
    base = max(y, 7)
    axes.text(x, base, name, fontsize=5, color='white', va='bottom', bbox=frame)


def _colour(record: Record) -> tuple[float, float, float]:
    return _COLOURS[record['category_id'] - 1]


def _draw_skeleton(axes: Axes, keypoints: Sequence[float]) -> None:
    points = np.reshape(keypoints, (-1, 3))
    flags = points[:, 2]
    bones = [bone for bone in SKELETON if flags[list(bone)].all()]
    ends = [points[list(bone), :2] for bone in bones]
    colours = [_side(*bone) for bone in bones]
    axes.add_collection(LineCollection(ends, colors=colours, linewidths=1.2))
    for flag, colour in ((1, _HIDDEN), (2, _VISIBLE)):
        x, y, _ = points[flags == flag].T
        axes.scatter(x, y, s=6, color=colour, edgecolors='black', linewidths=0.5, zorder=3)


def _side(first: int, second: int) -> str:
    """Return the colour of a bone: odd keypoints are left, even ones right, the nose neither."""
    if 0 in (first, second) or first % 2 != second % 2:
        return _ACROSS
    return _LEFT if first % 2 else _RIGHT


def _draw_legend(figure: SubFigure, folder: Path, contents: Mapping[str, Record]) -> None:
    """Draw crops and a bar for the frequency of each category, sizes, and what marks mean."""
    figure.text(0.02, 0.96, f'{NAME} {VERSION}', fontsize=13)
    grid = figure.add_gridspec(1, 2, left=0.02, right=0.98, bottom=0.37, top=0.91, wspace=0.42)
    _draw_crops(figure.add_subplot(grid[0]), folder)
    objects = {split: _objects(content) for split, content in contents.items()}
    _draw_bars(figure.add_subplot(grid[1]), objects)
    sizes = '\n'.join(_size_lines(objects))
    figure.text(0.02, 0.27, sizes, fontsize=7, linespacing=1.5)
    figure.legend(
        handles=_marks(),
        loc='lower left',
        bbox_to_anchor=(0, 0.08),
        fontsize=7,
        frameon=False,
    )


def _objects(content: Record) -> Records:
    return [record for record in content['annotations'] if not record['iscrowd']]


def _draw_crops(axes: Axes, folder: Path) -> None:
    axes.set_title('crops (train)', fontsize=8, loc='left')
    for row, name in enumerate(CLASSES):
        files = sorted((folder / CROPS / 'train' / name).glob('*.png'))
        for column, path in enumerate(files[:_CROPS_SHOWN]):
            extent = (column, column + 0.95, row + 0.95, row)
            axes.imshow(_read_rgb(path), extent=extent, interpolation='bicubic')
    axes.set_xlim(0, _CROPS_SHOWN)
    axes.set_ylim(len(CLASSES), 0)
    axes.set_aspect('auto')
    axes.set_axis_off()


def _draw_bars(axes: Axes, objects: Mapping[str, Records]) -> None:
    axes.set_title('objects in train + val', fontsize=8, loc='left')
    train = _count_categories(objects['train'])
    val = _count_categories(objects['val'])
    rows = np.arange(len(CLASSES)) + 0.475  # the middle of the row of crops
    bars = axes.barh(rows, train, height=0.5, color=_COLOURS)
    labels = [f'{a} + {b}' for a, b in zip(train, val, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=7)
    axes.set_yticks(rows, CLASSES, fontsize=8)
    axes.set_ylim(len(CLASSES), 0)
    axes.set_xlim(0, 1.9 * max(train))  # room for the numbers
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def _count_categories(records: Records) -> list[int]:
    ids = [record['category_id'] for record in records]
    return [ids.count(category) for category in range(1, len(CLASSES) + 1)]


def _size_lines(objects: Mapping[str, Records]) -> list[str]:
    """Say for each split which share of its objects is small, medium and large by mask area."""
    lines = ['objects by mask area (small < 32x32 <= medium < 96x96 <= large):']
    for split, records in objects.items():
        bands = [band_of_area(record['area']) for record in records]
        total = len(bands)
        shares = [f'{100 * bands.count(band) / total:.0f} % {band}' for band in BANDS]
        lines.append(f'{split}: {total} objects, {", ".join(shares)}')
    return lines


def _marks() -> list[Line2D | Rectangle]:
    """Return what stands for boxes, masks, keypoints and bones in the legend."""
    box = Rectangle((0, 0), 1, 1, fill=False, color='grey', label='box, coloured by category')
    mask = Rectangle((0, 0), 1, 1, facecolor='lightgrey', label='mask (tint, white edge)')
    return [
        box,
        mask,
        _dot(_VISIBLE, 'keypoint, visible (v=2)'),
        _dot(_HIDDEN, 'keypoint, hidden (v=1); outside (v=0): none'),
        Line2D([], [], color=_LEFT, label="bone of the person's left"),
        Line2D([], [], color=_RIGHT, label="bone of the person's right"),
        Line2D([], [], color=_ACROSS, label='bone across'),
    ]


def _dot(colour: str, label: str) -> Line2D:
    return Line2D(
        [],
        [],
        color=colour,
        label=label,
        linestyle='',
        marker='o',
        markersize=5,
        markeredgecolor='black',
    )
