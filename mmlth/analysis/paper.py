"""The paper's published numbers, as points that can be drawn beside one's own.

Source: Girish et al., The Lottery Ticket Hypothesis for Object Recognition, CVPR 2021. Tables are
copied, figures were read off (error at most 0.01 mAP). Bands are three standard deviations of five
runs.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmlth.analysis.metrics import short_name
from mmlth.analysis.paper_columns import REFERENCES, Columns

FOLDER = Path(__file__).parent / 'paper_numbers'
_WORDS = {
    'resnet18': 'ResNet-18',
    'resnet50': 'ResNet-50',
    'ResNet18': 'ResNet-18',
    'ResNet50': 'ResNet-50',
    'keypoint': 'keypoints',
    'mask_only': 'mask only',
}


@dataclass(frozen=True, kw_only=True)
class PaperPoint:
    """One number that the paper printed.

    Attributes:
        line: Name of its curve, or ''.
        label: Name of the point itself, or ''.
        task: Such as 'bbox', or '' where the file has none.
        x: Where the curve has it, in the unit of the file's x label.
        y: The number.
        low, high: Three standard deviations around it; NaN where there is no band.
        dense: Whether it is the dense net's.
        quantity: What y is, a key of :data:`mmlth.analysis.paper_columns.Y_LABELS`.
    """

    line: str
    label: str
    task: str
    x: float
    y: float
    low: float
    high: float
    dense: bool
    quantity: str


def read(name: str) -> list[PaperPoint]:
    """Return a file's points, set by set.

    Args:
        name: One of :data:`mmlth.analysis.paper_columns.REFERENCES`.

    Raises:
        ValueError: Unknown name; lists the known ones.
    """
    check(name)
    with open(FOLDER / f'{name}.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    return [_point(row, columns) for columns in REFERENCES[name].columns for row in rows]


def by_task(name: str, metrics: Sequence[str], *, iou: bool = False) -> dict[str, list[PaperPoint]]:
    """Return task -> points of a file, for the tasks of ``metrics``.

    Where the file has none of those, it returns all.

    Args:
        name: One of :data:`mmlth.analysis.paper_columns.REFERENCES`.
        metrics: Metrics of one's own.
        iou: Ask for the overlap of masks in place of the mAP.

    Raises:
        ValueError: Unknown name; lists the known ones.
    """
    points = [point for point in read(name) if (point.quantity == 'iou') == iou]
    found = list(dict.fromkeys(point.task for point in points))
    asked = {task_of(metric) for metric in metrics}
    wanted = [task for task in found if task in asked] or found
    return {task: [point for point in points if point.task == task] for task in wanted}


def task_of(metric: str) -> str:
    """Return the paper's name of a metric's task.

    >>> task_of('coco/bbox_mAP'), task_of('pascal_voc/mAP')
    ('bbox', 'voc')
    """
    short = short_name(metric)
    return 'voc' if short == 'mAP' else short.removesuffix('_mAP')


def check(name: str) -> None:
    """Raise ValueError, with the names there are, unless ``name`` is one of them."""
    if name not in REFERENCES:
        raise ValueError(f'reference={name!r}: allowed are {", ".join(REFERENCES)}')


def _point(row: Mapping[str, str], columns: Columns) -> PaperPoint:
    words = {key: _WORDS.get(cell, cell) for key, cell in row.items()}
    flags = '+'.join(name for name in columns.flags if row[name] == '1')
    column, value = columns.dense
    low, high = _band(row, columns)
    return PaperPoint(
        line=columns.line.format(**words),
        label=flags or columns.label.format(**words),
        task=words[columns.task] if columns.task else '',
        x=float(row[columns.x]),
        y=float(row[columns.y]),
        low=low,
        high=high,
        dense=bool(column) and row[column] == value,
        quantity=columns.quantity,
    )


def _band(row: Mapping[str, str], columns: Columns) -> tuple[float, float]:
    if columns.sd:
        y, half = float(row[columns.y]), 3 * _number(row, columns.sd)
        return y - half, y + half
    return _number(row, columns.low), _number(row, columns.high)


def _number(row: Mapping[str, str], column: str) -> float:
    return float(row[column]) if column and row[column] else math.nan
