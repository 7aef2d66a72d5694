"""Means over seeds count a seed once, tables say what is missing, the paper's numbers are those it printed."""
import math

import pytest

from mmlth.analysis import paper
from mmlth.analysis.experiments import (Experiment, aggregate, dense_rows, half_width, line_names, lines_of_points,
                                        shown_metrics, to_csv, to_markdown)

BOX = 'coco/bbox_mAP'


def row(value=None, dense=0.5, **changes):
    """A ticket of config c with 80% pruned; None: the model detected nothing."""
    made = dict(job='j', config='c', seed=0, round=1, control='', sparsity=0.8, network_sparsity=0.75,
                metrics={} if value is None else {BOX: value}, dense={} if dense is None else {BOX: dense}, settings={},
                layer_density={}, label='', line='', x=80.0, iou=None, seconds=2.0)
    return made | changes


def dense_row(value=0.5, **changes):
    return row(value, value, round=0, sparsity=0.0, network_sparsity=0.0, **changes)


def experiment(**changes):
    return Experiment(**dict(name='e', title='t', section='Section 4', kind='curve') | changes)


@pytest.mark.parametrize('changes, message', [
    (dict(kind='pie'), "kind='pie': allowed are curve, bars, layers"),
    (dict(y='loss'), "y='loss': allowed are metric, change"),
    (dict(reference='table'), "reference='table': allowed are direct_pruning,")])
def test_unknown_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)
    with pytest.raises(ValueError, match="y='loss': allowed are metric, change, difference"):
        aggregate([], BOX, 'loss')


@pytest.mark.parametrize('y, mean', [('metric', 0.5), ('change', 25), ('difference', 0.1)])
def test_mean_over_seeds(y, mean):
    """0.4 and 0.6 against a dense 0.4: s = sqrt(0.02), so s / sqrt(2) = 0.1 and t = 12.706."""
    group, = aggregate([row(0.4, 0.4), row(0.6, 0.4, seed=1)], BOX, y)
    assert group['mean'] == pytest.approx(mean) and group['n'] == 2
    assert group['ci'] == pytest.approx(12.706 * (25 if y == 'change' else 0.1))
    assert (group['sparsity'], group['network_sparsity'], group['dense']) == (0.8, 0.75, False)


@pytest.mark.parametrize('n, t', [(2, 12.706), (3, 4.303), (5, 2.776), (11, 2.228), (31, 2.042), (32, 1.96)])
def test_half_width_is_t_times_the_standard_error(n, t):
    values = [10 - (n % 2 == 0) / 2] * n
    values[0], values[1] = values[0] - 1, values[1] + 1  # s = sqrt(2 / (n - 1))
    assert half_width(values) == pytest.approx(t * math.sqrt(2 / (n - 1) / n))


def test_t_agrees_with_an_outside_table():
    t = pytest.importorskip('scipy.stats').t
    for n in range(2, 32):
        spread = [1.0, -1.0] + [0.0] * (n - 2)
        assert half_width(spread) == pytest.approx(t.ppf(0.975, n - 1) * math.sqrt(2 / (n - 1) / n), abs=1e-3)
    assert half_width([1.0]) is None and math.isnan(half_width([1.0, math.nan]))


