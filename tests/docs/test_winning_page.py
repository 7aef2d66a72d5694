"""What docs/experiments/winning.md says in figures is what its tables and records hold."""
import csv
import json
from statistics import fmean

import pytest
from conftest import ROOT
from published import BOXES, PUBLISHED, by_seed, difference, rows_of, text_of

from mmlth.analysis import paper
from mmlth.analysis.statistics import paired
from mmlth.analysis.verdict import judge
from mmlth.core.records import load_summary

SCRATCH = 'faster-rcnn_r18-tiny_fpn_48e_digitscenes-half'
CLASSIFIER = f'{SCRATCH}_pretrained'


def of_seeds(sparsity, start):
    """seed -> mAP of the tickets of a sparsity in per cent; 0: of the dense nets."""
    return {int(row['seed']): float(row[BOXES]) for row in rows_of('winning/pruned')
            if row['config'] == start and abs(100 * float(row['sparsity']) - sparsity) < 0.1}


def judged(control, number='1'):
    """seed -> mAP of a control at 90% from scratch; '': of the ticket, number '0' of dense nets."""
    return {int(row['seed']): float(row[BOXES]) for row in rows_of('winning/winning')
            if (row['control'], row['round']) == (control, number)}


@pytest.fixture(scope='module')
def converged():
    return text_of('winning.md')


def test_tickets_of_converged_nets_are_those_of_the_records(converged):
    dense = {start: of_seeds(0, start) for start in (SCRATCH, CLASSIFIER)}
    means = ' | | | | '.join(f'{fmean(own.values()):.3f}' for own in dense.values())
    assert f'| 0% | {means} | | |' in converged
    for sparsity in (80, 90, 95):
        scratch, classifier = (of_seeds(sparsity, start) for start in dense)
        cells = [f'{fmean(scratch.values()):.3f}', difference(scratch, dense[SCRATCH]),
                 difference(scratch, judged('dense_budget')), str(len(scratch)),
                 f'{fmean(classifier.values()):.3f}', difference(classifier, dense[CLASSIFIER]),
                 str(len(classifier))]
        assert f'| {sparsity}% | {" | ".join(cells)} |' in converged


def test_a_start_from_a_classifier_is_as_good_as_is_said(converged):
    lost = {}
    for start in (SCRATCH, CLASSIFIER):
        ticket, dense = of_seeds(90, start), of_seeds(0, start)
        lost[start] = {seed: dense[seed] - ticket[seed] for seed in of_seeds(90, CLASSIFIER)}
    cells = ' in place of '.join(f'{fmean(lost[start].values()):.3f}' for start in reversed(lost))
    apart = difference(lost[SCRATCH], lost[CLASSIFIER]).replace('+', '', 1)
    assert f'at 90% {cells} (paired difference {apart}, n=3)' in converged
    records = map(load_summary, (PUBLISHED / 'winning' / 'records').glob('*pretrained*'))
    ticket, controls = next(
        (summary.rounds[-1], summary.controls) for summary in records
        if any(record['control'] == 'reinit' for record in summary.controls))
    mean = {record['control']: record['metrics'][BOXES] for record in controls}
    assert (f'ticket {ticket["metrics"][BOXES]:.3f}, shuffle {mean["shuffle"]:.3f}' in converged
            and f'again) {mean["reinit"]:.3f}, dense of equal budget {mean["dense_budget"]:.3f}'
            in converged)
    classifier = json.loads((PUBLISHED / 'winning' / 'classifier.json').read_text())
    assert classifier['rounds'][0]['steps'] == 680 and '2200 crops' in converged


def test_the_verdict_at_90_per_cent_is_that_of_the_rule(converged):
    ticket = judged('')
    for control in ('dense_budget', 'dense_restart', 'shuffle', 'shuffle_rms', 'reinit',
                    'reinit_rms', 'init_magnitude'):
        own = judged(control)
        n = len(paired(ticket, own))
        assert n >= 3
        assert (f'(`{control}`) | {fmean(own.values()):.3f} | {difference(ticket, own)} | {n} |'
                in converged)
    verdict, = json.loads((PUBLISHED / 'winning' / 'winning_verdict.json').read_text())
    assert verdict['claim'] == 'not winning' and '`not winning`' in converged
    least = min(each['mean'] for each in verdict['comparisons'][1:] if each['n'] == 3)
    assert f'ends {least:.3f} or more above every control of three seeds' in converged
    lost, n = difference(ticket, judged('dense_budget')).lstrip('-'), len(ticket)
    assert f'ends {lost[:5]} below the dense net of equal budget (n={n}' in converged
    assert f'95% t interval {lost[6:]})' in converged
    eighty = difference(of_seeds(80, SCRATCH), judged('dense_budget'))
    assert f'At 80% it ends {eighty[1:6]} below (n=5, {eighty[7:]})' in converged
    alone = judge(of_seeds(80, SCRATCH), judged('dense_budget'), {}).comparisons[0]
    assert f'one-sided p = {alone.p:.3f}' in converged and 0.025 / 7 < alone.p < 0.025
    added = difference(judged('dense_budget'), judged('', '0'))
    assert f'Twice as long adds {added}' in converged
    from_classifier = [
        summary.controls[-1]['metrics'][BOXES] - summary.rounds[0]['metrics'][BOXES]
        for summary in map(load_summary, sorted((PUBLISHED / 'winning' / 'records').glob('*.json')))
        if '_pretrained' in summary.config and summary.controls]
    assert 'added {:.3f} and {:.3f} (two seeds)'.format(*from_classifier) in converged
    longer = [load_summary(path) for path in (PUBLISHED / 'winning').glob('dense_*e.json')]
    scores = sorted((one.rounds[0]['steps'], one.rounds[0]['metrics'][BOXES]) for one in longer)
    ends = 'ends with {:.3f}, {:.3f} and {:.3f}'.format(*(score for _, score in scores))
    assert ends in converged
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    lost = -fmean(paired(ticket, judged('dense_budget')))
    assert f'ends {lost:.3f} below' in readme


