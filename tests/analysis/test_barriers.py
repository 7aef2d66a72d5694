"""Barriers computed by hand, their table, and their figures."""
import json

import pytest
from test_figures import assert_drawn

from mmlth.analysis import style
from mmlth.analysis.barrier_figures import plot_against_k, plot_path
from mmlth.analysis.barriers import (
    against_table,
    barriers_of,
    find_barrier,
    load_barriers,
    matches,
    path_table,
    warnings_of,
)

SHARES = [0, 0.25, 0.5, 0.75, 1]
MAP = 'coco/bbox_mAP'


def points(losses, maps):
    """A point a loss; a mAP of None is a net that detects nothing."""
    last = len(losses) - 1
    return [dict(share=i / last, reestimated=0 < i < last, loss=loss,
                 metrics={} if found is None else {MAP: found})
            for i, (loss, found) in enumerate(zip(losses, maps))]


@pytest.mark.parametrize('values, falls, expected', [
    pytest.param([1, 2, 3, 4, 5], False, (0, 0, 2), id='a line has none'),
    pytest.param([1, 2, 7, 4, 5], False, (4, 0.5, 4), id='over the middle of 1 and 5'),
    # at 0.25 the line between 1 and 5 is at 2, at 0.75 at 4; the mean is 3
    pytest.param([1, 6, 3, 7, 5], False, (4, 0.25, 4), id='not where the loss is largest'),
    pytest.param([5, 4, 1, 4, 5], False, (0, 0, 0), id='a valley is none'),
    pytest.param([0.5, 0.5, 0.1, 0.5, 0.7], True, (0.5, 0.5, 0.5), id='mAP falls'),
])
def test_the_barrier_is_the_largest_rise_over_the_line(values, falls, expected):
    found = find_barrier(SHARES, values, falls=falls)
    assert (found.height, found.share, found.over_mean) == pytest.approx(expected)


@pytest.mark.parametrize('shares, values', [([0, 1], [1]), ([0, 0.5], [1, 1]), ([0], [1])])
def test_half_a_path_is_refused(shares, values):
    with pytest.raises(ValueError, match='a path has a value at each of its points'):
        find_barrier(shares, values)


def test_a_net_that_detects_nothing_scores_zero():
    path = points([1, 3, 1], [0.5, None, 0.3])
    found = barriers_of(path)
    assert found[MAP]['height'] == pytest.approx(0.4) and found['loss']['height'] == 2
    assert path_table(path).splitlines()[2].split()[:3] == ['50%', 'none', '3.0000']


@pytest.mark.parametrize('found, dense, expected', [
    (0.4951, 0.5, True), (0.4949, 0.5, False), (0.6, 0.5, True)])
def test_matching_allows_0_005_less_than_dense(found, dense, expected):
    assert matches({MAP: found, 'coco/bbox_mAP_s': 0}, {MAP: dense, 'coco/bbox_mAP_s': 1}) \
        is expected


def test_matching_needs_a_dense_net_and_every_task():
    assert matches({MAP: 0.5}, {}) is None
    assert matches({}, {MAP: 0.5}) is False
    assert matches({MAP: 0.5, 'coco/segm_mAP': 0.1}, {MAP: 0.5, 'coco/segm_mAP': 0.5}) is False


def result(k, height, matching):
    path = points([1, 1 + height, 1], [0.5, 0.5 - height, 0.5])
    ends = [dict(ticket=f'{i}', recorded=p['metrics'], equals_record=True)
            for i, p in enumerate((path[0], path[-1]))]
    return dict(version=1, k=k, points=path, ends=ends, barriers=barriers_of(path),
                matching=matching)


def test_an_end_that_scores_unlike_its_record_is_warned_of():
    found = result(0, 0.1, True)
    assert warnings_of(found) == ['the metrics of both ends equal their records']
    found['ends'][1].update(equals_record=False, recorded={MAP: 0.6})
    found['ends'][0]['equals_record'] = None
    no_record, other = warnings_of(found)
    assert 'WARNING: 0 has no record' in no_record
    assert "WARNING: 1 scores {'coco/bbox_mAP': 0.5}, but its record says" in other


@pytest.fixture
def figures(monkeypatch):
    seen, save = [], style.save_figure

    def keep(figure, path):
        seen.append(figure)
        return save(figure, path)
    monkeypatch.setattr(style, 'save_figure', keep)
    return seen


def test_the_path_is_drawn_with_its_barrier(figures, tmp_path):
    path = points([1, 3, 2], [0.5, None, 0.3])
    assert_drawn(plot_path(path, barriers_of(path), tmp_path / 'a.png'))
    scores, loss = figures[0].axes
    assert [list(line.get_ydata()) for line in scores.lines[:2]] == [[0.5, 0, 0.3], [0.5, 0.3]]
    assert list(scores.lines[0].get_xdata()) == [0, 50, 100]
    assert scores.texts[0].xy == (50, 0) and scores.texts[0].get_position() == (50, 0.4)
    assert loss.texts[0].xy == (50, 3) and loss.texts[0].get_position() == (50, 1.5)
    assert 'barrier 1.500' in loss.get_title()


def test_runs_are_drawn_against_k(figures, tmp_path):
    for name, k, height, matching in (('b', 20, 0.1, True), ('a', 0, 0.4, False)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'barrier.json').write_text(json.dumps(result(k, height, matching)))
    results = load_barriers([tmp_path / 'b', tmp_path / 'a'])
    assert_drawn(plot_against_k(results, tmp_path / 'k.png'))
    drawn = {line.get_label(): line for line in figures[0].axes[0].lines}
    assert {label: list(line.get_xdata()) for label, line in drawn.items()} == {
        'matching': [20], 'not matching': [0]}
    assert drawn['matching'].get_ydata()[0] == pytest.approx(0.1)
    assert drawn['not matching'].get_markerfacecolor() == 'white'
    rows = [line.split() for line in against_table(results).splitlines()]
    assert rows[1:] == [['0', '0.4000', '0.4000', 'no'], ['20', '0.1000', '0.1000', 'yes']]


@pytest.mark.parametrize('content, message', [
    (None, 'run mmlth barrier there first'), ([], 'was not written by mmlth barrier'),
    (dict(version=1, k=None), 'did not start from the same w_k')])
def test_what_cannot_be_drawn_against_k_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / 'barrier.json').write_text(json.dumps(content))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_barriers([tmp_path])
