"""Tables of a summary, with and without the metrics that evaluators leave out."""
import csv
import io

import pytest

from mmlth.analysis import tables
from mmlth.core.records import Summary

ROUND = dict(round=0, sparsity=0.0, network_sparsity=0.0, seconds=60.0)
PRUNED = dict(round=1, sparsity=0.5, network_sparsity=0.25, seconds=30.4)


def summary(*metrics):
    rows = [dict(row, metrics=m) for row, m in zip((ROUND, PRUNED), metrics)]
    return Summary(config='configs/c.py', settings={}, rounds=rows)


FULL = summary({'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_50': 0.75},
               {'coco/bbox_mAP': 0.25, 'coco/bbox_mAP_50': 0.5})
DENSE_LACKS = summary({}, {'coco/bbox_mAP': 0.25})
PRUNED_LACKS = summary({'coco/bbox_mAP': 0.5}, {})
NONE = summary({}, {})


def cells(text):
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize('metrics, expected', [
    pytest.param(['coco/bbox_precision', 'coco/bbox_mAP', 'coco/segm_mAP'],
                 ['coco/bbox_mAP', 'coco/segm_mAP'], id='one a task'),
    pytest.param(['coco/bbox_mAP_50', 'pascal_voc/mAP'], ['pascal_voc/mAP'], id='mAP_50 is not mAP'),
    pytest.param(['accuracy/top1', 'accuracy/top5'], ['accuracy/top1'], id='a classifier'),
    pytest.param([], [], id='no metric'),
])
def test_main_metrics(metrics, expected):
    assert tables.main_metrics(summary(dict.fromkeys(metrics, 0.5))) == expected


def test_metric_names_are_those_of_all_rounds_in_the_order_of_the_evaluator():
    assert tables.metric_names(summary({'b': 1, 'a': 1}, {'a': 1, 'c': 1})) == ['b', 'a', 'c']


def test_rows_hold_the_change_against_dense():
    first, second = tables.rows(FULL)
    assert (first['coco/bbox_mAP_change'], second['coco/bbox_mAP_change']) == (0, -0.25)
    assert second == {**PRUNED, 'control': '', 'coco/bbox_mAP_change': -0.25, 'coco/bbox_mAP': 0.25,
                      'coco/bbox_mAP_50': 0.5}


def test_text():
    assert cells(tables.to_text(FULL)) == [
        ['round', 'sparsity', 'network', 'bbox_mAP', 'vs', 'dense', 'bbox_mAP_50', 'seconds'],
        ['0', '0.00%', '0.00%', '0.500', '+0.000', '0.750', '60'],
        ['1', '50.00%', '25.00%', '0.250', '-0.250', '0.500', '30']]


def test_text_of_two_tasks_has_both_and_their_changes():
    both = summary({'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.4}, {'coco/bbox_mAP': 0.25, 'coco/segm_mAP': 0.5})
    assert cells(tables.to_text(both))[2] == ['1', '50.00%', '25.00%', '0.250', '-0.250', '0.500', '+0.100', '30']


@pytest.mark.parametrize('given, dense, pruned', [
    pytest.param(DENSE_LACKS, ['-', '-'], ['0.250', '-'], id='the dense round has no metric'),
    pytest.param(PRUNED_LACKS, ['0.500', '+0.000'], ['-', '-'], id='the pruned round has no metric'),
    pytest.param(NONE, [], [], id='no round has a metric'),
])
def test_missing_metrics_are_dashes(given, dense, pruned):
    lines = cells(tables.to_text(given))
    assert lines[1][3:-1] == dense
    assert lines[2][3:-1] == pruned


def test_columns_are_aligned():
    assert len({len(line) for line in tables.to_text(FULL).splitlines()}) == 1


def test_no_round_yet():
    assert tables.to_text(summary()) == 'no round is finished yet'


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(FULL))))
    assert [row['round'] for row in rows] == ['0', '1']
    assert [float(row['coco/bbox_mAP']) for row in rows] == [0.5, 0.25]
    assert float(rows[1]['network_sparsity']) == 0.25


@pytest.mark.parametrize('given, dense, pruned', [
    pytest.param(DENSE_LACKS, '', '0.25', id='the dense round has no metric'),
    pytest.param(PRUNED_LACKS, '0.5', '', id='the pruned round has no metric'),
])
def test_missing_metrics_are_empty_in_csv(given, dense, pruned):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(given))))
    assert [row['coco/bbox_mAP'] for row in rows] == [dense, pruned]
