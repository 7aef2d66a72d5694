"""The paper's numbers are those that it printed."""

import math

import pytest
from made_rows import BOX, SEGM

from mmlth.analysis import paper
from mmlth.analysis.paper_columns import REFERENCES, Y_LABELS


def test_every_file_has_its_columns():
    assert {path.stem for path in paper.FOLDER.glob('*.csv')} == set(REFERENCES)


@pytest.mark.parametrize('name', REFERENCES)
def test_every_number_of_the_paper_can_be_read(name):
    points = paper.read(name)
    lines = (paper.FOLDER / f'{name}.csv').read_text().splitlines()[1:]
    sets = 2 if name in ('layerwise_vs_global', 'early_bird') else 1
    assert len(points) == len(lines) * sets
    for point in points:
        assert math.isfinite(point.x) and math.isfinite(point.y)
        assert point.quantity in Y_LABELS
        assert not math.isfinite(point.low) or point.low < point.y < point.high


@pytest.mark.parametrize(
    'name, known',
    [
        (
            'direct_pruning',
            {'line': 'ResNet-18', 'task': 'bbox', 'x': 80, 'y': 30.04, 'dense': False},
        ),
        (
            'direct_pruning',
            {'line': 'ResNet-50', 'task': 'keypoints', 'x': 0, 'y': 64.63, 'dense': True},
        ),
        (
            'backbone_effect',
            {'line': 'ResNet-50', 'task': 'keypoints', 'x': 90, 'y': -0.666, 'quantity': 'change'},
        ),
        (
            'layerwise_vs_global',
            {'line': 'layerwise', 'x': 80, 'y': 67.414, 'low': 67.059, 'high': 67.769},
        ),
        ('prune_percentage', {'x': 0, 'y': 69.74, 'low': 69.256, 'high': 70.223, 'dense': True}),
        ('effect_of_rounds', {'x': 6, 'y': 65.698, 'low': 65.214, 'high': 66.182, 'dense': False}),
        ('late_reset', {'x': 0, 'y': 68.073, 'low': 67.625, 'high': 68.521, 'dense': False}),
        ('early_bird', {'x': 600, 'y': 0.9293, 'low': 0.9289, 'high': 0.9297, 'quantity': 'iou'}),
        (
            'imagenet_transfer',
            {'line': 'ResNet-50, mask only', 'task': 'bbox', 'x': 90, 'y': 35.46},
        ),
        (
            'imagenet_transfer',
            {'label': 'ResNet-50, mask only 90%', 'task': 'bbox', 'x': 90, 'y': 35.46},
        ),
        ('imagenet_transfer', {'task': 'voc', 'x': 90, 'y': 63.91, 'low': pytest.approx(62.68)}),
        ('imagenet_transfer', {'task': 'voc', 'x': 90, 'y': 63.91, 'high': pytest.approx(65.14)}),
        (
            'task_transfer',
            {'task': 'segm', 'label': 'ticket of keypoints', 'y': 23.02, 'dense': False},
        ),
        (
            'modules_voc',
            {'label': 'rpn+heads', 'y': 70.08, 'low': pytest.approx(69.78), 'dense': False},
        ),
        ('modules_voc', {'label': '', 'y': 69.74, 'dense': True}),
        ('prune_percent_across_layers', {'x': 16, 'y': 92.28, 'quantity': 'pruned'}),
        ('network_sparsity', {'line': 'paper', 'x': 80, 'y': 78.4, 'quantity': 'network'}),
    ],
)
def test_numbers_that_the_paper_prints(name, known):
    points = paper.read(name)
    assert any(all(getattr(p, key) == value for key, value in known.items()) for p in points)


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="reference='table': allowed are direct_pruning, "):
        paper.read('table')


@pytest.mark.parametrize(
    'name, metrics, tasks',
    [
        ('direct_pruning', [BOX, SEGM], ['bbox', 'segm']),
        ('imagenet_transfer', ['pascal_voc/mAP'], ['voc']),
        ('direct_pruning', ['accuracy/top1'], ['bbox', 'segm', 'keypoints']),
    ],
)
def test_only_tasks_of_the_study_are_taken_from_the_paper(name, metrics, tasks):
    assert list(paper.by_task(name, metrics)) == tasks


@pytest.mark.parametrize('iou, quantity', [(False, 'mAP'), (True, 'iou')])
def test_overlap_and_map_are_asked_for_apart(iou, quantity):
    points = paper.by_task('early_bird', [], iou=iou)['']
    assert len(points) == 10 and {point.quantity for point in points} == {quantity}
