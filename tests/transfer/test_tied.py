"""A tensor of several names: whichever the source uses, all of the target's are served."""
import pytest
import torch

from mmlth.core.storage import followed_buffers
from mmlth.transfer.carry import transfer
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import Choice

MASK = torch.tensor([[True, False], [False, True]])
VALUE = torch.tensor([[1., 2.], [3., 4.]])
A, B, C = 'head.0.weight', 'head.1.weight', 'teacher.head.0.weight'
FREE = 'neck.weight'
SHAPES = {A: (2, 2), B: (2, 2), C: (2, 2), FREE: (1, 1)}
GROUPS = {A: 'dense_head', B: 'dense_head', C: 'dense_head', FREE: 'neck'}
TARGET = Target(shapes=SHAPES, scope=(A, FREE), parameters=5, groups=GROUPS, shared={B: A, C: A})


@pytest.mark.parametrize('name', [A, B, C])
def test_any_name_of_the_source_gives_all_names_of_the_target(name):
    masks, values, report = transfer(Source(masks={name: MASK}, weights={name: VALUE}), TARGET)
    assert list(masks) == [A, FREE] and masks[A].equal(MASK)
    assert list(values) == [A, B, C] and all(value.equal(VALUE) for value in values.values())
    assert [(row.name, row.source, row.status) for row in report.tensors] == [
        (A, name, 'matched'), (FREE, None, 'missing')]
    assert (report.covered, report.scope_size, report.pruned) == (4, 5, 2)


def test_a_name_that_the_source_shares_has_its_mask_and_group_there():
    """The source's first name is foreign to the target, whose one tensor is the other's alias."""
    shared = {A: 'old.weight', 'lost.again.weight': 'lost.weight'}
    source = Source(masks={'old.weight': MASK, 'lost.weight': MASK}, shared=shared,
                    weights=dict.fromkeys([*shared, *shared.values()], VALUE),
                    groups={'old.weight': 'dense_head', 'lost.weight': 'mask_head'})
    masks, values, report = transfer(source, TARGET)
    assert masks[A].equal(MASK) and values[C].equal(VALUE)
    (left, ) = report.of_status('surplus')
    assert (left.name, left.group) == ('lost.weight', 'mask_head')


def test_a_tensor_with_a_mask_goes_before_one_of_the_first_name_without():
    """An old ticket knows one name of a tied weight only: that with the mask."""
    source = Source(masks={B: MASK}, weights={A: VALUE, B: VALUE})
    masks, _, report = transfer(source, TARGET)
    assert masks[A].equal(MASK) and not report.of_status('surplus')


def test_of_two_tensors_for_one_place_the_report_names_what_is_left_behind():
    source = Source(masks={A: MASK, B: ~MASK}, weights={A: VALUE, B: 2 * VALUE})
    masks, values, report = transfer(source, TARGET)
    assert masks[A].equal(MASK) and values[B].equal(VALUE)
    (left, ) = report.of_status('surplus')
    assert (left.name, left.note) == (B, f'{A} was taken for {A}')


def test_a_tied_bias_is_no_second_tensor():
    """Tickets list the other names of masked tensors alone, but the values are the same."""
    bias = {'a.bias': torch.ones(2), 'b.bias': torch.ones(2)}
    target = Target(
        shapes={**SHAPES, 'a.bias': (2, ), 'b.bias': (2, )}, scope=(A, ), parameters=7,
        groups={**GROUPS, 'a.bias': 'neck'}, shared={**TARGET.shared, 'b.bias': 'a.bias'})
    report = transfer(Source(masks={A: MASK}, weights={A: VALUE, **bias}), target)[2]
    assert not report.of_status('surplus')


def test_a_teacher_takes_the_statistics_of_its_student():
    names = ('student.bn.weight', 'student.bn.mean', 'teacher.bn.weight', 'teacher.bn.mean')
    shared = {'teacher.bn.weight': 'student.bn.weight'}
    shared |= followed_buffers(names, shared)
    target = Target(shapes=dict.fromkeys(names, (2, )), scope=('student.bn.weight', ),
                    parameters=4, groups=dict.fromkeys(names, 'backbone'), shared=shared)
    source = Source(masks={'bn.weight': MASK[0]},
                    weights={'bn.weight': VALUE[0], 'bn.mean': VALUE[1]})
    choice = Choice(rename=(('^bn', 'student.bn'), ))
    _, values, _ = transfer(source, target, choice)
    assert values['teacher.bn.mean'].equal(VALUE[1]) and len(values) == 4


def test_a_prefix_may_name_any_of_them():
    masks, values, _ = transfer(Source(masks={A: MASK}, weights={A: VALUE}), TARGET,
                                Choice(prefixes=('head.1.', )))
    assert masks[A].equal(MASK) and list(values) == [A, B, C]


def test_a_checkpoint_without_one_of_the_names_is_of_another_model():
    source = Source(masks={A: MASK}, shared={B: A}, weights={A: VALUE})
    message = "mask for 'head.1.weight', which the weights of the source lack"
    with pytest.raises(ValueError, match=message):
        transfer(source, TARGET)
