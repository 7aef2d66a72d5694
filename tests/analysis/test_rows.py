"""Lines and points are named after what tells them apart; dense nets are found once."""

import math

import pytest
from made_rows import BOX, SEGM, dense_row, row

from mmlth.analysis.rows import dense_rows, line_names, lines_of_points, lost, value


@pytest.mark.parametrize('second, lines', [(0.5, ['']), (0.25, ['a', 'b'])], ids=['shared', 'not'])
def test_lines_share_a_dense_net_where_it_is_the_same(second, lines):
    found = dense_rows(
        [
            row(0.4, line='a'),
            row(0.4, line='b', dense=second),
            row(0.4, line='b', dense=second, x=90.0),
            row(0.4, None, line='transfer'),
        ]
    )
    assert [r['line'] for r in found] == lines
    assert [r['metrics'] for r in found] == [{BOX: 0.5}, {BOX: 0.25}][: len(lines)]
    assert all(r['round'] == 0 and r['sparsity'] == 0 and r['x'] is None for r in found)


def test_the_only_line_of_a_config_keeps_its_dense_net():
    tickets = [row(0.4, line='a'), row(0.4, line='a', seed=1), row(0.4, config='d', line='b')]
    found = dense_rows(tickets)
    assert [(r['config'], r['line'], r['seed']) for r in found] == [
        ('c', 'a', 0),
        ('c', 'a', 1),
        ('d', 'b', 0),
    ]


def test_a_dense_net_that_the_study_names_keeps_its_name():
    half, third = dense_row(0.3, line='half'), dense_row(0.2, line='third')
    own = dense_row(0.5, line='dense twice')
    found = dense_rows([half, third, own, row(0.4, line='a'), row(0.4, line='b', dense=0.45)])
    assert {r['line']: r['metrics'][BOX] for r in found} == {
        'half': 0.3, 'third': 0.2, 'dense twice': 0.5, 'b': 0.45}


def test_a_dense_net_is_not_listed_beside_itself():
    """Studies have rows of their own for dense nets, under no line."""
    tickets = [row(0.4, line='a'), row(0.4, line='b', dense=0.25)]
    alone = dense_rows(tickets)
    assert [r['line'] for r in alone] == ['a', 'b']
    assert dense_rows([dense_row(0.5), dense_row(0.25), *tickets]) == [
        one | dict(x=None) for one in alone]


def test_dense_nets_of_a_line_that_differ_are_called_after_their_tickets():
    rows = [row(0.4, line='a', label='slow'), row(0.4, line='a', label='fast', dense=0.25),
            row(0.3, line='a', label='shuffle', control='shuffle', dense=0.25),
            row(0.4, line='a', label='fast', dense=0.25, seed=1)]
    found = [(r['line'], r['seed'], r['metrics'][BOX]) for r in dense_rows(rows)]
    assert found == [('a, slow', 0, 0.5), ('a, fast', 0, 0.25), ('a, fast', 1, 0.25)]


def test_a_dense_net_that_detected_nothing_is_kept():
    (dense,) = dense_rows([dense_row(None), row(0.4, None, line='a')])
    assert dense['metrics'] == {} and dense['label'] == 'dense'


def test_lines_are_named_after_what_tells_them_apart():
    rows = [row(), row(line='a'), row(line='b'), row(config='d', line='b')]
    assert line_names(rows) == {
        ('c', ''): 'c',
        ('c', 'a'): 'a',
        ('c', 'b'): 'b, c',
        ('d', 'b'): 'b, d',
    }


def test_points_of_a_line_become_lines():
    rows = [row(line='a'), row(line='a', x=90.0), row(line='b'), row(line='b', control='random')]
    assert [r['line'] for r in lines_of_points(rows)] == ['a, 80', 'a, 90', 'b']


@pytest.mark.parametrize(
    'given, y, expected',
    [(row(0.4), 'metric', 0.4), (row(0.4), 'change', -20), (row(0.4), 'difference', -0.1)],
)
def test_value(given, y, expected):
    assert value(given, BOX, y) == pytest.approx(expected)


@pytest.mark.parametrize(
    'given, y', [(row(None), 'metric'), (row(0.4, None), 'change'), (row(0.4, 0.0), 'change')]
)
def test_value_is_unknown_without_a_metric_or_its_dense_net(given, y):
    assert math.isnan(value(given, BOX, y))


@pytest.mark.parametrize(
    'given, metric, expected',
    [
        pytest.param(row(0.4), BOX, False, id='it has the metric'),
        pytest.param(row(0.4), SEGM, False, id='of another task'),
        pytest.param(row(None), BOX, True, id='nothing detected'),
        pytest.param(row(None), SEGM, False, id='nothing detected, of another task'),
        pytest.param(row(None, None), SEGM, True, id='nothing is known of its task'),
    ],
)
def test_a_metric_is_lost_where_nothing_was_detected(given, metric, expected):
    assert lost(given, metric) is expected
