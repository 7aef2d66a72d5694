"""What a transfer carries: names, shapes, groups; numbers of weights add up by hand."""
import pytest
import torch

from mmlth.transfer.carry import transfer
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import Choice, renamed

CONV, SHORT = 'backbone.conv1.weight', 'backbone.layer1.0.downsample.0.weight'
NECK, FC = 'neck.a.weight', 'roi_head.bbox_head.fc_cls.weight'
MEAN, VAR = 'backbone.bn1.running_mean', 'backbone.bn1.running_var'
BIAS = 'roi_head.bbox_head.fc_cls.bias'
MASK_HEAD = 'roi_head.mask_head.convs.0.conv.weight'


def mask(*values):
    return torch.tensor(values, dtype=torch.bool).reshape(-1, 1)


MASKS = {CONV: mask(1, 0, 0, 1), NECK: mask(1, 1, 0), FC: mask(0, 1), MASK_HEAD: mask(1, 0)}
WEIGHTS = {CONV: torch.tensor([[4.], [1], [2], [3]]), SHORT: torch.tensor([[7.]]),
           MEAN: torch.tensor([0.5]), VAR: torch.tensor([1.]),
           NECK: torch.tensor([[1.], [2], [3]]), FC: torch.tensor([[5.], [6]]),
           BIAS: torch.tensor([8., 9]), MASK_HEAD: torch.tensor([[1.], [2]])}
SHAPES = {name: tuple(w.shape) for name, w in WEIGHTS.items() if name != MASK_HEAD}
GROUPS = {CONV: 'backbone', MEAN: 'backbone', VAR: 'backbone', SHORT: 'shortcuts', NECK: 'neck',
          FC: 'predictors', BIAS: 'predictors', 'new.weight': 'other'}


def target_of(*scope, shapes=(), parameters=40):
    return Target(shapes={**SHAPES, 'new.weight': (2, 5), **dict(shapes)}, scope=scope,
                  parameters=parameters, groups=GROUPS)


TARGET = target_of(CONV, NECK, 'new.weight')


def carry(masks, weights, target, choice=None):
    return transfer(Source(masks=masks, weights=weights), target, choice)


def rows(report):
    return {row.name: row for row in report.tensors}


def test_shared_tensors_take_mask_and_values_and_the_rest_stays_dense():
    masks, values, report = carry(MASKS, WEIGHTS, TARGET)
    assert list(masks) == [CONV, NECK, 'new.weight']  # the scope's order breaks ties later
    assert masks[CONV].equal(MASKS[CONV]) and masks[NECK].equal(MASKS[NECK])
    assert masks['new.weight'].all()
    assert set(values) == {CONV, SHORT, NECK, MEAN, VAR}
    assert all(values[name].equal(WEIGHTS[name]) for name in values)
    assert {name: row.status for name, row in rows(report).items()} == {
        **dict.fromkeys(values, 'matched'), FC: 'left out', BIAS: 'left out',
        'new.weight': 'missing', MASK_HEAD: 'surplus'}


def test_both_denominators_and_coverage_add_up():
    report = carry(MASKS, WEIGHTS, TARGET)[2]
    assert (report.covered, report.scope_size, report.pruned) == (4 + 3, 4 + 3 + 10, 2 + 1)
    assert (report.coverage, report.sparsity, report.network_sparsity) == (7 / 17, 3 / 17, 3 / 40)
    assert [(g.group, g.covered, g.scope_size, g.kept) for g in report.groups] == [
        ('backbone', 4, 4, 2), ('neck', 3, 3, 2), ('other', 0, 10, 0)]
    assert sum(row.size for row in report.of_status('surplus')) == 2


def test_what_is_returned_is_a_copy():
    masks, values, _ = carry(MASKS, WEIGHTS, TARGET)
    masks[CONV][:] = False
    values[CONV][:] = 0
    assert MASKS[CONV].any() and WEIGHTS[CONV].any()


def test_masks_alone_carry_no_value():
    masks, values, report = carry(MASKS, WEIGHTS, TARGET, Choice(values=False))
    assert values == {} and not any(row.values for row in report.tensors)
    assert masks[CONV].equal(MASKS[CONV])
    assert carry(MASKS, {}, TARGET, Choice(values=False))[0][CONV].equal(MASKS[CONV])


