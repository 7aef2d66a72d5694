"""Figures of experiments say where nothing was detected, and in how many seeds."""

import math

import pytest
from made_rows import SEGM, dense_row, experiment, row
from panel_contents import recorder

from mmlth.analysis import style
from mmlth.analysis.experiment_figures import plot


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    return recorder(tmp_path, monkeypatch)


def test_missing_dense_metrics_are_gaps(drawn):
    rows = [row(0.4, x=10.0), row(0.4, None, x=50.0), row(0.3, x=90.0)]
    (panel,), legend = drawn(rows, y='change')
    (_, first), (x, gap), (_, last) = panel['curves']['c', False]
    assert (first, x, last) == (pytest.approx(-20), 50, pytest.approx(-40)) and math.isnan(gap)
    assert legend == ['c', 'dense']


def test_crosses_are_where_nothing_was_detected(drawn):
    rows = [row(0.4, x=10.0), row(None, x=50.0), row(0.3, x=90.0)]
    rows.append(row(None, x=90.0, control='random'))
    (panel,), legend = drawn(rows)
    (_, first), (x, gap), (_, last) = panel['curves']['c', False]
    assert (first, x, last) == (0.4, 50, 0.3) and math.isnan(gap)
    assert panel['curves']['nothing detected', False] == [(50, style.EDGE)]
    assert panel['curves']['', True] == [(90, style.EDGE)]
    assert legend == ['c', 'control: random', 'dense', 'nothing detected']
    assert panel['texts'] == []


def test_a_cross_says_how_many_seeds_detected_nothing(drawn):
    rows = [row(0.4, seed=0), row(None, seed=1), row(0.5, seed=2), row(0.4, x=50.0)]
    (panel,), _ = drawn(rows)
    assert panel['curves']['nothing detected', False] == [(80, style.EDGE)]
    assert panel['texts'] == ['n=1', '1 of 3']
    assert [y for _, y in panel['curves']['c', False]] == [
        0.4,
        pytest.approx(math.nan, nan_ok=True),
    ]


def test_crosses_of_several_lines_are_over_each_other(drawn, monkeypatch):
    crosses = []
    monkeypatch.setattr(style, 'mark_nothing', lambda axes, given: crosses.extend(given))
    drawn([row(0.4, x=10.0), row(None, line='a'), row(None, line='b', seed=1)])
    assert [(cross.x, cross.note) for cross in crosses] == [(80, ''), (80, '')]
    assert crosses[0].colour != crosses[1].colour


def test_a_line_of_another_task_has_no_cross(drawn):
    masks = row(metrics={SEGM: 0.3}, line='m') | {'dense': {SEGM: 0.5}}
    panels, _ = drawn([row(None, line='b'), masks])
    crosses = [('nothing detected', False) in panel['curves'] for panel in panels]
    assert [panel['y'] for panel in panels] == ['bbox mAP', 'segm mAP']
    assert crosses == [True, False]


def test_a_dense_net_that_detected_nothing_is_said(drawn):
    (panel,), _ = drawn([dense_row(None), row(0.4, None)], x_label='x')
    assert panel['x'] == 'x\n(dense: c nothing detected)' and panel['dense'] == []
    dense = [dense_row(0.5), dense_row(None, seed=1)]
    (panel,), _ = drawn([*dense, row(0.4), row(0.4, None, seed=1)], x_label='x')
    assert panel['x'] == 'x\n(dense: c nothing detected in 1 of 2 seeds)'


def test_bars_say_where_nothing_was_detected(drawn):
    rows = [
        row(0.4, label='a'),
        row(None, label='b'),
        row(0.3, label='c'),
        row(None, label='c', seed=1),
        row(None, label='c', control='random'),
    ]
    (panel,), legend = drawn(rows, kind='bars')
    assert panel['texts'] == [
        '0.400 (n=1)', 'none', 'none in 1 of 2', 'random none']
    assert panel['values'] == [(0.4, False)] and panel['ticks'] == ['a', 'b', 'c']
    assert panel['curves'].keys() == {('nothing detected', False), ('nothing detected', True)}
    assert 'nothing detected' in legend


def test_bars_leave_out_lines_of_another_task(drawn):
    masks = row(metrics={SEGM: 0.3}, label='m', line='m') | {'dense': {SEGM: 0.5}}
    panels, _ = drawn([row(0.4, label='a'), masks], kind='bars')
    assert [panel['ticks'] for panel in panels] == [['a'], ['m']]


@pytest.mark.parametrize('kind', ['curve', 'bars'])
def test_no_metric_at_all_is_drawn_as_crosses(drawn, kind):
    (panel,), legend = drawn([row(None, None), row(None, None, x=90.0)], kind=kind)
    assert ('nothing detected', False) in panel['curves'] and 'nothing detected' in legend


def test_a_panel_without_any_value_says_so(tmp_path):
    rows = [row(0.4, metrics={'accuracy/top1': 0.4})]
    plot(rows, experiment(metrics=('coco/segm_mAP',)), tmp_path / 'a.svg')
    assert 'no value' in (tmp_path / 'a.svg').read_text()
