"""Pages say what is missing."""

import pytest
from made_rows import BOX, SEGM, dense_row, experiment, row

from mmlth.analysis.experiments import shown_metrics, to_csv, to_markdown

NO_METRIC = 'the evaluator returned no metric; the detector found nothing'
RULE = '|' + ' --- |' * 7


def test_collapsed_tensors_are_named_under_the_means():
    density = {'backbone.weight': 0.3, 'rpn_head.rpn_conv.weight': 0.0001}
    text = to_markdown([dense_row(), row(0.4, layer_density=density)], experiment())
    assert 'less than 1% of its fair share: rpn_head.rpn_conv.weight (0.01%)' in text


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'kind': 'pie'}, "kind='pie': allowed are curve, bars, layers"),
        ({'y': 'loss'}, "y='loss': allowed are metric, change"),
        ({'reference': 'table'}, "reference='table': allowed are direct_pruning,"),
        ({'metrics': 'coco/bbox_mAP'}, "metrics='coco/bbox_mAP': a list of names"),
    ],
)
def test_unknown_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)


@pytest.mark.parametrize(
    'metrics, chosen, shown',
    [
        ({BOX: 1, 'coco/bbox_mAP_50': 1, SEGM: 1}, (), [BOX, SEGM]),
        ({'accuracy/top1': 1, 'accuracy/top5': 1}, (), ['accuracy/top1']),
        ({}, (), ['mAP']),
        ({BOX: 1}, ('coco/bbox_mAP_50',), ['coco/bbox_mAP_50']),
    ],
)
def test_metrics_that_are_shown(metrics, chosen, shown):
    rows = [row(None, None, metrics=metrics)]
    assert shown_metrics(rows, experiment(metrics=chosen)) == shown


def test_csv_has_a_line_for_each_training():
    control = row(0.75, job='k', seed=3, line='a,b', label='p', control='random')
    text = to_csv([dense_row(0.5, x=None), control])
    assert text.splitlines() == [
        'job,config,seed,line,label,x,control,round,sparsity,network_sparsity,'
        f'{BOX},{BOX}_change,seconds,nothing_detected',
        'j,c,0,,,,,0,0.0,0.0,0.5,0.0,2.0,False',
        'k,c,3,"a,b",p,80.0,random,1,0.8,0.75,0.75,0.25,2.0,False',
    ]
    early = row(0.5, iou=0.875, chance_iou=0.11, init_iou=0.25)
    assert to_csv([early]).splitlines()[1].endswith(',0.875,0.11,0.25,2.0,False')


def test_csv_says_where_nothing_was_detected():
    lines = to_csv([row(0.5), row(None)]).splitlines()
    assert lines[1].endswith(',0.5,0.0,2.0,False')
    assert lines[2].endswith(',,,2.0,True')


def test_csv_without_a_training_is_its_header():
    assert to_csv([]).count('\n') == 1


def test_markdown_has_dense_nets_first():
    rows = [
        row(0.4),
        row(0.6, seed=1),
        dense_row(0.5),
        dense_row(0.5, seed=1),
        row(0.25, control='random'),
        row(0.4, None, label='a|b'),
    ]
    assert to_markdown(rows, experiment()).splitlines() == [
        '| line | point | seeds | sparsity | network sparsity | bbox mAP | vs dense |',
        RULE,
        '| c | dense | 2 | 0.00% | 0.00% | 0.500 ± 0.000 |  |',
        '| c | 80 | 2 | 80.00% | 75.00% | 0.500 ± 1.271 | +0.000 |',
        '| c | 80, control: random | 1 | 80.00% | 75.00% | 0.250 | -0.250 |',
        r'| c | a\|b | 1 | 80.00% | 75.00% | 0.400 | - |',
    ]
    assert to_markdown([], experiment()) == 'no training is finished yet'


def test_a_control_of_round_zero_is_no_dense_net():
    text = to_markdown([dense_row(0.25, control='rewound')], experiment())
    assert '| 80, control: rewound |' in text


def test_markdown_says_which_training_detected_nothing():
    lines = to_markdown([row(0.4, x=50.0), row(None), row(None, label='p')], experiment())
    assert lines.splitlines()[3:] == [
        '| c | 50 | 1 | 80.00% | 75.00% | 0.400 | -0.100 |',
        '| c | 80 | 1 | 80.00% | 75.00% | none | - |',
        '| c | p | 1 | 80.00% | 75.00% | none | - |',
        '',
        f'- c, 80: {NO_METRIC}',
        f'- c, p: {NO_METRIC}',
    ]
    assert lines.endswith('\n')


def test_a_mean_without_some_seeds_is_none_and_says_of_how_many():
    rows = [row(0.4), row(None, seed=1), row(0.5, seed=7), row(None, seed=8)]
    lines = to_markdown(rows, experiment()).splitlines()
    assert lines[3] == '| c | 80 | 4 | 80.00% | 75.00% | none in 2 of 4 | - |'
    assert lines[4:] == ['', f'- c, 80: {NO_METRIC} (2 of 4 seeds: 1, 8)']


def test_a_dense_net_that_detected_nothing_is_said():
    lines = to_markdown([dense_row(None), row(0.4, None, line='a')], experiment()).splitlines()
    assert lines[2] == '| c | dense | 1 | 0.00% | 0.00% | none |  |'
    assert lines[3] == '| a | 80 | 1 | 80.00% | 75.00% | 0.400 | - |'
    assert lines[-1] == f'- c, dense: {NO_METRIC}'


def test_a_metric_of_another_task_is_a_dash():
    """Boxes that detected nothing aren't masks that detected nothing."""
    masks = row(metrics={SEGM: 0.3}, line='m') | {'dense': {SEGM: 0.5}}
    lines = to_markdown([row(None, line='b'), masks], experiment()).splitlines()
    assert '| b | 80 | 1 | 80.00% | 75.00% | none | - | - | - |' in lines
    assert '| m | 80 | 1 | 80.00% | 75.00% | - | - | 0.300 | -0.200 |' in lines