def test_groups_keep_the_order_of_the_rows():
    rows = [row(0.1, x=90.0), row(0.2, x=10.0), row(0.3, x=90.0, control='random'), row(0.4, x=90.0, line='b'),
            row(0.5, x=90.0, label='p'), row(0.6, x=90.0, config='d'), dense_row(0.7, x=90.0), row(0.3, x=90.0, seed=1)]
    groups = aggregate(rows, BOX)
    assert [g['mean'] for g in groups] == pytest.approx([0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert [g['n'] for g in groups] == [2, 1, 1, 1, 1, 1, 1]
    assert [g['ci'] is None for g in groups] == [False] + [True] * 6


def test_a_dense_net_that_jobs_share_counts_once():
    group, = aggregate([dense_row(0.5, job='a'), dense_row(0.5, job='b'), dense_row(0.7, seed=1)], BOX)
    assert group['n'] == 2 and group['mean'] == pytest.approx(0.6) and group['ci'] == pytest.approx(1.2706)


def test_a_control_of_round_zero_is_no_dense_net():
    assert [g['dense'] for g in aggregate([dense_row(0.5), dense_row(0.25, control='rewound')], BOX)] == [True, False]
    assert '| 80, control: rewound |' in to_markdown([dense_row(0.25, control='rewound')], experiment())


def test_a_seed_that_detected_nothing_makes_the_mean_unknown():
    for y in ('metric', 'change', 'difference'):
        group, = aggregate([row(0.4), row(None, seed=1)], BOX, y)
        assert math.isnan(group['mean']) and group['n'] == 2
    assert math.isnan(aggregate([row(0.4, 0.0)], BOX, 'change')[0]['mean'])
    assert math.isnan(aggregate([row(0.4, None)], BOX, 'change')[0]['mean'])


@pytest.mark.parametrize('second, lines', [(0.5, ['']), (0.25, ['a', 'b'])], ids=['shared', 'not shared'])
def test_lines_share_a_dense_net_where_it_is_the_same(second, lines):
    found = dense_rows([row(0.4, line='a'), row(0.4, line='b', dense=second), row(0.4, line='b', dense=second, x=90.0),
                        row(0.4, None, line='transfer')])
    assert [r['line'] for r in found] == lines
    assert [r['metrics'] for r in found] == [{BOX: 0.5}, {BOX: 0.25}][:len(lines)]
    assert all(r['round'] == 0 and r['sparsity'] == 0 and r['x'] is None for r in found)


def test_the_only_line_of_a_config_keeps_its_dense_net():
    found = dense_rows([row(0.4, line='a', seed=s) for s in (0, 1)] + [row(0.4, config='d', line='b')])
    assert [(r['config'], r['line'], r['seed']) for r in found] == [('c', 'a', 0), ('c', 'a', 1), ('d', 'b', 0)]


def test_lines_are_named_after_what_tells_them_apart():
    assert line_names([row(), row(line='a'), row(line='b'), row(config='d', line='b')]) == {
        ('c', ''): 'c', ('c', 'a'): 'a', ('c', 'b'): 'b, c', ('d', 'b'): 'b, d'}
    assert [r['line'] for r in lines_of_points([row(line='a'), row(line='a', x=90.0), row(line='b'),
                                                row(line='b', control='random')])] == ['a, 80', 'a, 90', 'b']


@pytest.mark.parametrize('metrics, chosen, shown', [
    ({BOX: 1, 'coco/bbox_mAP_50': 1, 'coco/segm_mAP': 1}, (), [BOX, 'coco/segm_mAP']),
    ({'accuracy/top1': 1, 'accuracy/top5': 1}, (), ['accuracy/top1']),
    ({}, (), ['mAP']), ({BOX: 1}, ('coco/bbox_mAP_50',), ['coco/bbox_mAP_50'])])
def test_metrics_that_are_shown(metrics, chosen, shown):
    assert shown_metrics([row(None, None, metrics=metrics)], experiment(metrics=chosen)) == shown


def test_csv_has_a_line_for_each_training():
    text = to_csv([dense_row(0.5, x=None), row(0.75, job='k', seed=3, line='a,b', label='p', control='random'), row()])
    assert text.splitlines() == [
        f'job,config,seed,line,label,x,control,round,sparsity,network_sparsity,{BOX},{BOX}_change,seconds',
        'j,c,0,,,,,0,0.0,0.0,0.5,0.0,2.0', 'k,c,3,"a,b",p,80.0,random,1,0.8,0.75,0.75,0.25,2.0',
        'j,c,0,,,80.0,,1,0.8,0.75,,,2.0']
    assert to_csv([row(0.5, iou=0.875)]).splitlines()[1].endswith(',0.875,2.0')


def test_markdown_has_dense_nets_first():
    rows = [row(0.4), row(0.6, seed=1), dense_row(0.5), dense_row(0.5, seed=1), row(0.25, control='random'),
            row(label='a|b')]
    assert to_markdown(rows, experiment()).splitlines() == [
        '| line | point | seeds | sparsity | network sparsity | bbox mAP | vs dense |', '|' + ' --- |' * 7,
        '| c | dense | 2 | 0.00% | 0.00% | 0.500 ± 0.000 |  |',
        '| c | 80 | 2 | 80.00% | 75.00% | 0.500 ± 1.271 | +0.000 |',
        '| c | 80, control: random | 1 | 80.00% | 75.00% | 0.250 | -0.250 |',
        r'| c | a\|b | 1 | 80.00% | 75.00% | - | - |']
    assert to_markdown([], experiment()) == 'no training is finished yet'
    assert '| - | - |' in to_markdown([row(None, None, x=None)], experiment())


@pytest.mark.parametrize('name', paper.REFERENCES)
def test_every_number_of_the_paper_can_be_read(name):
    points = paper.read(name)
    assert {p.stem for p in paper.FOLDER.glob('*.csv')} == set(paper.REFERENCES)
    lines = (paper.FOLDER / f'{name}.csv').read_text().splitlines()[1:]
    assert len(points) == len(lines) * (2 if name in ('layerwise_vs_global', 'early_bird') else 1)
    for p in points:
        assert math.isfinite(p['x']) and math.isfinite(p['y']) and p['quantity'] in paper.Y_LABELS
        assert not math.isfinite(p['low']) or p['low'] < p['y'] < p['high']


@pytest.mark.parametrize('name, point', [
    ('direct_pruning', dict(line='R18', task='bbox', x=80, y=30.04, dense=False)),
    ('direct_pruning', dict(line='R50', task='keypoints', x=0, y=64.63, dense=True)),
    ('backbone_effect', dict(line='R50', task='keypoints', x=90, y=-0.666, quantity='change')),
    ('layerwise_vs_global', dict(line='layerwise', x=80, y=67.414, low=67.059, high=67.769, dense=False)),
    ('prune_percentage', dict(x=0, y=69.74, low=69.256, high=70.223, dense=True)),
    ('effect_of_rounds', dict(x=6, y=65.698, low=65.214, high=66.182, dense=False)),
    ('late_reset', dict(x=0, y=68.073, low=67.625, high=68.521, dense=False)),
    ('early_bird', dict(x=600, y=0.9293, low=0.9289, high=0.9297, quantity='iou')),
    ('imagenet_transfer', dict(line='R50, mask only', label='R50, mask only 90%', task='bbox', x=90, y=35.46)),
    ('imagenet_transfer', dict(task='voc', x=90, y=63.91, low=pytest.approx(62.68), high=pytest.approx(65.14))),
    ('task_transfer', dict(task='segm', label='ticket of keypoints', y=23.02, dense=False)),
    ('modules_voc', dict(label='rpn+heads', y=70.08, low=pytest.approx(69.78), dense=False)),
    ('modules_voc', dict(label='', y=69.74, dense=True)),
    ('prune_percent_across_layers', dict(x=16, y=92.28, quantity='pruned'))])
def test_numbers_that_the_paper_prints(name, point):
    assert any(all(p[k] == v for k, v in point.items()) for p in paper.read(name))


def test_only_tasks_of_the_study_are_taken_from_the_paper():
    assert list(paper.by_task('direct_pruning', [BOX, 'coco/segm_mAP'])) == ['bbox', 'segm']
    assert list(paper.by_task('imagenet_transfer', ['pascal_voc/mAP'])) == ['voc']
    assert list(paper.by_task('direct_pruning', ['accuracy/top1'])) == ['bbox', 'segm', 'keypoints']
    assert [len(paper.by_task('early_bird', [], iou=iou)['']) for iou in (False, True)] == [10, 10]
    assert {p['quantity'] for p in paper.by_task('early_bird', [], iou=True)['']} == {'iou'}
