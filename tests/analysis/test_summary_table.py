"""Tables of a summary, with and without the metrics that evaluators leave out."""

import csv
import io

import pytest

from mmlth.analysis import tables
from mmlth.core.records import Summary

ROUND = {'round': 0, 'sparsity': 0.0, 'network_sparsity': 0.0, 'seconds': 60.0}
PRUNED = {'round': 1, 'sparsity': 0.5, 'network_sparsity': 0.25, 'seconds': 30.4}


def summary(*metrics):
    rows = [dict(row, metrics=m) for row, m in zip((ROUND, PRUNED), metrics, strict=False)]
    return Summary(config='configs/c.py', settings={}, rounds=rows)


FULL = summary(
    {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_50': 0.75},
    {'coco/bbox_mAP': 0.25, 'coco/bbox_mAP_50': 0.5},
)
DENSE_LACKS = summary({}, {'coco/bbox_mAP': 0.25})
PRUNED_LACKS = summary({'coco/bbox_mAP': 0.5}, {})
NONE = summary({}, {})


def cells(text):
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize(
    'metrics, expected',
    [
        pytest.param(
            ['coco/bbox_precision', 'coco/bbox_mAP', 'coco/segm_mAP'],
            ['coco/bbox_mAP', 'coco/segm_mAP'],
            id='one a task',
        ),
        pytest.param(
            ['coco/bbox_mAP_50', 'pascal_voc/mAP'], ['pascal_voc/mAP'], id='mAP_50 is not mAP'
        ),
        pytest.param(['accuracy/top1', 'accuracy/top5'], ['accuracy/top1'], id='a classifier'),
        pytest.param([], [], id='no metric'),
    ],
)
def test_main_metrics(metrics, expected):
    assert tables.main_metrics(summary(dict.fromkeys(metrics, 0.5))) == expected


def test_metric_names_are_those_of_all_rounds_in_the_order_of_the_evaluator():
    assert tables.metric_names(summary({'b': 1, 'a': 1}, {'a': 1, 'c': 1})) == ['b', 'a', 'c']


def test_rows_hold_the_change_against_dense():
    first, second = tables.rows(FULL)
    assert (first.changes, second.changes) == ({'coco/bbox_mAP': 0}, {'coco/bbox_mAP': -0.25})
    assert (second.round, second.control, second.nothing_detected) == (1, '', False)
    assert (second.sparsity, second.network_sparsity, second.seconds) == (0.5, 0.25, 30.4)
    assert second.metrics == {'coco/bbox_mAP': 0.25, 'coco/bbox_mAP_50': 0.5}
    assert tables.rows(summary()) == []


def test_text():
    assert cells(tables.to_text(FULL)) == [
        ['round', 'sparsity', 'network', 'bbox_mAP', 'vs', 'dense', 'bbox_mAP_50', 'seconds'],
        ['0', '0.00%', '0.00%', '0.500', '+0.000', '0.750', '60'],
        ['1', '50.00%', '25.00%', '0.250', '-0.250', '0.500', '30'],
    ]


def test_text_of_two_tasks_has_both_and_their_changes():
    both = summary(
        {'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.4},
        {'coco/bbox_mAP': 0.25, 'coco/segm_mAP': 0.5},
    )
    assert cells(tables.to_text(both))[2] == [
        '1',
        '50.00%',
        '25.00%',
        '0.250',
        '-0.250',
        '0.500',
        '+0.100',
        '30',
    ]


@pytest.mark.parametrize(
    'given, dense, pruned, notes',
    [
        pytest.param(DENSE_LACKS, ['none', '-'], ['0.250', '-'], [0], id='the dense round'),
        pytest.param(PRUNED_LACKS, ['0.500', '+0.000'], ['none', '-'], [1], id='the pruned round'),
        pytest.param(NONE, ['none', '-'], ['none', '-'], [0, 1], id='every round'),
    ],
)
def test_rounds_that_detected_nothing_are_none_and_named_below(given, dense, pruned, notes):
    text = tables.to_text(given).splitlines()
    assert [text[1].split()[3:-1], text[2].split()[3:-1]] == [dense, pruned]
    assert text[3:] == [
        f'round {number}: the evaluator returned no metric; the detector found nothing'
        for number in notes
    ]


def test_a_control_that_detected_nothing_is_named_below():
    given = summary({'coco/bbox_mAP': 0.5}, {'coco/bbox_mAP': 0.25})
    given.controls.append({**PRUNED, 'control': 'random', 'metrics': {}})
    text = tables.to_text(given).splitlines()
    assert text[3].split() == ['1', 'random', '50.00%', '25.00%', 'none', '-', '30']
    assert text[4].startswith('round 1, control random: the evaluator returned no metric;')


def test_metrics_that_only_a_control_has_are_shown():
    given = summary({}, {})
    given.controls.append({**PRUNED, 'control': 'random', 'metrics': {'coco/bbox_mAP': 0.25}})
    header, _, _, control = tables.to_text(given).splitlines()[:4]
    assert 'bbox_mAP' in header.split() and '0.250' in control.split()


def test_one_missing_metric_of_several_is_a_dash():
    given = summary({'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.4}, {'coco/bbox_mAP': 0.25})
    text = tables.to_text(given).splitlines()
    assert text[2].split()[3:-1] == ['0.250', '-0.250', '-', '-'] and len(text) == 3


def test_columns_are_aligned():
    assert len({len(line) for line in tables.to_text(FULL).splitlines()}) == 1


def test_no_round_yet():
    assert tables.to_text(summary()) == 'no round is finished yet'


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(FULL))))
    assert [row['round'] for row in rows] == ['0', '1']
    assert [float(row['coco/bbox_mAP']) for row in rows] == [0.5, 0.25]
    assert float(rows[1]['network_sparsity']) == 0.25


@pytest.mark.parametrize(
    'given, dense, pruned',
    [
        pytest.param(DENSE_LACKS, ('', 'True'), ('0.25', 'False'), id='the dense round'),
        pytest.param(PRUNED_LACKS, ('0.5', 'False'), ('', 'True'), id='the pruned round'),
    ],
)
def test_csv_says_where_nothing_was_detected(given, dense, pruned):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(given))))
    found = [(row['coco/bbox_mAP'], row['nothing_detected']) for row in rows]
    assert found == [dense, pruned]
    assert rows[1]['coco/bbox_mAP_change'] == ''


def test_csv_without_any_metric_says_so():
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(NONE))))
    assert [row['nothing_detected'] for row in rows] == ['True', 'True']


def test_cocos_minus_one_is_no_number():
    none, some = {'coco/bbox_mAP': -1.0, 'coco/bbox_mAP_l': -1.0}, {'coco/bbox_mAP': 0.25}
    header, dense, pruned = cells(tables.to_text(summary(none, some | {'coco/bbox_mAP_l': -1.0})))
    assert header == ['round', 'sparsity', 'network', 'bbox_mAP', 'vs', 'dense', 'bbox_mAP_l',
                      'seconds']
    assert dense == ['0', '0.00%', '0.00%', '-', '-', '-', '60']
    assert pruned == ['1', '50.00%', '25.00%', '0.250', '-', '-', '30']
    assert '-1' not in tables.to_csv(summary(none, some))
