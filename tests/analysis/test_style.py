"""Crosses never cover each other, controls keep their markers."""

from mmlth.analysis import style


def test_crosses_at_one_x_are_over_each_other_and_labelled_once():
    axes = style.new_figure(4, 3).subplots()
    crosses = [
        style.Cross(x=1, colour='red'),
        style.Cross(x=2, colour='red', note='1 of 3'),
        style.Cross(x=1, colour='blue', is_open=True, label='other'),
    ]
    style.mark_nothing(axes, crosses)
    found = [(*line.get_xydata()[0], line.get_label()) for line in axes.lines]
    assert found == [
        (1, style.EDGE, 'nothing detected'),
        (2, style.EDGE, '_'),
        (1, style.EDGE + style.STEP, 'other'),
    ]
    assert [line.get_markerfacecolor() for line in axes.lines] == ['red', 'red', 'white']
    assert [text.get_text() for text in axes.texts] == ['1 of 3']


def test_crosses_leave_the_limits_along_y_alone():
    axes = style.new_figure(4, 3).subplots()
    axes.plot([0, 1], [5, 6])
    before = axes.get_ylim()
    style.mark_nothing(axes, [style.Cross(x=9, colour='red')])
    assert axes.get_ylim() == before and axes.get_xlim()[1] > 9


def test_markers_of_controls_are_told_apart_and_not_the_tickets():
    markers = style.control_markers(['', 'random', 'shuffle', 'random'])
    assert list(markers) == ['', 'random', 'shuffle']
    assert len(set(markers.values())) == 3 and markers[''] == style.TICKET_MARKER
