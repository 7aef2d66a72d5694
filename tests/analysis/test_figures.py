"""Figures are written whole, show something, and refuse what the records don't hold."""

import pytest
from matplotlib import image
from matplotlib.figure import Figure

from mmlth.analysis import style
from mmlth.analysis.figures import plot_layers, plot_metric
from mmlth.core.records import Summary


def record(i, value):
    """Make the record of a round; None: the model detected nothing."""
    names = () if value is None else ('coco/bbox_mAP', 'coco/bbox_mAP_50')
    return {
        'round': i,
        'sparsity': i / 4,
        'network_sparsity': i / 5,
        'seconds': 1.0,
        'metrics': dict.fromkeys(names, value),
        'layer_density': {'backbone.conv1.weight': 1.0, 'roi_head.fc.weight': 1 - i / 4},
    }


def summary(*values):
    rounds = [record(i, value) for i, value in enumerate(values)]
    return Summary(config='configs/c.py', settings={}, rounds=rounds)


FULL = summary(0.5, 0.6, 0.4)
BOTH = ['coco/bbox_mAP_50', 'coco/bbox_mAP']


def assert_drawn(path):
    """Assert that the picture is large and that more than one in 200 of its pixels isn't white."""
    pixels = image.imread(path)[..., :3]
    assert pixels.shape[0] > 300 and pixels.shape[1] > 500
    assert 0.005 < (pixels.min(axis=2) < 0.9).mean() < 0.5
    colours = pixels.max(axis=2) - pixels.min(axis=2) > 0.3
    assert colours.sum() > 300  # the curves; axes and text are grey


@pytest.mark.parametrize(
    'given, kwargs',
    [
        pytest.param(FULL, {}, id='main metric'),
        pytest.param(FULL, {'metrics': BOTH, 'axis': 'network_sparsity'}, id='two chosen'),
        pytest.param(summary(0.5), {}, id='one round'),
        pytest.param(summary(None, 0.6, 0.4), {}, id='no metric in the dense round'),
        pytest.param(summary(0.5, None, 0.4), {}, id='no metric in a pruned round'),
    ],
)
def test_metric_against_sparsity(tmp_path, given, kwargs):
    assert plot_metric(given, tmp_path / 'a.png', **kwargs) == tmp_path / 'a.png'
    assert_drawn(tmp_path / 'a.png')


def test_controls_of_which_nothing_is_pruned_are_lines(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(style, 'save_figure', lambda figure, path: drawn.append(figure) or path)
    longer = record(0, 0.7) | {'round': 2, 'control': 'dense_budget'}
    shuffled = record(2, 0.3) | {'control': 'shuffle'}
    given = Summary(config='c.py', settings={}, rounds=FULL.rounds, controls=[longer, shuffled])
    plot_metric(given, tmp_path / 'a.png')
    figure, = drawn
    axes, = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines['control: dense_budget (0.700)'].get_ydata() == [0.7, 0.7]
    assert [*lines['control: shuffle'].get_xdata()] == [50]


@pytest.mark.parametrize('given', [FULL, summary(0.5)], ids=['three rounds', 'one round'])
def test_density_per_layer(tmp_path, given):
    assert plot_layers(given, tmp_path / 'a.png') == tmp_path / 'a.png'
    assert_drawn(tmp_path / 'a.png')


def test_other_metrics_and_axes_give_other_pictures(tmp_path):
    for name, kwargs in (('a', {}), ('b', {'axis': 'network_sparsity'}), ('c', {})):
        plot_metric(FULL, tmp_path / name, **kwargs)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'c').read_bytes()
    assert (tmp_path / 'a').read_bytes() != (tmp_path / 'b').read_bytes()


@pytest.mark.parametrize('suffix, start', [('.svg', b'<?xml'), ('.pdf', b'%PDF')])
def test_the_suffix_chooses_the_format(tmp_path, suffix, start):
    plot_metric(FULL, tmp_path / f'a{suffix}')
    assert (tmp_path / f'a{suffix}').read_bytes().startswith(start)


@pytest.mark.parametrize(
    'given, kwargs, message',
    [
        pytest.param(
            FULL,
            {'metrics': ['mAP']},
            r"metrics=\['mAP'\]: .* the records hold: coco/bbox_mAP, coco/bbox_mAP_50",
            id='metric',
        ),
        pytest.param(summary(None), {'metrics': ['mAP']}, 'hold: none', id='no metric at all'),
        pytest.param(
            FULL, {'metrics': 5 * ['coco/bbox_mAP']}, 'up to 4', id='more than there are colours'
        ),
        pytest.param(
            FULL,
            {'axis': 'density'},
            "axis='density': allowed are sparsity, network_sparsity",
            id='axis',
        ),
    ],
)
def test_unknown_names_list_the_known_ones(tmp_path, given, kwargs, message):
    with pytest.raises(ValueError, match=message):
        plot_metric(given, tmp_path / 'a.png', **kwargs)
    assert not list(tmp_path.iterdir())


def test_a_figure_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(self, path, **kwargs):
        path.write_bytes(b'half')
        raise RuntimeError

    (tmp_path / 'a.png').write_bytes(b'old')
    monkeypatch.setattr(Figure, 'savefig', fail)
    with pytest.raises(RuntimeError):
        plot_metric(FULL, tmp_path / 'a.png')
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [('a.png', b'old')]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Plot a metric; return label -> points, whether it is open, and the numbers at the points."""
    kept = []
    save = style.save_figure

    def keep(figure, path):
        kept.append(figure.axes[0])
        return save(figure, path)

    def call(given, **kwargs):
        assert_drawn(plot_metric(given, tmp_path / 'a.png', **kwargs))
        axes = kept.pop()
        points = {}
        for line in axes.lines:
            x, y = line.get_data()
            points[line.get_label()] = list(zip(x, y, strict=True))
        return points, [text.get_text() for text in axes.texts]

    monkeypatch.setattr(style, 'save_figure', keep)
    return call


def test_controls_are_drawn(drawn):
    given = summary(0.5, 0.6)
    given.controls.append(record(1, 0.55) | {'control': 'random'})
    points, _ = drawn(given)
    assert points['bbox_mAP of the ticket'] == [(0, 0.5), (25, 0.6)]
    assert points['control: random'] == [(25, 0.55)]
    assert 'nothing detected' not in points


def test_rounds_and_controls_that_detected_nothing_are_crosses_at_the_bottom(drawn):
    given = summary(0.5, None, 0.4)
    given.controls.append(record(1, None) | {'control': 'random'})
    points, numbers = drawn(given, axis='network_sparsity')
    assert points['nothing detected'] == [(20, style.EDGE)]
    assert points['control: nothing detected'] == [(20, style.EDGE + style.STEP)]
    assert numbers == ['0.400'] and 'dense (0.500)' in points
    assert 'control: random' not in points  # it would be an entry without a marker


def test_a_dense_round_that_detected_nothing_has_no_line(drawn):
    points, _ = drawn(summary(None, 0.6))
    assert points['nothing detected'] == [(0, style.EDGE)]
    assert not [label for label in points if label.startswith('dense')]


def test_a_job_that_detected_nothing_has_crosses_alone(tmp_path):
    plot_metric(summary(None, None), tmp_path / 'a.svg')
    assert 'nothing detected' in (tmp_path / 'a.svg').read_text()
