"""What docs/experiments/README.md says in figures is what the published tables hold."""
from statistics import fmean, stdev

import pytest
from published import BOXES, PUBLISHED, by_seed, difference, rows_of, text_of

from mmlth.analysis.statistics import paired, t_interval
from mmlth.core.records import load_summary


@pytest.fixture(scope='module')
def page():
    return text_of('README.md')


@pytest.mark.parametrize('sparsity', [80, 90, 95])
def test_differences_from_dense_are_those_of_equal_seeds(page, sparsity):
    ours, dense = by_seed('direct_pruning', sparsity), by_seed('direct_pruning', None)
    assert len(paired(ours, dense)) == 3
    assert f'{difference(ours, dense)} at {sparsity}%' in page
    assert f'{fmean(ours.values()):.3f} at {sparsity}%' in page


def test_standard_deviations_are_those_of_three_seeds(page):
    dense = stdev(by_seed('direct_pruning', None).values())
    pruned = [stdev(by_seed('direct_pruning', at).values()) for at in (80, 90, 95)]
    assert '{:.3f} dense, {:.3f} at 80%, {:.3f} at 90% and {:.3f} at 95%'.format(
        dense, *pruned) in page
    longer = [row for row in rows_of('winning/pruned') if row['line'] == 'from scratch'
              and row['round'] == '1' and round(float(row['x'])) == 80]
    longest = stdev(float(row[BOXES]) for row in longer)
    assert f'{longest:.3f} at 80%, n={len(longer)}' in page


def long_training(name):
    """(round, control) -> mAP of one of the jobs that were trained longer."""
    summary = load_summary(PUBLISHED / 'long_trainings' / f'{name}.json')
    return {(r['round'], r['control']): r['metrics'][BOXES]
            for r in [*summary.rounds, *summary.controls]}


def test_the_page_of_longer_trainings_says_what_their_records_hold():
    page = text_of('long_trainings.md')
    half = long_training('half_seed-0')[0, '']
    jobs = [long_training(f'ticket_seed-{seed}') for seed in (0, 1, 2)]
    dense, ticket, budget, shuffle = (
        {seed: job[key] for seed, job in enumerate(jobs) if key in job}
        for key in ((0, ''), (1, ''), (1, 'dense_budget'), (1, 'shuffle')))
    assert f'| dense | 12 | {half:.3f} | | |' in page
    assert f'| dense | 24 | {dense[0]:.3f} | {dense[1]:.3f} | {dense[2]:.3f} |' in page
    assert f'| 48 | {budget[0]:.3f} | | {budget[2]:.3f} |' in page
    assert f'w_0 | 24 | {ticket[0]:.3f} | {ticket[1]:.3f} | {ticket[2]:.3f} |' in page
    assert f'(`shuffle`) | 24 | | {shuffle[1]:.3f} | {shuffle[2]:.3f} |' in page
    low, high = t_interval(paired(ticket, dense))
    mean = fmean(paired(ticket, dense))
    interval = f'95% t interval [{low:+.3f}, {high:+.3f}]'
    assert f'ends {-mean:.3f} below its dense net (n=3, {interval})' in page
    longer = paired(budget, dense)
    later = f'from 24 to 48 {longer[0]:+.3f} and {longer[1]:+.3f}'
    assert f'{dense[0] - half:+.3f} (seed 0), {later}' in page
    lost = paired(budget, ticket)
    assert f'equal budget it loses more, {lost[0]:.3f} and {lost[1]:.3f} (two seeds)' in page
    gained = paired(ticket, shuffle)
    assert f'(shuffle) end {gained[0]:.3f} and {gained[1]:.3f} below the ticket (n=2' in page
    old = difference(by_seed('direct_pruning', 90), by_seed('direct_pruning', None))
    assert f'the same comparison gave {old} (n=3' in page
    for seed in (0, 1, 2):
        summary = load_summary(PUBLISHED / 'long_trainings' / f'ticket_seed-{seed}.json')
        assert summary.rounds[1]['collapsed'] == {}
