"""What the bars show, and which panels may be compared by eye."""
import pytest

from mmlth.analysis.group_bars import draw_groups
from mmlth.analysis.measurements import Measurement, average

UNITS = dict(size='AP', shape='AP', bytes='MiB')


def measured(question, value, training='dense', job='a', item='one'):
    return Measurement(question=question, job=job, training=training, task='bbox', item=item,
                       value=value)


def panels(*found):
    axes = draw_groups(average(found), found, UNITS).axes
    return {each.get_title().removeprefix('bbox: '): each for each in axes if each.get_visible()}


def test_bars_are_the_means_and_dots_the_jobs():
    axes = panels(measured('size', 0.25), measured('size', 0.75, job='b'),
                  measured('size', 0.5, '80%'))['size']
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.5]
    assert [line.get_ydata()[0] for line in axes.lines] == [0.25, 0.75]
    dense, ticket = (bar.get_x() for bar in axes.patches)
    assert dense < ticket and axes.lines[0].get_xdata()[0] == pytest.approx(
        dense + axes.patches[0].get_width() / 2)


def test_panels_share_an_axis_only_where_their_units_are_the_same():
    found = panels(measured('size', 0.5), measured('shape', 1.0), measured('bytes', 400.0))
    assert found['size'].get_ylim() == found['shape'].get_ylim() != found['bytes'].get_ylim()
    assert [axes.get_ylabel() for axes in found.values()] == ['AP', '', 'MiB']


def test_a_panel_of_too_many_items_is_left_out():
    many = [measured('shape', 1.0, item=str(number)) for number in range(25)]
    assert list(panels(measured('size', 0.5), *many)) == ['size']
