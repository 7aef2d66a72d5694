"""Equal points of two studies, seed by seed."""

from made_rows import dense_row, experiment, row

from mmlth.analysis.comparison import compare


def points(*values, line='a', **changes):
    return [row(value, line=line, seed=seed, **changes) for seed, value in enumerate(values)]


def tickets(*studies):
    return [line for line in compare(*studies, experiment()) if line[1] != 'dense']


def test_equal_points_are_compared_by_equal_seeds():
    # differences 0.1 and 0.2: half of the interval is 12.706 * 0.0707 / sqrt(2)
    assert tickets(points(0.6, 0.7, 0.9), points(0.5, 0.5)) == [
        ['a', '80', 'bbox mAP', '0.733 (3)', '0.500 (2)', '+0.150', '-0.485 to +0.785 (2)']]


def test_a_seed_of_several_jobs_is_their_mean():
    (line, ) = tickets([*points(0.6), *points(0.4)], points(0.5))
    assert line[3:6] == ['0.500 (1)', '0.500 (1)', '+0.000']


def test_one_common_seed_has_no_interval():
    (line, ) = tickets(points(0.6), points(0.5))
    assert line[-2:] == ['+0.100', '- (1)']


def test_points_of_one_study_alone_are_left_out():
    assert tickets(points(0.6, x=50.0), points(0.6, x=80.0)) == []
    assert tickets(points(0.6), points(0.6, control='random')) == []


def test_dense_nets_and_controls_are_points():
    rows = [dense_row(0.5, x=None, label='dense'), row(0.4, control='random', label='random'),
            row(0.3, control='signs', label='ticket')]
    assert [line[1] for line in compare(rows, rows, experiment())] == [
        'dense', 'random', 'ticket, control: signs']


def test_dense_nets_of_each_line_are_compared_apart():
    ours = [*points(0.6, line='a', dense=0.5), *points(0.6, line='b', dense=0.25)]
    theirs = [*points(0.6, line='a', dense=0.5), *points(0.6, line='b', dense=0.5)]
    lines = {line[0]: line[5] for line in compare(ours, ours, experiment()) if line[1] == 'dense'}
    assert lines == {'a': '+0.000', 'b': '+0.000'}
    assert [line[0] for line in compare(ours, theirs, experiment()) if line[1] == 'dense'] == []
