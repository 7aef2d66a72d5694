"""What docs/experiments/winning.md says in figures is what its tables and records hold."""
import csv
import json
from statistics import fmean, stdev

import pytest
from conftest import ROOT
from published import BOXES, PUBLISHED, difference, rows_of, text_of

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
    assert f'at 90% {cells} (paired difference {apart}, n=3), at 95% ' in converged
    ticket, dense = of_seeds(95, CLASSIFIER), of_seeds(0, CLASSIFIER)
    scratch, before = of_seeds(95, SCRATCH), of_seeds(0, SCRATCH)
    lost = [{seed: other[seed] - own[seed] for seed in ticket}
            for own, other in ((ticket, dense), (scratch, before))]
    assert 'at 95% {:.3f} in place of {:.3f} ({})'.format(
        *(fmean(each.values()) for each in lost), difference(*reversed(lost))[1:]) in converged
    below = difference(dense, before)
    assert f'{below[1:6]} below on average {below[7:]}' in converged
    gained = [difference(of_seeds(at, CLASSIFIER), of_seeds(at, SCRATCH)) for at in (90, 95)]
    assert '{} at 90%, {} at 95%. All three'.format(*gained) in converged
    assert 'By {} at 90%, not surely; by {} at 95%'.format(*gained) in converged
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
    random = judged('random')
    assert (f'(`random`) | {fmean(random.values()):.3f} | {ticket[0] - random[0]:+.3f} | 1 |'
            in converged and list(random) == [0])
    verdict, = json.loads((PUBLISHED / 'winning' / 'winning_verdict.json').read_text())
    assert verdict['claim'] == 'not winning' and '`not winning`' in converged
    least = min(each['mean'] for each in verdict['comparisons'][1:] if each['n'] >= 3)
    assert f'ends {least:.3f} or more above every control of three or four seeds' in converged
    lost, n = difference(ticket, judged('dense_budget')), len(ticket)
    assert f'ends {lost[1:6]} mAP below a dense net' in converged
    assert f'(n={n}, 95% t interval {lost[7:]})' in converged
    assert f'**No**: {lost} from dense nets of equal budget | {n} |' in converged
    chance = [difference(ticket, judged(name)) for name in ('shuffle', 'reinit', 'init_magnitude')]
    assert ('Than shuffle, {}, and reinit, {}; not surely than the largest weights before '
            'training, {} | 4, 4, 3 |'.format(*chance)) in converged
    eighty = difference(of_seeds(80, SCRATCH), judged('dense_budget'))
    assert f'no control has been trained: {eighty} from dense nets of equal budget | 5' in converged
    alone = judge(of_seeds(80, SCRATCH), judged('dense_budget'), {}).comparisons[0]
    assert f'(one-sided p = {alone.p:.3f})' in converged and alone.p < 0.025
    assert f'({7 * alone.p:.3f} by Holm' in converged and 7 * alone.p > 0.025
    added = difference(judged('dense_budget'), judged('', '0'))
    assert f'Twice as long adds {added}' in converged
    assert f'Nearly: twice as long adds {added};' in converged
    assert f'standard deviation of {stdev(judged("", "0").values()):.3f}, and' in converged
    from_classifier = [
        control['metrics'][BOXES] - summary.rounds[0]['metrics'][BOXES]
        for summary in map(load_summary, sorted((PUBLISHED / 'winning' / 'records').glob('*.json')))
        if '_pretrained' in summary.config
        for control in summary.controls if control['control'] == 'dense_budget']
    assert 'added {:.3f} and {:.3f} (two seeds)'.format(*from_classifier) in converged
    longer = [load_summary(path) for path in (PUBLISHED / 'winning').glob('dense_*e.json')]
    scores = sorted((one.rounds[0]['steps'], one.rounds[0]['metrics'][BOXES]) for one in longer)
    ends = 'ends with {:.3f}, {:.3f} and {:.3f}'.format(*(score for _, score in scores))
    assert ends in converged
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    lost = -fmean(paired(ticket, judged('dense_budget')))
    assert f'ends {lost:.3f} below' in readme


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
    later = [ticket[step] for step in ticket if step >= 608]
    assert (f'From step 608 of {end} on it stays between {min(later):.3f} and {max(later):.3f}, '
            f'while its dense net rises from {dense[608]:.3f} to {dense[end]:.3f}.') in converged


