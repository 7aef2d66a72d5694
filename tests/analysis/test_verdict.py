"""The verdict, and how often it is wrong on studies whose truth is known."""

import math
from collections import Counter

import numpy as np
import pytest
from conftest import ROOT

from mmlth.analysis.verdict import NOT_WINNING, UNDECIDED, WINNING, judge

DOCS = ROOT / 'docs'
SEEDS = 5
STUDIES = 1000
NOISE = 0.018  # of one training: that of dense detectors on DigitScenes
CONTROLS = ('shuffle', 'reinit', 'random', 'rewound dense')


def scores(*values):
    return dict(enumerate(values))


def simulated(draw, ticket, dense, control, seeds):
    """A study whose true means are given."""

    def around(mean):
        return scores(*draw.normal(mean, NOISE, seeds))

    return judge(around(ticket), around(dense), {name: around(control) for name in CONTROLS})


def claims(ticket, dense, control, seeds=SEEDS):
    draw = np.random.default_rng(0)
    return Counter(simulated(draw, ticket, dense, control, seeds).claim for _ in range(STUDIES))


def test_at_most_one_in_twenty_claims_of_planted_nulls_is_false():
    for control in (0.505, 0.45):  # at the edge of every comparison, and of the dense one alone
        found = claims(0.500, 0.505, control)
        assert found[WINNING] + found[NOT_WINNING] <= 0.05 * STUDIES
    edge_of_a_control = claims(0.500, 0.400, 0.500)
    assert edge_of_a_control[WINNING] + edge_of_a_control[NOT_WINNING] <= 0.05 * STUDIES


def test_planted_winners_are_found_and_never_called_losers():
    found = claims(0.60, 0.50, 0.45)
    assert found[WINNING] > 0.95 * STUDIES and found[NOT_WINNING] == 0


def test_planted_losers_are_found_and_never_called_winners():
    found = claims(0.50, 0.60, 0.45)
    assert found[NOT_WINNING] > 0.95 * STUDIES and found[WINNING] == 0


def test_with_three_seeds_most_planted_losers_stay_undecided():
    found = claims(0.50, 0.60, 0.45, seeds=3)
    said = (DOCS / 'verdict.md').read_text()
    assert found[WINNING] == 0 and f'only {found[NOT_WINNING] / STUDIES:.0%} of tickets' in said
    as_good = claims(0.50, 0.50, 0.35, seeds=3)
    assert f'called `winning` in {as_good[WINNING] / STUDIES:.0%}' in said
    assert as_good[WINNING] <= 0.05 * STUDIES


def test_every_control_has_to_lose():
    ticket, dense = scores(0.50, 0.51, 0.52), scores(0.49, 0.50, 0.51)
    lost, won = scores(0.40, 0.41, 0.42), scores(0.60, 0.61, 0.62)
    assert judge(ticket, dense, dict(shuffle=lost)).claim == WINNING
    assert judge(ticket, dense, dict(shuffle=lost, reinit=won)).claim == NOT_WINNING


def test_a_ticket_may_lose_the_margin_against_dense_but_not_against_a_control():
    ticket, other = scores(0.500, 0.510, 0.520), scores(0.501, 0.512, 0.521)
    assert judge(ticket, other, {}).claim == WINNING
    assert judge(ticket, scores(0, 0, 0), dict(shuffle=other)).claim != WINNING


def test_one_seed_decides_nothing_and_says_so():
    verdict = judge(scores(0.6), scores(0.5), dict(shuffle=scores(0.1)))
    assert verdict.claim == UNDECIDED and verdict.seeds is None
    assert verdict.sentence() == (
        'undecided (ticket minus dense of equal budget: +0.100 [-inf, +inf], n = 1); '
        'more seeds are needed'
    )


def test_an_open_one_says_how_many_seeds_would_do():
    verdict = judge(scores(0.50, 0.53, 0.51), scores(0.49, 0.50, 0.515), {})
    assert verdict.claim == UNDECIDED
    assert verdict.seeds > 3
    more = f'about {verdict.seeds} seeds like these would make it winning'
    assert verdict.sentence().endswith(more)


def with_seeds(mean, deviation, number):
    """So many values of just this mean and standard deviation."""
    values = np.arange(number) - (number - 1) / 2
    return scores(*(mean + deviation * values / np.std(values, ddof=1)))


@pytest.mark.parametrize('controls', [0, 2, 6])
@pytest.mark.parametrize('dense, destroyed, expected', [
    (0.54, 0.40, NOT_WINNING), (0.48, 0.49, WINNING)])
def test_it_is_decided_by_as_many_seeds_as_it_says(controls, dense, destroyed, expected):
    def judged(number):
        ticket = with_seeds(0.50, 0.02, number)
        flat = {name: scores(*[destroyed] * number) for name in map(str, range(controls))}
        return judge(ticket, scores(*[dense] * number), flat)

    open_one = judged(3)
    assert open_one.claim == UNDECIDED
    assert open_one.sentence().endswith(f'seeds like these would make it {expected}')
    assert judged(open_one.seeds).claim == expected
    assert judged(open_one.seeds - 1).claim == UNDECIDED


def test_one_that_loses_shows_the_comparison_that_it_lost():
    ticket, dense = scores(0.500, 0.510, 0.520), scores(0.600, 0.610, 0.6201)
    verdict = judge(ticket, dense, dict(shuffle=scores(0.0, 0.8, 0.0)))
    assert verdict.claim == NOT_WINNING
    assert verdict.sentence().startswith('not winning (ticket minus dense of equal budget: -0.100')


def test_an_open_one_shows_what_several_seeds_say():
    ticket, dense = scores(0.50, 0.53, 0.51), scores(0.49, 0.50, 0.515)
    verdict = judge(ticket, dense, dict(random=scores(0.1)))
    assert verdict.sentence().startswith('undecided (ticket minus dense of equal budget: +0.012')


def test_a_seed_that_failed_leaves_it_open():
    verdict = judge(scores(0.6, math.nan, 0.6), scores(0.1, 0.1, 0.1), {})
    assert verdict.claim == UNDECIDED


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match='margin=-0.1'):
        judge(scores(0.5), scores(0.5), {}, margin=-0.1)


def test_nothing_is_decided_before_all_seeds_are_trained():
    won, lost = scores(0.60, 0.61, 0.605), scores(0.50, 0.51, 0.505)
    for ticket, dense, claim in ((won, lost, WINNING), (lost, won, NOT_WINNING)):
        assert judge(ticket, dense, {}, planned=3).claim == claim
        early = judge(ticket, dense, {}, planned=5)
        assert early.claim == UNDECIDED and 'n = 3 of 5' in early.sentence()
        assert early.comparisons[0].seeds == 5
