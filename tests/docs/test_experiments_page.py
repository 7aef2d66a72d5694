"""What docs/experiments/README.md says in figures is what the pages that it links to hold."""
import csv
import re
from statistics import fmean, stdev

import pytest
from published import BOXES, PUBLISHED, text_of

from mmlth.analysis.statistics import paired, t_interval
from mmlth.core.records import load_summary

ROWS = [line.strip('| \n').split(' | ') for line in (PUBLISHED / 'README.md').open()
        if re.match(r'\| \S.*\(E\d', line)]


def test_the_index_has_every_experiment_of_the_paper():
    found = re.findall(r'\bE(\d+)\b', ' '.join(row[0] for row in ROWS))
    assert {int(number) for number in found} == set(range(1, 16))


@pytest.mark.parametrize('row', ROWS, ids=lambda row: re.search(r'\((E.*)\)', row[0])[1])
def test_every_number_of_a_row_stands_on_the_pages_that_it_links_to(row):
    """Their own numbers are compared with the records by tests of theirs."""
    links = re.findall(r'\]\(([^)]+)\)', row[0])
    pages = [text_of(page) for page in (*links, 'winning.md')]
    numbers = re.findall(r'\d+\.\d+|[-+]?\d+%', row[2])
    assert links and numbers and row[3].isdigit()
    for number in numbers:
        assert any(number in page for page in pages), number


def test_the_index_says_how_far_dense_nets_are_trained():
    with (PUBLISHED / 'winning' / 'winning.csv').open() as file:
        scores = {(row['control'], row['round'], row['seed']): float(row[BOXES])
                  for row in csv.DictReader(file)}
    dense, budget = ({seed: score for (control, number, seed), score in scores.items()
                      if (control, number) == key} for key in (('', '0'), ('dense_budget', '1')))
    page = text_of('README.md')
    assert f'training twice as long adds {fmean(paired(budget, dense)):.3f} on average' in page
    assert f'have a standard deviation of {stdev(dense.values()):.3f}.' in page and len(dense) == 5


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
    for seed in (0, 1, 2):
        summary = load_summary(PUBLISHED / 'long_trainings' / f'ticket_seed-{seed}.json')
        assert summary.rounds[1]['collapsed'] == {}