def test_rounds_are_those_of_their_records(converged):
    records = PUBLISHED / 'winning' / 'records'
    jobs = {summary.settings['seed']: summary.rounds for summary in map(
        load_summary, records.glob('*half_target_sparsity-0.9_rounds-3_seed-*'))}
    dense = of_seeds(0, SCRATCH)
    for number, share in ((1, 54), (2, 78), (3, 90)):
        ended = {seed: rounds[number]['metrics'][BOXES] for seed, rounds in sorted(jobs.items())}
        assert all(f'{rounds[number]["sparsity"]:.0%}' == f'{share}%' for rounds in jobs.values())
        cells = [', '.join(f'{end:.3f}' for end in ended.values()), difference(ended, dense)]
        assert f'| {share}% | {number} | {" | ".join(cells)} |' in converged
    other = load_summary(PUBLISHED / 'winning' / 'rounds_other_order.json')
    end = other.rounds[1]['metrics'][BOXES]
    assert other.settings['order_seed'] == 777
    ticket, budget = of_rounds('')[0], of_rounds('dense_budget')[0]
    (reinit, ) = (control['metrics'][BOXES] for control in other.controls)
    assert (f'of the data, ends with {end:.3f} (dense of equal budget {budget:.3f}), new weights '
            f'under its mask (`reinit`) with {reinit:.3f}.') in converged
    assert (f'ends {budget - end:.3f} below its dense net of equal budget in place of '
            f'{budget - ticket:.3f}, and {end - reinit:.3f} above reinit in place of '
            f'{ticket - of_rounds("reinit")[0]:.3f}.') in converged
    with open(paper.FOLDER / 'effect_of_rounds.csv') as file:
        theirs = [float(row['mAP']) for row in csv.DictReader(file)]
    assert f'from {theirs[0]:.1f} to {theirs[-1]:.1f} from one round to six' in converged


def of_rounds(control):
    """seed -> mAP of the last ticket of three rounds, or of its control."""
    return {int(row['seed']): float(row[BOXES]) for row in rows_of('winning/rounds')
            if (row['line'], row['control'], row['round']) == ('three rounds', control, '3')}


def test_the_verdict_on_three_rounds_is_that_of_the_rule(converged):
    ticket = of_rounds('')
    for control in ('dense_budget', 'shuffle', 'reinit'):
        own = of_rounds(control)
        assert own.keys() == ticket.keys()
        assert (f'(`{control}`) | {fmean(own.values()):.3f} | {difference(ticket, own)} '
                f'| {len(own)} |') in converged
    verdict = next(each for each in json.loads(
        (PUBLISHED / 'winning' / 'rounds_verdict.json').read_text())
        if each['line'] == 'three rounds')
    assert f'three rounds is `{verdict["claim"]}`' in converged
    budget, dense = of_rounds('dense_budget'), of_seeds(0, SCRATCH)
    lost = difference(ticket, budget)
    assert f'**Three prunings to 90%: undecided**, {lost} (n={len(ticket)} of 5)' in converged
    shuffle, reinit = (difference(ticket, of_rounds(name)) for name in ('shuffle', 'reinit'))
    assert (f'**Undecided**: {lost} from dense nets of equal budget, {shuffle} from shuffle, '
            f'{reinit} from reinit | {len(ticket)} of 5 |') in converged
    assert verdict['seeds'] == 8
    assert 'eight seeds like these would make it `not winning`' in converged
    assert verdict['comparisons'][0]['mean'] < verdict['comparisons'][0]['bound']
    assert f'four times as long adds {difference(budget, dense)} (n={len(budget)})' in converged
    assert f'four times {difference(budget, dense)}, so not at the budget' in converged
    assert f'the second doubling {difference(budget, judged("dense_budget"))}.' in converged
    assert f'in another order, with {budget[0]:.3f}.' in converged
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    assert f'end {lost[1:6]} below theirs (n={len(ticket)} of 5, {lost[7:]}: undecided)' in readme
    assert f'and {shuffle[1:6]} above their mask' in readme
    first, second = ({seed: summary.rounds[number]['metrics'][BOXES]
                      for seed, summary in records_of(3).items()} for number in (1, 2))
    open_one = f'54% ends {difference(first, judged("dense_budget"))} from dense nets of'
    assert f'{open_one} its budget' in converged and f'{open_one} equal budget' in converged
    assert f'78% {difference(second, budget)} from those of a third more' in converged


