"""Every figure draws means, dense nets and the paper's numbers, and says what is missing."""

import math

import pytest
from made_rows import BOX, SEGM, dense_row, experiment, row
from panel_contents import recorder

from mmlth.analysis.experiment_figures import plot
from mmlth.analysis.paper_columns import REFERENCES

TWO_SEEDS = [
    dense_row(0.5),
    dense_row(0.5, seed=1),
    row(0.4, x=90.0),
    row(0.6, x=90.0, seed=1),
    row(0.5, x=10.0),
    row(0.25, x=90.0, control='random'),
]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    return recorder(tmp_path, monkeypatch)


def test_curve_of_means_with_the_dense_net_and_controls(drawn):
    (panel,), legend = drawn(TWO_SEEDS, x_label='pruned (%)')
    assert panel['curves'] == {('c', False): [(10, 0.5), (90, 0.5)], ('c', True): [(90, 0.25)]}
    assert panel['dense'] == [0.5] and panel['colours']['dense'] == panel['colours']['c']
    ((low, high),) = [e for e in panel['errors'] if e and not math.isnan(e[0][1])]
    assert (low[0], high[0]) == (90, 90) and (low[1], high[1]) == pytest.approx(
        (0.5 - 1.2706, 0.5 + 1.2706), rel=1e-4
    )
    assert (panel['title'], panel['x'], panel['y']) == ('this study', 'pruned (%)', 'bbox mAP')
    assert legend == [
        'c', 'control: random', 'dense', '95% confidence, 1-2 seeds, which are the dots']
    assert panel['seeds'] == [(90, 0.4), (90, 0.6)]
    assert panel['texts'] == ['n=1', 'n=2', 'n=1']


def test_change_against_dense(drawn):
    (panel,), _ = drawn(TWO_SEEDS, y='change')
    assert panel['curves']['c', True] == [(90, -50)] and panel['dense'] == [0]
    assert panel['y'] == 'bbox mAP, change against dense (%)'


@pytest.mark.parametrize(
    'second, dense', [(0.5, [0.5]), (0.25, [0.25, 0.5])], ids=['shared', 'not shared']
)
def test_one_dense_line_where_lines_share_a_net(drawn, second, dense):
    (panel,), legend = drawn([row(0.4, line='a'), row(0.3, line='b', dense=second)])
    assert panel['dense'] == dense and legend == ['a', 'b', 'dense']
    assert (panel['colours']['dense'] == panel['colours']['b']) == (len(dense) == 2)


def test_dense_nets_without_a_colour_are_told_apart(drawn):
    rows = [
        row(0.4, dense, config=c, line=line)
        for c, dense in (('c', 0.5), ('d', 0.25))
        for line in 'ab'
    ]
    (panel,), _ = drawn(rows, x_label='x')
    assert panel['x'] == 'x\n(dense: c 0.5; d 0.25)' and panel['dense'] == [0.25, 0.5]


def test_a_panel_for_each_metric_over_the_papers(drawn):
    rows = [row(metrics={BOX: 0.4, SEGM: 0.3}) | {'dense': {BOX: 0.5, SEGM: 0.5}}]
    panels, _ = drawn(rows, reference='direct_pruning', metrics=(SEGM, BOX))
    assert [p['title'] for p in panels] == [
        'this study',
        'this study',
        'paper, segm',
        'paper, bbox',
    ]
    assert [p['y'] for p in panels] == ['segm mAP', 'bbox mAP', 'mAP (%)', 'mAP (%)']
    assert panels[2]['curves']['ResNet-18', False][7] == (80, 27.9) and panels[2]['dense'] == [
        27.64,
        35.16,
    ]
    assert [p['place'] for p in panels] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_the_paper_is_on_the_right_with_its_band(drawn):
    panels, legend = drawn(
        [row(0.4, line='layerwise'), row(0.45, line='global')], reference='layerwise_vs_global'
    )
    own, theirs = panels
    assert (theirs['title'], theirs['x'], theirs['bands']) == ('paper', 'pruned (%)', 2)
    assert theirs['curves']['layerwise', False][-1] == (95, 52.203) and theirs['dense'] == [69.74]
    assert (
        own['colours']['dense'] == theirs['colours']['dense'] == '#666666'
    )  # nobody's, as both share it
    assert theirs['colours']['layerwise'] == own['colours']['layerwise'] != own['colours']['global']
    assert (own['place'], theirs['place']) == ((0, 0), (0, 1)) and legend == [
        'layerwise',
        'global',
        'dense',
    ]