@pytest.mark.parametrize('sparsity', [80, 95])
def test_what_pruning_changed_is_what_the_analyses_found(converged, sparsity):
    with open(PUBLISHED / 'winning' / f'changed_{sparsity}_analyses' / 'analyses.csv') as file:
        found = {(row['question'], row['item']): row for row in csv.DictReader(file)
                 if row['training'] != 'dense'}
    for question, item in (('size', 'small'), ('size', 'large'), ('frequency', 'rare'),
                           ('frequency', 'frequent'), ('difficulty', 'hard'),
                           ('difficulty', 'easy')):
        row = found[question, item]
        assert row['n'] == '3'
        change = float(row['vs_dense'])
        dense = float(row['value']) - change
        half = 100 * float(row['half_width']) / dense
        assert f'{item} {100 * change / dense:+.0f}% ± {half:.0f}' in converged
        if sparsity == 95 and item in ('easy', 'hard', 'large', 'small'):
            assert f'{item} {change:.3f}' in converged or f'{item} ones here too ({change:.3f}' in (
                converged)
    row = found['TIDE', 'Cls']
    assert f'{float(row["vs_dense"]):+.1f} ± {float(row["half_width"]):.1f} points' in converged
    if sparsity == 95:
        row = found['TIDE', 'Loc']
        places = f'{float(row["vs_dense"]):+.1f} ± {float(row["half_width"]):.1f} at 95%'
        assert places in converged


def pruned_in_backbone(summary):
    """Per cent pruned in each 3x3 convolution of the residual blocks."""
    density = summary.rounds[-1]['layer_density']
    return [100 * (1 - kept) for name, kept in density.items()
            if name.startswith('backbone.layer') and '.conv' in name]


