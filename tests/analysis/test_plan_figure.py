"""The figure of a deployed detector shows both times of every layer, and which of them counts."""
import pytest

from mmlth.analysis import plan_figure, style


def layer(kept, torch_ms, sparse_ms, sparse):
    return dict(kept=kept, weights=100, torch_ms=torch_ms, sparse_ms=sparse_ms, sparse=sparse)


PLAN = dict(processor='X', threads=2, layers={
    'stem': layer(60, 3.0, 4.0, False), 'head': layer(5, 8.0, 1.0, True)})


@pytest.fixture
def axes(monkeypatch):
    figures = []
    monkeypatch.setattr(style, 'save_figure', lambda figure, path: figures.append(figure))
    plan_figure.plot_plan(PLAN, 'unused.png')
    return figures[0].axes[0]


def test_every_layer_has_two_bars_and_that_which_runs_is_dark(axes):
    bars = [(round(bar.get_y() + bar.get_height() / 2), bar.get_width())
            for bar in axes.patches if bar.get_alpha() is not None]
    assert sorted(bars) == [(0, 3.0), (0, 4.0), (1, 1.0), (1, 8.0)]
    planned = [bar.get_width() for bar in axes.patches if bar.get_alpha() is None]
    assert sorted(planned) == [1.0, 3.0]


def test_it_says_what_is_kept_and_where_it_was_measured(axes):
    assert [text.get_text() for text in axes.get_yticklabels()] == ['stem', 'head']
    assert [text.get_text() for text in axes.texts] == ['60% kept', '5% kept']
    assert axes.get_title() == '2 thread(s) of X'


def test_it_is_written(tmp_path):
    assert plan_figure.plot_plan(PLAN, tmp_path / 'layers.png').stat().st_size > 1000