def test_overlap_of_early_masks_is_beside_the_papers(drawn):
    rows = [dense_row(), row(0.4, x=50.0, iou=0.75), row(0.45, x=100.0, iou=1.0)]
    panels, _ = drawn(rows)
    assert [p['y'] for p in panels] == ['bbox mAP', 'IoU with the final mask']
    assert (
        panels[1]['curves'] == {('c', False): [(50, 0.75), (100, 1)]} and panels[1]['dense'] == []
    )
    beside = [each | {'chance_iou': 0.11, 'init_iou': 0.6} for each in rows]
    panels, legend = drawn(beside)
    assert panels[1]['curves'] == {
        ('c', False): [(50, 0.75), (100, 1)], ('by chance', False): [(50, 0.11), (100, 0.11)],
        ('largest before training', False): [(50, 0.6), (100, 0.6)]}
    assert panels[1]['legend'] == ['by chance', 'largest before training']
    assert legend == ['c', 'dense']
    panels, _ = drawn(rows, reference='early_bird')
    assert [p['y'] for p in panels] == ['bbox mAP', 'mAP (%)'] + ['IoU with the final mask'] * 2
    assert panels[3]['curves']['', False][0] == (600, 0.9293)


def test_bars_with_controls(drawn):
    rows = [
        dense_row(0.5),
        row(0.4, label='base'),
        row(0.2, label='top'),
        row(0.1, label='top', control='random'),
    ]
    (panel,), legend = drawn(rows, kind='bars')
    assert panel['values'] == [(0.4, False), (0.2, False), (0.1, True)] and panel['ticks'] == [
        'base',
        'top',
    ]
    assert panel['texts'] == ['0.400', '0.200', 'random 0.100'] and panel['dense'] == [0.5]
    assert legend == ['c', 'control: random', 'dense']


def test_rows_of_another_study_stand_beside_the_papers_below_each_other(drawn):
    panels, _ = drawn(
        [row(0.45, label='base'), row(0.475, label='top')], kind='bars', reference='modules_voc'
    )
    assert panels[0]['values'] == [(0.45, False), (0.475, False)]
    assert panels[0]['texts'] == ['0.450', '0.475']
    assert panels[1]['title'] == 'paper (3 sd of 5 runs)' and panels[1]['dense'] == [69.74]
    assert panels[1]['ticks'][0] == 'heads' and len(panels[1]['ticks']) == 15
    assert panels[0]['ticks'] == panels[1]['ticks']  # rows that weren't run stay empty
    others, _ = drawn([row(0.45, label='mine')], kind='bars', reference='modules_voc')
    assert others[0]['ticks'] == ['mine'] and len(others[1]['ticks']) == 15


def test_bars_of_several_seeds_with_a_dot_for_each(drawn):
    rows = [row(0.4, label='a'), row(0.6, label='a', seed=1), row(0.25, label='b')]
    (panel,), _ = drawn(rows, kind='bars')
    assert panel['seeds'] == [(0.4, 0), (0.6, 0)]
    assert panel['texts'] == ['0.500 (n=2)', '0.250 (n=1)']


def test_values_of_changes(drawn):
    (panel,), _ = drawn([row(0.4, label='base'), row(0.55, label='top')], kind='bars', y='change')
    assert [x for x, _ in panel['values']] == pytest.approx([-20, 10])
    assert panel['texts'] == ['-20.0', '+10.0']


def test_a_ring_marks_tickets_with_an_empty_layer(drawn):
    density = {'backbone.weight': 0.3, 'rpn.weight': 0.0001}
    for kind in ('curve', 'bars'):
        rows = [row(0.4, label='a'), row(0.3, x=90.0, label='b', layer_density=density)]
        (panel,), legend = drawn(rows, kind=kind)
        rings = [points for (label, _), points in panel['curves'].items() if not label]
        assert rings == [[(90.0, 0.3) if kind == 'curve' else (0.3, 1.4)]]
        assert 'a layer keeps less than 1% of its share' in legend
    panels, _ = drawn([row(0.3, layer_density=density)], kind='layers')
    assert not [points for (label, _), points in panels[0]['curves'].items() if not label]