def records_of(rounds):
    """seed -> records of a ticket of 90%, of four seeds."""
    pattern = f'{SCRATCH}_target_sparsity-0.9_rounds-{rounds}_seed-[0123]_order*.json'
    found = map(load_summary, (PUBLISHED / 'winning' / 'records').glob(pattern))
    return {summary.settings['seed']: summary for summary in found}


def test_what_three_rounds_change_is_as_is_said(converged):
    rose = [difference(of_rounds(of), judged(of)) for of in ('', 'shuffle', 'reinit')]
    assert (f'ticket by {rose[0][1:]} over one, its shuffle by {rose[1][1:]}, new weights under '
            f'its mask by {rose[2][1:]} (n={len(of_rounds(""))})') in converged
    assert f'{rose[0]} to the ticket, but also {rose[1]} to its shuffle' in converged
    before = [{seed: own[seed] - shuffled[seed] for seed in shuffled} for own, shuffled in (
        (of_rounds(''), of_rounds('shuffle')), (judged(''), judged('shuffle')))]
    assert f'before its shuffle grows by {difference(*before)[1:]}.' in converged
    last = {rounds: [records_of(rounds)[seed].rounds[-1] for seed in range(4)] for rounds in (3, 1)}
    cost, finest = ({rounds: '{:.1%}, {:.1%}, {:.1%} and {:.1%}'.format(*map(share, records))
                     for rounds, records in last.items()} for share in (
        lambda record: record['multiply_adds']['kept'] / record['multiply_adds']['dense'],
        lambda record: record['layer_density']['neck.fpn_convs.0.conv.weight']))
    assert f"multiply-adds: {cost[3]} of the dense net's, one pruning {cost[1]}." in converged
    assert f'keeps {finest[3]} of its weights, after one pruning {finest[1]}.' in converged
    changed = {name: last[3][0]['layer_density'][name] / share
               for name, share in last[1][0]['layer_density'].items()}
    assert max(changed, key=changed.get) == 'neck.fpn_convs.0.conv.weight'


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
    assert f'A quarter of the training later, by {difference(quarter, first)};' in converged


def test_late_resets_are_those_of_the_table(converged):
    found = {}
    for row in rows_of('winning/late_resetting'):
        if row['round'] != '0' and row['seed'] == '0':
            found[round(float(row['x'])), row['line']] = float(row[BOXES])
    for at in (2, 4, 25, 75, 90):
        restarted, continued = (found[at, f'90%, {how}'] for how in ('restart', 'continue'))
        assert f'| {at}% | {restarted:.3f} | {continued:.3f} |' in converged
    assert f'| 0% (w_0) | {found[0, "90%, restart"]:.3f} | |' in converged


def test_early_birds_are_those_of_the_table(converged):
    found = {round(float(row['x'])): row for row in rows_of('winning/early_bird')
             if row['seed'] == '0' and row['round'] == '1'}
    assert sorted(found) == [10, 25, 50, 75, 100]
    for name, column, digits in (('mAP of the ticket', BOXES, 3),
                                 ('IoU with the mask of the whole training', 'iou', 2)):
        cells = ' | '.join(f'{float(found[at][column]):.{digits}f}' for at in sorted(found))
        assert f'| {name} | {cells} |' in converged
    last = found[100]
    assert f'an IoU of {float(last["chance_iou"]):.2f}, the' in converged
    assert f'before training one of {float(last["init_iou"]):.2f})' in converged
    assert all(float(found[at][BOXES]) > float(last[BOXES]) - 0.005 for at in (25, 50, 75))
    ticket, dense = of_seeds(80, SCRATCH), of_seeds(0, SCRATCH)
    lost = [dense[seed] - ticket[seed] for seed in sorted(ticket)]
    assert (f'lies {lost[0]:.3f} below its dense net, where five seeds lie {fmean(lost):.3f} below '
            'on average') in converged
    assert len(lost) == 5 and lost[0] == max(lost)  # of five seeds this one loses most


