"""Figures are written whole, show something, and refuse what the records don't hold."""
import matplotlib.pyplot as plt
import pytest
from matplotlib import image

from mmlth.analysis.figures import plot_layers, plot_metric
from mmlth.core.records import Summary


def summary(*values):
    rounds = [dict(round=i, sparsity=i / 4, network_sparsity=i / 5, seconds=1.0,
                   metrics={} if value is None else {'coco/bbox_mAP': value, 'coco/bbox_mAP_50': value},
                   layer_density={'backbone.conv1.weight': 1.0, 'roi_head.fc.weight': 1 - i / 4})
              for i, value in enumerate(values)]
    return Summary(config='configs/c.py', settings={}, rounds=rounds)


FULL = summary(0.5, 0.6, 0.4)


def assert_drawn(path):
    """Assert that the picture is large and that more than one in 200 of its pixels isn't white."""
    pixels = image.imread(path)[..., :3]
    assert pixels.shape[0] > 300 and pixels.shape[1] > 500
    assert 0.005 < (pixels.min(axis=2) < 0.9).mean() < 0.5
    colours = pixels.max(axis=2) - pixels.min(axis=2) > 0.3
    assert colours.sum() > 300  # the curves; axes and text are grey


@pytest.mark.parametrize('given, kwargs', [
    pytest.param(FULL, {}, id='main metric'),
    pytest.param(FULL, dict(metrics=['coco/bbox_mAP_50', 'coco/bbox_mAP'], axis='network_sparsity'), id='two chosen'),
    pytest.param(summary(0.5), {}, id='one round'),
    pytest.param(summary(None, 0.6, 0.4), {}, id='no metric in the dense round'),
    pytest.param(summary(0.5, None, 0.4), {}, id='no metric in a pruned round'),
])
def test_metric_against_sparsity(tmp_path, given, kwargs):
    assert plot_metric(given, tmp_path / 'a.png', **kwargs) == tmp_path / 'a.png'
    assert_drawn(tmp_path / 'a.png')
    assert not plt.get_fignums()


@pytest.mark.parametrize('given', [FULL, summary(0.5)], ids=['three rounds', 'one round'])
def test_density_per_layer(tmp_path, given):
    assert plot_layers(given, tmp_path / 'a.png') == tmp_path / 'a.png'
    assert_drawn(tmp_path / 'a.png')
    assert not plt.get_fignums()


def test_other_metrics_and_axes_give_other_pictures(tmp_path):
    for name, kwargs in (('a', {}), ('b', dict(axis='network_sparsity')), ('c', {})):
        plot_metric(FULL, tmp_path / name, **kwargs)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'c').read_bytes()
    assert (tmp_path / 'a').read_bytes() != (tmp_path / 'b').read_bytes()


@pytest.mark.parametrize('suffix, start', [('.svg', b'<?xml'), ('.pdf', b'%PDF')])
def test_the_suffix_chooses_the_format(tmp_path, suffix, start):
    plot_metric(FULL, tmp_path / f'a{suffix}')
    assert (tmp_path / f'a{suffix}').read_bytes().startswith(start)


@pytest.mark.parametrize('given, kwargs, message', [
    pytest.param(FULL, dict(metrics=['mAP']),
                 r"metrics=\['mAP'\]: .* the records hold: coco/bbox_mAP, coco/bbox_mAP_50", id='metric'),
    pytest.param(summary(None), dict(metrics=['mAP']), 'hold: none', id='no metric at all'),
    pytest.param(FULL, dict(metrics=5 * ['coco/bbox_mAP']), 'up to 4', id='more than there are colours'),
    pytest.param(FULL, dict(axis='density'),
                 "axis='density': allowed are sparsity, network_sparsity", id='axis'),
])
def test_unknown_names_list_the_known_ones(tmp_path, given, kwargs, message):
    with pytest.raises(ValueError, match=message):
        plot_metric(given, tmp_path / 'a.png', **kwargs)
    assert not list(tmp_path.iterdir())


def test_a_figure_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(self, path, **kwargs):
        path.write_bytes(b'half')
        raise RuntimeError

    (tmp_path / 'a.png').write_bytes(b'old')
    monkeypatch.setattr(plt.Figure, 'savefig', fail)
    with pytest.raises(RuntimeError):
        plot_metric(FULL, tmp_path / 'a.png')
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [('a.png', b'old')]
    plt.close('all')


def test_controls_are_drawn(tmp_path):
    given = summary(0.5, 0.6)
    plot_metric(given, tmp_path / 'a.png')
    given.controls.append(dict(given.rounds[1], control='random', metrics={'coco/bbox_mAP': 0.55}))
    plot_metric(given, tmp_path / 'b.png')
    assert (tmp_path / 'a.png').read_bytes() != (tmp_path / 'b.png').read_bytes()
    assert_drawn(tmp_path / 'b.png')