def test_ticks_have_room_on_an_axis_that_is_shared_with_the_paper(drawn):
    rows = [row(0.4, x=90.0), row(0.3, x=95.0)]
    panels, _ = drawn(rows, reference='direct_pruning', x_label='pruned (%)')
    assert not {'90', '95'} <= set(panels[0]['names'])
    panels, _ = drawn(rows)
    assert panels[0]['names'] == ['90', '95']
    panels, _ = drawn([row(0.4, x=4.5), row(0.4, x=24.96), row(0.3, x=75.04)])
    assert panels[0]['names'] == ['4.5', '25', '75']


def test_the_papers_lines_have_colours_of_their_own_unless_they_share_a_name(drawn):
    panels, _ = drawn([row(0.4, line='boxes')], reference='direct_pruning')
    theirs = panels[1]['colours']
    assert not {theirs['ResNet-18'], theirs['ResNet-50']} & {panels[0]['colours']['boxes']}
    panels, _ = drawn(
        [row(0.4, line='ResNet-50')], reference='direct_pruning', x_label='pruned (%)')
    assert panels[1]['colours']['ResNet-50'] == panels[0]['colours']['ResNet-50']


@pytest.mark.parametrize('tensors, below', [(2, False), (21, True)])
def test_layers_in_the_order_of_the_model(drawn, tensors, below):
    density = {'roi_head.fc.weight': 0.25} | {
        f'backbone.conv{i}.conv.weight': 0.5 for i in range(1, tensors)
    }
    rows = [
        dense_row(layer_density=dict.fromkeys(density, 1.0)),
        row(layer_density=density, line='global'),
        row(layer_density=density, line='global', control='random'),
    ]
    (own, theirs), legend = drawn(rows, kind='layers', reference='prune_percent_across_layers')
    assert own['curves'] == {('global', False): [(0, 75)] + [(i, 50) for i in range(1, tensors)]}
    assert (
        own['names'][:2] == ['fc', 'backbone.conv1']
        and own['y'] == theirs['y'] == 'pruned in the layer (%)'
    )
    assert theirs['curves']['', False][-1] == (16, 92.28) and legend == ['global']
    assert theirs['place'] == ((1, 0) if below else (0, 1))


def test_the_papers_layers_lie_at_the_same_convolutions_of_a_resnet_18(drawn):
    blocks = [f'backbone.layer{s}.{b}.conv{c}.weight' for s in range(1, 5) for b in (0, 1)
              for c in (1, 2)]
    names = ['backbone.conv1.weight', *blocks, 'backbone.layer2.0.downsample.0.weight', 'neck']
    rows = [row(layer_density=dict.fromkeys(names, 0.5))]
    (panel,), _ = drawn(rows, kind='layers', reference='prune_percent_across_layers')
    theirs = panel['curves']['paper, at the same convolutions', False]
    assert theirs[0] == (1, 53.31) and theirs[-1] == (16, 92.28) and len(theirs) == 16


def test_points_of_a_line_are_lines_of_layers(drawn):
    rows = [row(layer_density={'a': 0.5}), row(layer_density={'a': 0.25}, x=90.0)]
    (panel,), _ = drawn(rows, kind='layers')
    assert panel['curves'] == {('c, 80', False): [(0, 50)], ('c, 90', False): [(0, 75)]}


@pytest.mark.parametrize('name', REFERENCES)
def test_every_reference_is_drawn(drawn, name):
    bars = ('task_transfer', 'imagenet_transfer', 'modules_voc', 'network_sparsity')
    kind = 'bars' if name in bars else 'curve'
    panels, _ = drawn(TWO_SEEDS, kind=kind, reference=name)
    theirs = [p for p in panels if p['title'].startswith('paper')]
    assert theirs and all(p['curves'] or p['values'] for p in theirs)


@pytest.mark.parametrize(
    'rows, message',
    [
        ([], r"'e' has no finished training of a ticket or control \(0 rows"),
        (
            [dense_row()],
            r'no finished training of a ticket or control \(1 rows, all of dense nets\): run',
        ),
        ([row(0.4, x=None, job='k')], "'e': job 'k' has x=None, a curve needs a number"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        plot(rows, experiment(), tmp_path / 'a.png')
    assert not list(tmp_path.iterdir())