def test_modules_are_those_of_their_table(converged):
    rows = rows_of('winning/modules')
    dense, = (float(row[BOXES]) for row in rows if row['round'] == '0')
    found = {row['label']: float(row[BOXES]) for row in rows if row['round'] == '1'}
    voc = {point.label: point.y for point in paper.read('modules_voc')}
    assert f'C4 detector (dense {dense:.3f})' in converged and len(found) == 15
    for name, score in found.items():
        theirs = (voc[name] - voc['']) / 100
        assert f'| {name} | {score:.3f} | {score - dense:+.3f} | {theirs:+.3f} |' in converged
    assert max(dense - found[one] for one in ('base', 'top', 'rpn', 'heads')) < 0.0215
    assert 'with base they lose {:.3f} where base alone loses {:.3f}'.format(
        dense - found['base+heads'], dense - found['base']) in converged
    jobs = {row['label']: row['job'] for row in rows if row['round'] == '1'}
    kept = [load_summary(PUBLISHED / 'winning' / 'records' / f'{jobs[name]}.json').rounds[-1][
        'layer_density']['roi_head.bbox_head.fc_reg.weight'] for name in ('base+heads', 'heads')]
    assert 'keeps {:.1%} of its weights, the floor, in heads alone {:.1%}'.format(
        *kept) in converged
    lost = [dense - found[name] for name in ('base+top+rpn+heads', 'base+top+rpn')]
    assert 'all four lose {:.3f}, all but the heads {:.3f}.'.format(*lost) in converged


TASKS = {'boxes': ('boxes (mAP)', BOXES), 'masks': ('masks (mask mAP)', 'coco/segm_mAP'),
         'keypoints': ('keypoints (OKS AP)', 'coco/keypoints_mAP')}


def curve_of(task):
    """(mAP of the dense net, per cent pruned -> mAP) of seed 0."""
    metric = TASKS[task][1]
    detector = dict(boxes='faster', masks='mask', keypoints='keypoint')[task]
    rows = [row for row in rows_of('winning/direct_pruning')
            if row['seed'] == '0' and row['config'].startswith(f'{detector}-rcnn')]
    dense, = (float(row[metric]) for row in rows if row['round'] == '0')
    return dense, {round(float(row['x'])): float(row[metric])
                   for row in rows if row['round'] == '1'}


@pytest.mark.parametrize('task', TASKS)
def test_the_curves_of_one_pruning_are_those_of_the_table(converged, task):
    dense, found = curve_of(task)
    cells = [f'{found[at]:.3f}' if at in found else ''
             for at in (10, 30, 50, 60, 70, 80, 85, 90, 95)]
    row = f'| {TASKS[task][0]} | {dense:.3f} | {" | ".join(cells)} |'
    assert ' '.join(row.split()) in converged


def change_of(task, at):
    """Change of mAP at a sparsity, both in per cent, here and for the paper's ResNet-18."""
    dense, found = curve_of(task)
    with open(paper.FOLDER / 'direct_pruning.csv') as file:
        theirs = {row['prune_percent']: float(row['map']) for row in csv.DictReader(file)
                  if (row['backbone'], row['task']) == (
                      'resnet18', dict(masks='segm').get(task, task))}
    changes = [100 * (found[at] / dense - 1)]
    if str(at) in theirs:
        changes.append(100 * (theirs[str(at)] / theirs['0'] - 1))
    return [f'{change:+.0f}%' for change in changes]


def test_what_is_said_of_the_curve_of_keypoints_is_so(converged):
    (own_80, paper_80), (own_90, paper_90) = (change_of('keypoints', at) for at in (80, 90))
    own_95, = change_of('keypoints', 95)
    assert (f"{own_80} at 80%, {own_90} at 90% and {own_95} at 95%; the paper's ResNet-18 "
            f'{paper_80} at 80% and {paper_90} at 90%.') in converged
    dense, found = curve_of('keypoints')
    assert min(found[30], found[50]) > dense > found[10]


def test_what_is_said_of_the_curve_of_masks_is_so(converged):
    (own_80, paper_80), (own_90, paper_90) = (change_of('masks', at) for at in (80, 90))
    half, last = change_of('masks', 50)[0], change_of('masks', 95)[0]
    assert (f'boxes do: {half} at 50%, {own_80} at 80%, {own_90} at 90% and {last} at 95%; the '
            f"paper's ResNet-18 {paper_80} at 80% and {paper_90} at 90%.") in converged


