"""The paper's published numbers, as points that can be drawn beside one's own.

Source: Girish et al., The Lottery Ticket Hypothesis for Object Recognition, CVPR 2021. Tables are
copied, figures were read off (error at most 0.01 mAP). Bands are three standard deviations of five runs.
"""
import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

FOLDER = Path(__file__).parent / 'paper_numbers'
Y_LABELS = {'mAP': 'mAP (%)', 'change': 'mAP, change against dense (%)', 'iou': 'IoU with the final mask',
            'pruned': 'pruned in the layer (%)'}
_WORDS = {'resnet18': 'R18', 'resnet50': 'R50', 'ResNet18': 'R18', 'ResNet50': 'R50', 'keypoint': 'keypoints',
          'mask_only': 'mask only'}


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Where one set of points is in a CSV.

    Attributes:
        y: Column of the value; ``x``, ``low``, ``high`` likewise ('' = there is none).
        sd: Column of the standard deviation, where there is no band.
        line: What names the curve, with columns in braces; ``label`` (of the point) likewise.
        flags: Columns of 0 and 1; those that are 1, joined by '+', are the label.
        task: Column of the task.
        dense: (column, value) that marks the dense net.
        quantity: What y is; a key of :data:`Y_LABELS`.
    """

    y: str
    x: str = ''
    low: str = ''
    high: str = ''
    sd: str = ''
    line: str = ''
    label: str = ''
    flags: tuple[str, ...] = ()
    task: str = ''
    dense: tuple[str, str] = ('', '')
    quantity: str = 'mAP'


@dataclass(frozen=True, kw_only=True)
class _Reference:
    x_label: str
    columns: tuple[_Columns, ...]


def _banded(x: str, x_label: str, **more: Any) -> _Reference:
    return _Reference(x_label=x_label, columns=(_Columns(x=x, y='mAP', low='band_low', high='band_high', **more),))


REFERENCES = {
    'direct_pruning': _Reference(x_label='pruned (%)', columns=(
        _Columns(x='prune_percent', y='map', line='{backbone}', task='task', dense=('prune_percent', '0')),)),
    'backbone_effect': _Reference(x_label='pruned (%)', columns=(
        _Columns(x='prune_pct', y='pct_change_mAP', line='{backbone}', task='task', quantity='change'),)),
    'prune_percentage': _banded('prune_pct', 'pruned (%)', dense=('prune_pct', '0.0')),
    'effect_of_rounds': _banded('rounds', 'pruning rounds'),
    'late_reset': _banded('reset_iteration', 'iteration of the reset'),
    'layerwise_vs_global': _Reference(x_label='pruned (%)', columns=tuple(
        _Columns(x='prune_pct', y=f'{n}_mAP', low=f'{n}_low', high=f'{n}_high', line=n, dense=('prune_pct', '0.0'))
        for n in ('global', 'layerwise'))),
    'early_bird': _Reference(x_label='iteration of the mask', columns=(
        _Columns(x='mask_iteration', y='mAP', low='mAP_low', high='mAP_high'),
        _Columns(x='mask_iteration', y='mask_IoU', low='IoU_low', high='IoU_high', quantity='iou'))),
    'imagenet_transfer': _Reference(x_label='pruned in the backbone (%)', columns=(
        _Columns(x='backbone_prune_percent', y='map', sd='sd', line='{backbone}, {kind}', task='task',
                 label='{backbone}, {kind} {backbone_prune_percent}%', dense=('kind', 'dense')),)),
    'task_transfer': _Reference(x_label='sparsity of the network (%)', columns=(
        _Columns(x='network_sparsity_percent', y='map', label='ticket of {source_task}', task='target_task'),)),
    'modules_voc': _Reference(x_label='sparsity of the network (%)', columns=(
        _Columns(x='network_sparsity_percent', y='map', sd='sd', flags=('base', 'top', 'rpn', 'heads'),
                 dense=('network_sparsity_percent', '0')),)),
    'prune_percent_across_layers': _Reference(x_label='layer, from the input', columns=(
        _Columns(x='layer', y='prune_pct', quantity='pruned'),)),
}


def read(name: str) -> list[dict[str, Any]]:
    """Return a file's points.

    Args:
        name: One of :data:`REFERENCES`.

    Returns:
        One dict a point: line, label, task ('' where the file has none), x (None where it has none), y, low, high
        (NaN where there is no band; three standard deviations otherwise), dense (bool) and quantity.

    Raises:
        ValueError: Unknown name; lists the known ones.
    """
    check(name)
    with open(FOLDER / f'{name}.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    return [_point(row, columns) for columns in REFERENCES[name].columns for row in rows]


def by_task(name: str, metrics: Sequence[str], *, iou: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Return task -> points of a file, for the tasks of ``metrics``; for all if the file has none of those.

    Points have also a name (that of their line), control = '' and always a label. ``iou`` asks for the overlap of
    masks in place of the mAP.
    """
    points = [dict(p, name=p['line'], control='', label=p['label'] or f'{p["x"]:g}')
              for p in read(name) if (p['quantity'] == 'iou') == iou]
    found = list(dict.fromkeys(p['task'] for p in points))
    wanted = [task for task in found if task in map(task_of, metrics)] or found
    return {task: [p for p in points if p['task'] == task] for task in wanted}


def task_of(metric: str) -> str:
    """Return the paper's name of a metric's task: 'bbox' for 'coco/bbox_mAP', 'voc' for 'pascal_voc/mAP'."""
    short = metric.rpartition('/')[2]
    return 'voc' if short == 'mAP' else short.removesuffix('_mAP')


def check(name: str) -> None:
    """Raise ValueError, with the names there are, unless ``name`` is one of them."""
    if name not in REFERENCES:
        raise ValueError(f'reference={name!r}: allowed are {", ".join(REFERENCES)}')


def _point(row: dict[str, str], columns: _Columns) -> dict[str, Any]:
    words = {key: _WORDS.get(cell, cell) for key, cell in row.items()}
    y = float(row[columns.y])
    low, high = _number(row, columns.low), _number(row, columns.high)
    if columns.sd:
        low, high = y - 3 * _number(row, columns.sd), y + 3 * _number(row, columns.sd)
    label = '+'.join(n for n in columns.flags if row[n] == '1') or columns.label.format(**words)
    column, value = columns.dense
    return dict(line=columns.line.format(**words), label=label, task=words[columns.task] if columns.task else '',
                x=float(row[columns.x]) if columns.x else None, y=y, low=low, high=high,
                dense=bool(column) and row[column] == value, quantity=columns.quantity)


def _number(row: dict[str, str], column: str) -> float:
    return float(row[column]) if column and row[column] else math.nan