def test_another_shape_is_reported_with_both():
    target = target_of(*TARGET.scope, shapes={NECK: (5, 1)}, parameters=42)
    masks, values, report = carry(MASKS, WEIGHTS, target)
    row = rows(report)[NECK]
    assert (row.status, row.size) == ('mis-shaped', 5)
    assert row.note == '(3, 1) in the source, (5, 1) in the target'
    assert masks[NECK].shape == (5, 1) and masks[NECK].all() and NECK not in values


def test_a_mask_outside_the_targets_scope_stays_behind_but_values_go():
    target = target_of(CONV)
    masks, values, report = carry(MASKS, WEIGHTS, target)
    assert list(masks) == [CONV] and NECK in values and 'outside' in rows(report)[NECK].note
    assert not rows(report)[NECK].mask
    assert report.coverage == 1


@pytest.mark.parametrize('choice, taken', [
    (Choice(prefixes=('backbone.', )), {CONV}), (Choice(groups=('neck', )), {NECK}),
    (Choice(leave_out=('predictors', 'neck')), {CONV}), (Choice(), {CONV, NECK})])
def test_groups_and_prefixes_choose_masks_and_values(choice, taken):
    _, values, report = carry(MASKS, WEIGHTS, TARGET, choice)
    assert {row.name for row in report.tensors if row.mask} == taken
    assert {name for name in values if name in (CONV, NECK)} == taken


def test_predictors_go_only_if_asked_for():
    target = target_of(CONV, FC)
    assert carry(MASKS, WEIGHTS, target)[0][FC].all()
    masks, values, _ = carry(MASKS, WEIGHTS, target, Choice(leave_out=()))
    assert masks[FC].equal(MASKS[FC]) and 'roi_head.bbox_head.fc_cls.bias' in values


def test_names_are_translated():
    source = {'encoder.conv1.weight': MASKS[CONV]}
    masks, _, report = carry(source, {}, TARGET, Choice(rename=((r'^encoder\.', 'backbone.'), )))
    assert masks[CONV].equal(MASKS[CONV]) and rows(report)[CONV].source == 'encoder.conv1.weight'


@pytest.mark.parametrize('masks, choice, message', [
    ({'a.weight': mask(1)}, Choice(), 'nothing matches.*Masked in the source: a.weight; '
     'in the scope of the target: backbone.conv1.weight'),
    (MASKS, Choice(leave_out=('backbone', 'neck', 'predictors')),
     'nothing matches.*left out: backbone.con'),
    (MASKS, Choice(prefixes=('bone.', )),
     r"prefix 'bone.' starts no tensor .*\['backbone.', 'neck.', 'new"),
    ({CONV: mask(1, 0)}, Choice(), "mask of 'backbone.conv1.weight' has shape")])
def test_what_cannot_be_transferred_is_named(masks, choice, message):
    with pytest.raises(ValueError, match=message):
        carry(masks, {} if 'a.weight' in masks else WEIGHTS, TARGET, choice)


def test_values_without_a_mask_are_no_transfer():
    with pytest.raises(ValueError, match='nothing matches'):
        carry({MASK_HEAD: MASKS[MASK_HEAD]}, WEIGHTS, TARGET)


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(ValueError, match="rename gives 'a.w' and 'b.w' one name, 'c.w'"):
        renamed(['a.w', 'b.w'], [('^[ab]', 'c')])


@pytest.mark.parametrize('settings, message', [
    (dict(groups=('tail', )), 'scope=.*tail.*allowed'),
    (dict(leave_out=('tail', )), 'tail.*allowed'),
    (dict(rename=(('(', ''), )), "rename '\\('.*no regular expression"),
    (dict(rename=(('a', r'\1'), )), "rename 'a'.*no regular expression")])
def test_bad_choices_are_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        Choice(**settings)


def test_the_group_is_that_of_the_targets_module_and_not_of_the_name():
    """A class of its own may give outputs in a module that is called anything."""
    groups = {**GROUPS, NECK: 'predictors'}
    target = Target(shapes=TARGET.shapes, scope=(CONV, NECK), parameters=40, groups=groups)
    masks, values, report = carry(MASKS, WEIGHTS, target)
    assert masks[NECK].all() and NECK not in values
    assert (rows(report)[NECK].group, rows(report)[NECK].status) == ('predictors', 'left out')


def test_what_is_left_behind_has_the_group_that_the_source_gives():
    source = Source(masks=MASKS, weights=WEIGHTS, groups={MASK_HEAD: 'mask_head'})
    (left, ) = transfer(source, TARGET)[2].of_status('surplus')
    assert (left.name, left.group) == (MASK_HEAD, 'mask_head')
