"""What docs/experiments/winning.md says of its analyses is what their files hold."""
import csv
import json
from statistics import fmean

import pytest
from conftest import ROOT
from published import BOXES, PUBLISHED, difference, rows_of, text_of

from mmlth.analysis import paper
from mmlth.core.records import load_summary


@pytest.fixture(scope='module')
def converged():
    return text_of('winning.md')


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
        if sparsity == 95 and question == 'size':
            assert f'{item} ({100 * change / dense:+.0f}% ± {half:.0f})' in converged
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


def test_layers_are_as_near_to_the_papers_as_is_said(converged):
    theirs = [point.y for point in paper.read('prune_percent_across_layers')]
    records = PUBLISHED / 'winning' / 'records'
    trained, = map(load_summary, records.glob(
        'faster-rcnn*half_target_sparsity-0.8_rounds-1_seed-0*'))
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
        assert sparsity != 80 or 'IoU {} at 80%, by chance {}'.format(*cells) in converged


def rounds_of(config, sparsity):
    """seed -> record of the last round of a net from a classifier, or of the first (0)."""
    records = map(load_summary, (PUBLISHED / 'winning' / 'records').glob('*pretrained*.json'))
    found = {summary.settings['seed']: summary.rounds[-1 if sparsity else 0] for summary in records
             if f'tiny{config}_fpn' in summary.config
             and summary.settings['criterion'] == 'magnitude'
             and summary.settings['scope'] != 'backbone'
             and sparsity in (0, round(summary.rounds[-1]['sparsity'], 3))}
    assert len(found) == 3
    return found


def scores_of(config, sparsity):
    """seed -> mAP."""
    return {seed: record['metrics'][BOXES] for seed, record in rounds_of(config, sparsity).items()}


def cost_of(config, sparsity):
    """Mean share of the widest dense net's multiply-adds, in per cent."""
    kept, widest = (
        fmean(record['multiply_adds']['kept'] for record in rounds_of(*net).values())
        for net in ((config, sparsity), ('', 0)))
    return 100 * kept / widest


def test_tickets_and_narrower_nets_are_those_of_the_records():
    page, deploy = text_of('winning.md'), (ROOT / 'docs' / 'deploy.md').read_text()
    for sparsity, config, text in ((0.8, 8, "{:.3f} with {:.1f}% of the dense net's against"),
                                   (0.95, 5, '{:.3f} with {:.1f}% against')):
        ticket, narrow = scores_of('', sparsity), scores_of(config, 0)
        assert text.format(fmean(ticket.values()), cost_of('', sparsity)) in page
        assert f'{fmean(narrow.values()):.3f} with {cost_of(config, 0):.1f}%' in page
        assert f'({difference(ticket, narrow)}' in deploy
        assert f'; {difference(ticket, narrow)}, n=3)' in page
    for sparsity in (0.8, 0.9, 0.95):
        mean = fmean(scores_of('', sparsity).values())
        assert f'| magnitude | {sparsity:.0%} | 3 | {mean:.3f} |' in deploy
    for config, channels in (('', 16), (8, 8), (5, 5)):
        mean = fmean(scores_of(config, 0).values())
        assert f'| dense, {channels} channels | 0% | 3 | {mean:.3f} |' in deploy


def test_how_far_images_tell_nets_apart_is_what_draws_of_them_found(converged):
    for sparsity, text in ((80, 'between {1:+.3f} and {2:+.3f} where it is {0:+.3f}'),
                           (95, 'at 95% between {1:+.3f} and {2:+.3f} where it is {0:+.3f}')):
        found = [float(row['value']) for row in rows_of(
            f'winning/changed_{sparsity}_analyses/analyses')
            if row['question'] == 'images' and row['item'].startswith('minus dense')]
        assert text.format(*found) in converged
    changes = [float(row[f'{BOXES}_change']) for row in rows_of('winning/changed_80')
               if row['label'] == 'ticket' and not row['control']]
    assert 'at 80% by {:+.3f}, {:+.3f} and {:+.3f} ('.format(*changes) in converged
