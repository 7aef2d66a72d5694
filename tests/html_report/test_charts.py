"""Charts are valid Vega-Lite that holds the points of the printed figures."""

import json
import math

import pytest
from made_page import curve_rows, judged_rows, layer_rows
from made_rows import BOX, experiment, row

from mmlth.analysis.points import metric_points
from mmlth.html_report import charts
from mmlth.html_report.figures import figures

alt = pytest.importorskip('altair')

KINDS = {'curve': curve_rows, 'bars': judged_rows, 'layers': layer_rows}


def values(spec):
    return spec['datasets']['points']


def layers_with(spec, mark):
    return [layer for layer in spec['layer'] if layer['mark']['type'] == mark]


def test_a_ring_marks_points_with_an_empty_layer():
    density = {'backbone.weight': 0.3, 'rpn.weight': 0.0001}
    rows = [row(0.4, line='a'), row(0.3, x=90.0, line='a', layer_density=density)]
    figure, = figures(rows, experiment())
    ringed, = [one for one in values(figure.spec) if one.get('collapsed')]
    assert ringed['x'] == 90 and 'keeps less than 1%' in ringed['note']
    assert 'datum.collapsed' in json.dumps(figure.spec)


@pytest.mark.parametrize('kind', KINDS)
def test_a_chart_is_valid(kind):
    for figure in figures(KINDS[kind](), experiment(kind=kind)):
        assert alt.LayerChart.from_dict(figure.spec).to_dict(validate=True)


def test_a_chart_of_the_paper_is_valid():
    found = figures(curve_rows(), experiment(reference='direct_pruning', x_label='pruned (%)'))
    assert [figure.source for figure in found] == ['measured', 'the paper']
    assert all(alt.LayerChart.from_dict(figure.spec).to_dict(validate=True) for figure in found)
    ours, theirs = (figure.spec['layer'][0]['encoding']['x']['scale']['domain']
                    for figure in found)
    assert ours == theirs


def test_points_keep_mean_interval_and_seeds():
    figure, = figures(curve_rows(), experiment(x_label='pruned (%)'))
    found, = [one for one in values(figure.spec) if one.get('x') == 50.0]
    # 0.50, 0.51, 0.52: half of the interval is 4.3027 * 0.01 / sqrt(3)
    assert (found['y'], found['low'], found['high']) == (0.51, 0.48516, 0.53484)
    assert found['value'] == '0.51 [0.4852, 0.5348]'
    assert (found['at'], found['note']) == ('50% pruned', '3 seeds')


def test_one_seed_has_no_interval_and_nothing_detected_is_a_cross():
    found = charts.curves(metric_points([row(None, line='a')], BOX, 'metric'), ['a'], x='x', y='y')
    ticket, = [one for one in values(found) if not one.get('dense')]
    assert ticket['value'] == 'nothing detected' and not {'low', 'high', 'y'} & set(ticket)
    cross, = [one for one in layers_with(found, 'point') if one['mark'].get('shape') == 'cross']
    assert cross['transform'][0]['filter'] == 'datum.lost && !datum.dense'


def test_no_number_is_nan():
    for kind, rows in KINDS.items():
        for figure in figures(rows(), experiment(kind=kind)):
            assert all(math.isfinite(number) for one in values(figure.spec)
                       for number in one.values() if isinstance(number, float))


def test_a_legend_can_switch_lines_and_controls_off():
    figure, = figures(judged_rows(), experiment(kind='bars'))
    assert figure.controls == ['dense_budget', 'random'] and figure.lines == {'80%': 0}
    assert {param['name'] for param in figure.spec['params']} == {'zoom', 'hidden'}
    shape, = {tuple(layer['encoding']['shape']['scale']['range'])
              for layer in figure.spec['layer'] if 'shape' in layer['encoding']}
    assert shape == charts.SHAPES[:2]


def test_the_wheel_alone_does_not_zoom():
    figure, = figures(curve_rows(), experiment())
    zoom, = [param for param in figure.spec['params'] if param['name'] == 'zoom']
    assert zoom['select']['zoom'] == 'wheel![event.ctrlKey]'


def test_early_masks_have_a_figure_of_their_overlap():
    rows = [row(0.5, line='80%', x=25.0, iou=0.75)]
    titles = [figure.title for figure in figures(rows, experiment())]
    assert titles == ['bbox mAP', 'IoU with the final mask']
