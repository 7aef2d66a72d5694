"""The report alone tells a good ticket from a random, an untrained and a foreign one."""
import json

import pytest
import torch

from mmlth.transfer.carry import transfer
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import Choice
from mmlth.transfer.measures import mask_follows
from mmlth.transfer.report import signs
from mmlth.transfer.table import format_report

CONV, MEAN, VAR = 'backbone.conv1.weight', 'backbone.bn1.running_mean', 'backbone.bn1.running_var'
NECK, HEAD = 'neck.a.weight', 'roi_head.mask_head.convs.0.conv.weight'
SHAPES = {CONV: (100, 10), MEAN: (3, ), VAR: (3, ), NECK: (2, 2)}
GROUPS = {CONV: 'backbone', MEAN: 'backbone', VAR: 'backbone', NECK: 'neck'}
TARGET = Target(shapes=SHAPES, scope=(CONV, NECK), parameters=1010, groups=GROUPS)
W = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
BY_MAGNITUDE = {CONV: W.abs() > W.abs().median()}
AT_RANDOM = {CONV: torch.rand(100, 10, generator=torch.Generator().manual_seed(1)) > 0.5}
TRAINED = {CONV: W, MEAN: torch.tensor([0.1, 0, 0]), VAR: torch.ones(3)}
FRESH = {CONV: W, MEAN: torch.zeros(3), VAR: torch.ones(3)}


def reported(masks, weights, **kwargs):
    return transfer(Source(masks=masks, weights=weights, **kwargs), TARGET)[2]


def said(masks, weights, **kwargs):
    return ' / '.join(signs(reported(masks, weights, **kwargs)))


def test_values_of_a_training_are_told_from_fresh_ones():
    assert 'come from a training: 1 of 1 normalisation' in said(BY_MAGNITUDE, TRAINED)
    assert 'are untrained: all its 1 normalisation' in said(BY_MAGNITUDE, FRESH)
    assert 'come from a training' in said(BY_MAGNITUDE, {**FRESH, VAR: torch.tensor([1., 1, 2])})


def test_a_random_mask_is_told_from_one_by_magnitude():
    assert "mask follows the source's |w|" in said(BY_MAGNITUDE, TRAINED) and 'chance 1.00' in said(
        BY_MAGNITUDE, TRAINED)
    assert "mask does not follow the source's |w|" in said(AT_RANDOM, TRAINED)


def test_redrawn_weights_are_told_from_those_the_mask_was_made_from():
    redrawn = torch.randn(100, 10, generator=torch.Generator().manual_seed(2))
    assert 'does not follow' in said(BY_MAGNITUDE, {**FRESH, CONV: redrawn})


def test_trained_values_are_zero_where_pruned_so_the_initial_ones_judge():
    trained = {**TRAINED, CONV: W * AT_RANDOM[CONV]}
    assert 'follow' not in said(AT_RANDOM, trained)
    assert 'does not follow' in said(AT_RANDOM, trained, judge=FRESH)


def test_a_ticket_of_another_task_is_known_by_its_groups():
    masks = {**BY_MAGNITUDE, HEAD: torch.ones(1, 1, dtype=torch.bool)}
    source = Source(masks=masks, groups={HEAD: 'mask_head'})
    report = transfer(source, TARGET, Choice(values=False))[2]
    text = ' / '.join(signs(report))
    assert 'take nothing: neck' in text and 'own groups, left behind: mask_head' in text
    assert 'normalisation' not in text and 'follow' not in text  # nothing is known of its weights


def test_an_old_ticket_without_groups_leaves_behind_what_is_unknown():
    report = reported({**BY_MAGNITUDE, HEAD: torch.ones(1, 1, dtype=torch.bool)}, {})
    (left, ) = report.of_status('surplus')
    assert (left.name, left.group) == (HEAD, 'unknown')
    assert 'left behind' not in ' / '.join(signs(report))


@pytest.mark.parametrize('mask, weight, expected', [
    ([1, 0, 1, 0], [4., 1, -3, 2], 1.0), ([0, 1], [2., 1], 0.0), ([1, 0], [1., -1], 0.5),
    ([1, 0, 0, 0], [2., 1, 2, 3], 0.5),
    ([1, 1], [1., 2], None), ([0, 0], [1., 2], None), ([1, 0], [1., 0], None)])
def test_mask_follows_counts_pairs(mask, weight, expected):
    """Of the last but three: 2 > 1, 2 = 2, 2 < 3, so 1.5 of 3 pairs."""
    assert mask_follows(torch.tensor(mask).bool(), torch.tensor(weight)) == expected


def test_mask_follows_looks_at_a_sample_of_a_large_tensor():
    weight = torch.arange(1., 300_001)
    assert mask_follows(weight > 200_000, weight) == 1.0


def test_the_sample_sees_every_place_of_a_kernel():
    """Kept is by magnitude at one tap of nine, and at random elsewhere."""
    draw = torch.Generator().manual_seed(1)
    weight = torch.rand(256, 256, 3, 3, generator=draw)
    mask = torch.rand(weight.shape, generator=draw) < 0.5
    mask[..., 0, 0] = weight[..., 0, 0] > 0.5
    assert mask_follows(mask, weight) == pytest.approx(0.5 + 0.5 / 9, abs=0.01)


def test_group_numbers_are_those_of_kept_and_pruned_weights():
    weight = torch.tensor([[1., -2], [3, -4]])
    keep = torch.tensor([[False, False], [True, False]])
    target = Target(shapes={NECK: (2, 2)}, scope=(NECK, ), parameters=4, groups=GROUPS)
    (group, ) = transfer(Source(masks={NECK: keep}, weights={NECK: weight}), target)[2].groups
    assert (group.median_kept, group.median_pruned, group.least_dense) == (3.0, 2.0, 0.25)
    assert group.follows == pytest.approx(2 / 3)


def test_report_goes_through_json_with_every_tensor():
    report = reported(BY_MAGNITUDE, TRAINED, facts=dict(file='a.safetensors'))
    there = json.loads(json.dumps(report.as_dict()))
    assert there['coverage'] == 1000 / 1004 and there['pruned'] == 500
    assert there['signs'] == signs(report)
    facts = ('status', 'size', 'mask', 'values')
    assert {row['name']: tuple(row[fact] for fact in facts) for row in there['tensors']} == {
        CONV: ('matched', 1000, True, True), MEAN: ('matched', 3, False, True),
        VAR: ('matched', 3, False, True), NECK: ('missing', 4, False, False)}


def test_table_shows_tensors_groups_totals_and_where_a_name_came_from():
    facts = dict(file='a.pth', mapping={CONV: 'module.conv1.weight'},
                 provenance=dict(control='random', n=[1]))
    text = format_report(reported(BY_MAGNITUDE, TRAINED, facts=facts))
    line = next(each for each in text.splitlines() if each.startswith(CONV))
    assert line.split() == [CONV, 'backbone', '1,000', 'matched', 'mask+values', '50.00%', 'from',
                            'module.conv1.weight']
    for fact in ('covered: 1,000 of 1,004', '49.80% of the scope and 49.50% of the network',
                 'source file: a.pth', 'provenance control: random'):
        assert fact in text
    assert MEAN not in text
