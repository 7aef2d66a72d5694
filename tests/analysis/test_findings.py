"""Findings say what an experiment shows, with n and interval."""

import pytest
from made_rows import BOX, dense_row, experiment, row

from mmlth.analysis.findings import NOT_JUDGED, findings, uneven_seeds
from mmlth.analysis.verdicts import verdicts


def sentences(rows, **changes):
    fields = {'x_label': 'pruned (%)'} | changes
    return [(one.subject, one.sentence) for one in findings(rows, experiment(**fields), {})]


def test_best_and_worst_points_are_told_with_their_places():
    rows = [row(0.6, line='a', x=50.0), row(0.25, line='a', x=90.0), row(0.5, line='a', x=80.0)]
    assert sentences(rows) == [(
        'a', 'at best 0.100 above its dense net in bbox mAP, 50% pruned; at worst 0.250 below, '
        '90% pruned. n = 1, so there is no interval.')]


def test_seeds_give_an_interval():
    rows = [row(0.6, line='a', seed=0), row(0.7, line='a', seed=1)]
    # differences 0.1 and 0.2: half of the interval is 12.706 * 0.0707 / sqrt(2)
    assert sentences(rows) == [(
        'a', '0.150 above its dense net in bbox mAP [-0.485, +0.785], 80% pruned. n = 2.')]


@pytest.mark.parametrize('x_label, said', [
    ('pruned after (% of training)', 'pruned after 80% of training'),
    ('rounds', 'rounds: 80'),
    ('', '80'),
])
def test_places_are_words(x_label, said):
    (_, sentence), = sentences([row(0.6, line='a')], x_label=x_label)
    assert f'in bbox mAP, {said}. ' in sentence


def test_a_labelled_point_is_called_by_its_label():
    (_, sentence), = sentences([row(0.6, line='a', label='own ticket')])
    assert 'in bbox mAP, own ticket. ' in sentence


def test_controls_beside_tickets_are_told():
    rows = [row(0.6, line='a'), row(0.4, line='a', control='random', label='random'),
            row(0.3, line='a', control='signs', label='signs')]
    (_, sentence), = sentences(rows)
    assert '; against its controls: random +0.200. ' in sentence


def test_controls_of_several_tickets_are_told_by_the_least_and_the_most():
    rows = [row(0.6, line='a', x=x, job=str(x), **{'round': number}) for number, x in
            ((1, 50.0), (2, 80.0))]
    rows += [one | dict(metrics={BOX: 0.6 - one['x'] / 1000}, control='random', label='random')
             for one in rows]
    (_, sentence), = sentences(rows)
    assert '; against its controls: random +0.050 to +0.080. ' in sentence


def test_each_metric_of_a_line_is_a_finding_and_those_of_other_tasks_are_not():
    other = {'m/keypoints_mAP': 0.5}
    rows = [row(0.6, line='a'), row(line='b') | dict(metrics=other, dense=other)]
    assert [subject for subject, _ in sentences(rows)] == ['a', 'b']


def test_nothing_detected_is_said():
    assert sentences([row(None, line='a')], metrics=(BOX, )) == [
        ('a', 'bbox mAP: nothing detected.')]


def test_a_point_that_detects_nothing_is_named_beside_the_worst():
    rows = [row(0.6, line='a'), row(None, line='a', x=95.0), row(0.4, line='a', x=90.0)]
    (_, sentence), = sentences(rows)
    assert 'at worst 0.100 below, 90% pruned; nothing detected at 95% pruned (1 of 1 seeds). ' in (
        sentence)


def test_layers_are_told_by_the_least_and_the_most():
    density = {'a.weight': 0.125, 'b.weight': 0.5}
    rows = [dense_row(), row(0.5, line='80%', layer_density=density)]
    assert sentences(rows, kind='layers') == [
        ('80%', 'a keeps least, 12.5% of its weights, and b most, 50.0% (n = 1).')]


def test_layers_of_two_tickets_of_a_line_are_told_apart():
    rows = [row(0.5, line='a', x=x, seed=seed, layer_density={'b.weight': kept})
            for x, kept in ((50.0, 0.5), (90.0, 0.125)) for seed in (0, 1)]
    assert sentences(rows, kind='layers') == [
        (f'a, {x}', f'b keeps least, {kept}% of its weights, and b most, {kept}% (n = 2).')
        for x, kept in ((50, '50.0'), (90, '12.5'))]


def test_verdicts_take_the_place_of_all_else():
    rows = [row(0.6 + 0.001 * seed, line='a', seed=seed, job=str(seed), control=control,
                label=control) for seed in range(3) for control in ('', 'dense_budget', 'random')]
    for one in rows:
        one['metrics'] = {BOX: one['metrics'][BOX] - 0.1 * bool(one['control'])}
    judged = verdicts(rows, [BOX])
    (found, ) = findings(rows, experiment(), judged)
    assert (found.subject, found.claim) == ('a, 80', 'winning')
    assert found.sentence == (
        'ticket minus random: +0.100 [+0.100, +0.100], n = 3.')


def test_without_verdict_nothing_is_claimed():
    assert [one.claim for one in findings([row(0.9, line='a')], experiment(), {})] == [NOT_JUDGED]


def test_points_of_other_seeds_are_said_to_be():
    even = [row(0.4, line=line, seed=seed) for line in 'ab' for seed in (0, 1)]
    assert uneven_seeds([*even, row(0.1, line='c', control='random'), dense_row()]) == ''
    assert uneven_seeds(even[:3]) == 'Points have different seeds; common to all is seed 0.'
    apart = uneven_seeds([even[0], even[3]])
    assert apart == 'Points have different seeds; common to all is no seed.'