def test_what_is_said_of_the_curve_of_boxes_is_so(converged):
    dense, found = curve_of('boxes')
    assert len(found) == 9
    low = [found[at] for at in found if at <= 70]
    assert len(low) == 5 and min(low) > dense > found[80]
    budget, restart = judged('dense_budget')[0], judged('dense_restart')[0]
    assert (f'`dense_budget` ends with {budget:.3f}, so that tickets of up to 70% end '
            f'{min(low) - budget:.3f} to {max(low) - budget:.3f} above it, and `dense_restart` '
            f'with {restart:.3f}, {min(low) - restart:.3f} to {max(low) - restart:+.3f} from them'
            ) in converged
    with open(paper.FOLDER / 'backbone_effect.csv') as file:
        theirs, = (float(row['pct_change_mAP']) for row in csv.DictReader(file)
                   if (row['backbone'], row['task'], row['prune_pct']) == (
                       'ResNet18', 'bbox', '90'))
    assert f'{100 * (found[90] / dense - 1):.0f}% at 90%, there {theirs:.0f}%' in converged


def test_allocations_are_those_of_the_table(converged):
    found = {(row['line'], round(float(row['x']))): float(row[BOXES]) for row in rows_of(
        'winning/allocation') if row['seed'] == '0' and row['round'] == '1'}
    floor = 'global, a floor'
    for at in (80, 90, 95):
        cells = (f'{found[how, at]:.3f}' for how in ('global', 'layerwise', floor, 'normalized'))
        assert f'| {at}% | {" | ".join(cells)} |' in converged
    back = ['{:.3f} of the {:.3f}'.format(*(found[how, at] - found['global', at] for how in (
        floor, 'layerwise'))) for at in (90, 95)]
    assert f'brings back {back[0]} at 90% and {back[1]} at 95%' in converged
    assert 'normalized, 90: 1 tensor keeps less than 1%' in text_of('winning/allocation.md')
    shares = [records_of(rounds)[0].rounds[-1]['layer_density']['neck.fpn_convs.0.conv.weight']
              for rounds in (1, 3)]
    assert f'{shares[0]:.1%} of its weights, three rounds {shares[1]:.1%}' in converged


@pytest.mark.parametrize('name, row', [
    ('rounds_00_01', 'dense | 54%, first round'),
    ('rounds_02_03', '78%, second round | 90%, third round'),
    ('rounds_00_03', 'dense | 90%, third round'),
    ('init', 'dense | 90%, one pruning')])
def test_barriers_between_rounds_are_those_of_their_files(converged, name, row):
    path = PUBLISHED / 'winning' / 'barriers' / f'{name}_seed-0.json'
    heights = [json.loads(path.read_text())['barriers'][of]['height'] for of in (BOXES, 'loss')]
    assert f'| {row} | {heights[0]:.3f} | {heights[1]:.3f} |' in converged
    loses = f'to that of 90% mAP is at most {heights[0]:.3f} below the straight line'
    if name == 'rounds_00_03':
        assert f'half as high after three prunings ({heights[0]:.3f}) as after one' in converged
    assert heights[0] > 0.002 or loses in converged


def test_signs_and_shares_of_three_rounds_are_those_of_their_files(converged):
    kept = {}
    for seed in (0, 1):
        path = PUBLISHED / 'winning' / f'overlap_rounds_seed-{seed}.json'
        for ticket in json.loads(path.read_text())['tickets']:
            kept.setdefault(ticket['name'], []).append(ticket['signs_kept'])
    said = {name: '{:.1%} and {:.1%}'.format(*(each['equal'] for each in seeds))
            for name, seeds in kept.items()}
    first, second, third, only = said.values()
    assert list(said) == ['round 1', 'round 2', 'round 3', 'one pruning']
    assert (f'{first} keep it in the first round, {second}, then {third}, against {only} '
            'after one pruning, 50% by chance') in converged
    assert all(abs(each['chance'] - 0.5) < 0.005 for seeds in kept.values() for each in seeds)


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
    if name == '25':
        over, loss = found['barriers'][BOXES], found['barriers']['loss']['height']
        assert (f'within {over["height"]:.3f} of the straight line ({over["over_mean"]:.3f} below'
                in converged and f'while the loss rises by {loss:.3f}.' in converged)


