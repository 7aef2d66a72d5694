"""Verdicts on the tickets of a study."""
import json
import math

import pytest
from made_rows import BOX, dense_row, row

from mmlth.analysis.verdict import NOT_WINNING, UNDECIDED, WINNING
from mmlth.analysis.verdicts import as_dicts, to_markdown, verdicts

NOISE = (0.0, 0.003, -0.002, 0.001, -0.003)


def study(ticket=0.60, budget=0.56, shuffle=0.50, seeds=5, line='', noise=NOISE):
    """Rows of a ticket and two controls, one job a seed."""
    rows = [dense_row(0.5)]
    for seed in range(seeds):
        job = dict(job=f'{line}{seed}', seed=seed, line=line)
        rows.append(row(ticket + noise[seed], **job))
        rows.append(row(budget - noise[seed], control='dense_budget', label='dense_budget', **job))
        rows.append(row(shuffle, control='shuffle', label='shuffle', **job))
    return rows


@pytest.mark.parametrize('changes, claim', [
    (dict(), WINNING),
    (dict(budget=0.70), NOT_WINNING),
    (dict(shuffle=0.70), NOT_WINNING),
    (dict(seeds=1), UNDECIDED),
    (dict(ticket=0.561, noise=[10 * each for each in NOISE]), UNDECIDED)])
def test_a_ticket_is_judged_by_its_seeds(changes, claim):
    (found, ) = verdicts(study(**changes), [BOX]).values()
    assert found.claim == claim
    assert [each.name for each in found.comparisons] == ['dense of equal budget', 'shuffle']


def test_a_seed_of_several_jobs_is_their_mean():
    both = [*study(ticket=0.50), *(each | dict(job='b') for each in study(ticket=0.70))]
    (found, ) = verdicts(both, [BOX]).values()
    assert [each.n for each in found.comparisons] == [5, 5]
    assert found.comparisons[0].mean == pytest.approx(0.04, abs=0.005)


def test_each_ticket_has_its_own_controls():
    rows = study(line='a') + study(line='b', shuffle=0.70)
    found = verdicts(rows, [BOX])
    claims = {point[1]: verdict.claim for point, verdict in found.items()}
    assert claims == dict(a=WINNING, b=NOT_WINNING)


def test_controls_of_another_round_are_not_its_own():
    rows = [each | dict(round=2) if each['control'] else each for each in study()]
    assert verdicts(rows, [BOX]) == {}


@pytest.mark.parametrize('missing', ['dense_budget', 'shuffle'])  # nobody asks for it
def test_without_dense_of_equal_budget_or_a_control_nothing_is_claimed(missing):
    rows = [each for each in study() if each['control'] != missing]
    assert verdicts(rows, [BOX]) == {}


def test_a_control_that_is_asked_for_and_not_trained_yet_is_waited_for():
    asked = dict(settings=dict(controls=['dense_budget', 'shuffle', 'random', 'signs']))
    (found, ) = verdicts([each | asked for each in study()], [BOX]).values()
    assert found.claim == UNDECIDED  # all others hold
    assert found.sentence() == 'undecided (not trained yet: random)'
    assert [each.n for each in found.comparisons] == [5, 0, 5]
    assert '| random | 0 of 1 | - |' in to_markdown({('c', '', '', 80.0): found})
    lost = verdicts([each | asked for each in study(budget=0.70)], [BOX])
    assert [each.claim for each in lost.values()] == [NOT_WINNING]
    assert not verdicts([each | asked for each in study() if not each['control']], [BOX])
    no_dense = [each | asked for each in study() if each['control'] != 'dense_budget']
    (found, ) = verdicts(no_dense, [BOX]).values()
    assert found.sentence() == 'undecided (not trained yet: dense of equal budget, random)'


def test_a_control_that_lacks_seeds_of_the_ticket_is_waited_for():
    rows = [each for each in study() if each['control'] != 'shuffle' or each['seed'] < 4]
    (found, ) = verdicts(rows, [BOX]).values()
    assert all(each.holds for each in found.comparisons)
    assert found.claim == UNDECIDED and found.sentence().endswith('more seeds are needed')


def test_nothing_detected_counts_as_zero():
    rows = [each | dict(metrics={}) if not each['control'] else each for each in study()]
    (found, ) = verdicts(rows, [BOX]).values()
    assert found.claim == NOT_WINNING


def test_the_page_says_claim_n_and_interval_and_json_holds_no_infinity():
    found = verdicts(study(seeds=1), [BOX])
    text = to_markdown(found)
    assert text.startswith('**80: undecided (ticket minus') and 'n = 1' in text
    (first, ) = json.loads(json.dumps(list(as_dicts(found)), allow_nan=False))
    assert first['claim'] == UNDECIDED
    assert math.isclose(first['comparisons'][0]['mean'], 0.04, abs_tol=1e-9)
    assert first['comparisons'][0]['low'] is None


def test_each_ticket_is_judged_by_a_metric_of_its_own_task():
    voc = 'pascal_voc/mAP'
    other = [each | dict(config='v', metrics={voc: each['metrics'][BOX]}, dense={voc: 0.5},
                         job=f'v{each["seed"]}') for each in study(shuffle=0.70)]
    found = verdicts([*study(), *other], [BOX, voc])
    assert {point[0]: (each.claim, each.metric) for point, each in found.items()} == {
        'c': (WINNING, BOX), 'v': (NOT_WINNING, voc)}
    assert 'mean, bbox mAP' in to_markdown(found)
    assert verdicts(study(), ['bbox_mAP']) == {}  # no training has it