def test_the_ticket_learns_faster_and_stops_earlier_as_is_said(converged):
    with open(PUBLISHED / 'winning' / 'convergence_analyses' / 'convergence.csv') as file:
        points = [row for row in csv.DictReader(file) if row['quantity'] == BOXES]
    dense, ticket = (
        {int(row['steps']): float(row['value']) for row in points if row['training'] == training}
        for training in ('dense', '80.00%'))
    end = max(dense)
    ahead = ticket[end // 6] - dense[end // 6]
    assert f'a sixth of the training the ticket of 80% is ahead by {ahead:.3f}' in converged
    behind = [step for step in dense if ticket[step] < dense[step]]
    assert 12 * behind[0] == 7 * end and behind == [step for step in dense if step >= behind[0]]
    assert f'ends {dense[end] - ticket[end]:.3f} below (one seed, {len(dense)} evalu' in converged
    near = max(abs(ticket[step] - ticket[end]) for step in ticket if step >= 760)
    assert f'been within {near:.3f} of its end from step 760 of {end} on' in converged
    assert max(abs(dense[step] - dense[end]) for step in dense if step >= 1368) < 0.005
    assert abs(dense[1216] - dense[end]) > 0.01


def rewound(rewind):
    """seed -> mAP of the tickets of 90% with this rewind."""
    return {int(row['seed']): float(row[BOXES]) for row in rows_of('winning/rewinds')
            if (row['label'], row['control'], row['round']) == (rewind, '', '1')}


def test_later_rewinds_are_those_of_the_table(converged):
    dense, first, quarter, rate = of_seeds(0, SCRATCH), *map(rewound, ('init', '25%', 'lr'))
    means = (fmean(each.values()) for each in (quarter, rate, first))
    assert ('ends with {:.3f}, trained on under the learning rate from the start with {:.3f}, '
            'from w_0 with {:.3f} (n=3;'.format(*means)) in converged
    assert f'{difference(quarter, first)} and {difference(rate, first)};' in converged
    assert f'({difference(quarter, dense)} and {difference(rate, dense)})' in converged


@pytest.mark.parametrize('name, row', [
    ('init', 'w_0'), ('25', 'w_k after a quarter'), ('lr', 'trained weights (`lr`)')])
def test_barriers_are_those_of_their_files(converged, name, row):
    path = PUBLISHED / 'winning' / 'barriers' / f'{name}_seed-0.json'
    found = json.loads(path.read_text())
    ticket = found['points'][-1]['metrics'][BOXES]
    heights = ' | '.join(f'{found["barriers"][of]["height"]:.3f}' for of in (BOXES, 'loss'))
    assert f'| {row} | {ticket:.3f} | {heights} |' in converged
    assert ticket == rewound(dict(init='init', lr='lr').get(name, '25%'))[0]
    if name == 'init':
        between = next(p for p in found['points'] if p['share'] == 0.6)
        assert f'detects with {between["metrics"][BOXES]:.3f}' in converged
        assert found['sparsity_between'] == 0


def test_layers_are_as_near_to_the_papers_as_is_said(converged):
    theirs = [point.y for point in paper.read('prune_percent_across_layers')]
    records = PUBLISHED / 'winning' / 'records'
    trained, = map(load_summary, records.glob('*half_target_sparsity-0.8_rounds-1_seed-0*'))
    before, = map(load_summary, records.glob('*criterion-init*'))
    apart = [fmean(abs(a - b) for a, b in zip(pruned_in_backbone(one), theirs, strict=True))
             for one in (trained, before)]
    assert f'within {apart[0]:.1f} points on average' in converged
    assert f'they differ by {apart[1]:.1f} points' in converged
    scores = [one.rounds[-1]['metrics'][BOXES] for one in (before, trained)]
    assert 'ends with {:.3f} in place of {:.3f}'.format(*scores) in converged
    assert [*before.rounds[-1]['collapsed']] == ['rpn_head.rpn_conv.weight']


def test_overlaps_of_seeds_are_those_of_their_file(converged):
    for sparsity in (80, 90, 95):
        found = json.loads((PUBLISHED / 'winning' / f'overlap_{sparsity}.json').read_text())
        pairs, tickets = found['pairs'], found['tickets']
        assert len(pairs) == len(tickets) == 3
        cells = [f'{fmean(pair["iou"] for pair in pairs):.3f}',
                 f'{fmean(pair["chance_iou"] for pair in pairs):.3f}',
                 f'{fmean(pair["end_signs"]["equal"] for pair in pairs):.1%}',
                 f'{fmean(pair["end_signs"]["chance"] for pair in pairs):.1%}',
                 f'{fmean(ticket["signs_kept"]["equal"] for ticket in tickets):.1%}']
        assert f'| {sparsity}% | {" | ".join(cells)} |' in converged


def test_the_unconverged_comparison_said_the_opposite(converged):
    ahead = fmean(paired(by_seed('direct_pruning', 80), by_seed('direct_pruning', None)))
    assert f'tickets of 80% ahead by {ahead:.3f}' in converged


def cost_of(config, sparsity):
    """(mean mAP, mean share of the widest dense net's multiply-adds in %) of three seeds."""
    records = [load_summary(path) for path in (PUBLISHED / 'winning' / 'records').glob('*.json')]
    rounds = {summary.settings['seed']: summary.rounds for summary in records
              if f'tiny{config}_fpn' in summary.config and '_pretrained' in summary.config
              and summary.settings['criterion'] == 'magnitude'
              and sparsity in (0, round(summary.rounds[-1]['sparsity'], 3))}
    found = [of_seed[-1 if sparsity else 0] for of_seed in rounds.values()]
    widest = max(summary.rounds[0]['multiply_adds']['dense'] for summary in records)
    assert len(found) == 3
    return (fmean(record['metrics'][BOXES] for record in found),
            100 * fmean(record['multiply_adds']['kept'] for record in found) / widest)


def test_tickets_and_narrower_nets_are_those_of_the_records():
    page = text_of('winning.md')
    for sparsity, config, text in ((0.8, 8, "{:.3f} with {:.1f}% of the dense net's against"),
                                   (0.95, 5, '{:.3f} with {:.1f}% against')):
        assert text.format(*cost_of('', sparsity)) in page
        assert '{:.3f} with {:.1f}%'.format(*cost_of(config, 0)) in page
    deploy = (ROOT / 'docs' / 'deploy.md').read_text()
    for sparsity in (0.8, 0.9, 0.95):
        assert f'| magnitude | {sparsity:.0%} | 3 | {cost_of("", sparsity)[0]:.3f} |' in deploy
    for config, channels in (('', 16), (8, 8), (5, 5)):
        assert f'| dense, {channels} channels | 0% | 3 | {cost_of(config, 0)[0]:.3f} |' in deploy