def test_tickets_of_a_classifier_are_those_of_the_table(converged):
    rows = [row for row in rows_of('winning/classification_transfer') if row['seed'] == '0']
    dense, = {float(row[BOXES]) for row in rows if row['round'] == '0'}
    found = {(row['line'], round(float(row['x']))): float(row[BOXES]) for row in rows
             if row['round'] == '1'}
    assert f'(seed 0, bbox mAP, dense {dense:.3f}; ' in converged
    theirs, largest = 'ticket of the classifier', "the classifier's largest weights"
    for at in (80, 90):
        cells = (f'{found[how, at]:.3f}' for how in ('own ticket', theirs, largest))
        assert f'| {at}% | {" | ".join(cells)} |' in converged
    assert max(found.values()) < dense
    assert (found['own ticket', 80] > found[largest, 80]) != (
        found['own ticket', 90] > found[largest, 90])
    lost = [100 * (1 - found[theirs, at] / dense) for at in (80, 90)]
    with open(paper.FOLDER / 'imagenet_transfer.csv') as file:
        known = {(row['kind'], row['backbone_prune_percent']): float(row['map'])
                 for row in csv.DictReader(file)
                 if (row['backbone'], row['task']) == ('resnet18', 'bbox')}
    in_paper = [100 * (1 - known['ticket', at] / known['dense', '0']) for at in ('80', '90')]
    assert ("loses {:.0f}% of its mAP at 80% and {:.0f}% at 90%, the paper's {:.0f}% and "
            '{:.0f}%'.format(*lost, *in_paper)) in converged


def test_tickets_of_another_task_are_those_of_the_table(converged):
    tables = {'boxes': ('boxes (mAP)', BOXES, 'keypoints'),
              'keypoints': ('keypoints (OKS AP)', 'coco/keypoints_mAP', 'boxes')}
    rows = [row for row in rows_of('winning/task_transfer') if row['seed'] == '0']
    for line, (name, metric, other) in tables.items():
        found = {row['label']: float(row[metric]) for row in rows if row['line'] == line}
        carried = found[f'ticket of {other}']
        job, = {row['job'] for row in rows if row['label'] == f'ticket of {other}'}
        records = load_summary(PUBLISHED / 'winning' / 'records' / f'{job}.json').rounds
        numbers = (records[0]['metrics'][metric], found['own ticket'], carried, found['shuffle'],
                   found['random'])
        assert f'| {name} | {" | ".join(f"{each:.3f}" for each in numbers)} |' in converged
        if line == 'boxes':
            assert f"can't be told from its shuffle ({carried - found['shuffle']:.3f})" in converged
            continue
        above = (carried - found['shuffle'], carried - numbers[0])
        assert f'ends {above[0]:.3f} above its shuffle' in converged
        assert 'and {:.3f} above the dense net; but it prunes {:.1%}'.format(
            above[1], records[1]['sparsity']) in converged


def test_backbones_are_those_of_the_table(converged):
    rows = rows_of('winning/backbones')
    with open(paper.FOLDER / 'backbone_effect.csv') as file:
        theirs = {(row['backbone'], row['prune_pct']): float(row['pct_change_mAP'])
                  for row in csv.DictReader(file) if row['task'] == 'bbox'}
    for depth in (18, 50):
        own = [row for row in rows if f'_r{depth}-tiny' in row['config']]
        dense, = {float(row[BOXES]) for row in own if row['round'] == '0'}
        found = {round(float(row['x'])): 100 * (float(row[BOXES]) / dense - 1)
                 for row in own if row['round'] == '1'}
        cells = ' | '.join(f'{found[at]:+.0f}%' for at in (50, 80, 90))
        known = ', '.join(f'{theirs[f"ResNet{depth}", at]:+.0f}%' for at in ('50', '80', '90'))
        assert f'| ResNet-{depth} | {dense:.3f} | {cells} | {known} |' in converged
    kept = []
    for depth in (50, 18):
        job, = {row['job'] for row in rows if f'_r{depth}-tiny' in row['config']
                and row['round'] == '1' and round(float(row['x'])) == 90}
        records = load_summary(PUBLISHED / 'winning' / 'records' / f'{job}.json').rounds
        kept.append(records[1]['layer_density']['roi_head.bbox_head.shared_fcs.0.weight'])
    assert 'box head keeps {:.1%} of its weights, the floor, that of the ResNet-18 {:.1%}'.format(
        *kept) in converged
