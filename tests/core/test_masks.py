"""Masks: exact counts, subsets, sharing, application and digest."""
import hashlib
import math

import pytest
import torch

from mmlth.core import masks as M


def mask(text):
    """Read '1101' as a bool tensor."""
    return torch.tensor([c == '1' for c in text], dtype=torch.bool)


@pytest.mark.parametrize('text, kept, density', [
    pytest.param('1', 1, 1.0, id='one kept weight'),
    pytest.param('0', 0, 0.0, id='one pruned weight'),
    pytest.param('1100', 2, 0.5, id='half of four'),
    pytest.param('11111', 5, 1.0, id='all of five'),
])
def test_counts(text, kept, density):
    masks = {'w': mask(text)}
    assert (M.kept(masks), M.size(masks), M.density(masks)) == (kept, len(text), density)


def test_counts_add_up_over_tensors_of_any_shape():
    masks = {'a': mask('1110').reshape(2, 2), 'b': mask('0').reshape(())}
    assert (M.kept(masks), M.size(masks), M.density(masks)) == (3, 5, 0.6)
    assert M.count_each(masks) == {'a': 3, 'b': 0}


def test_counts_are_exact_where_float32_is_not():
    count = 2**24 + 3  # float32 rounds this to 2**24 + 4
    masks = {'big': torch.ones(count, dtype=torch.bool), 'small': mask('10')}
    assert M.kept(masks) == count + 1
    assert M.density(masks) == (count + 1) / (count + 2)


def test_dense_masks_keep_everything_in_the_shape_of_the_weights():
    masks = M.dense_masks({'a': torch.zeros(2, 3), 'b': torch.zeros(())})
    assert {name: (m.dtype, tuple(m.shape)) for name, m in masks.items()} == {
        'a': (torch.bool, (2, 3)), 'b': (torch.bool, ())}
    assert M.kept(masks) == 7


def test_shared_names_take_the_very_mask_of_their_owner():
    own = {'w': mask('10'), 'v': mask('1')}
    shared = {'tied.w': 'w', 'teacher.w': 'w', 'teacher.v': 'v', 'teacher.bias': 'bias'}
    found = M.shared_with(own, shared)
    owners = {'w': 'w', 'v': 'v', 'tied.w': 'w', 'teacher.w': 'w', 'teacher.v': 'v'}
    assert list(found) == list(owners)
    assert all(found[name] is own[owner] for name, owner in owners.items())
    assert list(own) == ['w', 'v']


def test_without_shared_names_the_masks_are_a_dict_of_their_own():
    own = {'w': mask('10')}
    found = M.shared_with(own, {})
    assert found == own and found is not own


@pytest.mark.parametrize('inner, outer, expected', [
    pytest.param('1010', '1110', True, id='fewer weights'),
    pytest.param('1010', '1010', True, id='the same weights'),
    pytest.param('0000', '0000', True, id='nothing in nothing'),
    pytest.param('1010', '1100', False, id='as many but another one'),
    pytest.param('1111', '1110', False, id='one too many'),
])
def test_subset(inner, outer, expected):
    same = {'first': mask('1')}
    assert M.is_subset({**same, 'w': mask(inner)}, {**same, 'w': mask(outer)}) is expected


def test_apply_gives_plus_zero_and_touches_nothing_else():
    weights = {'w': torch.tensor([-1., math.nan, -math.inf, 4.]), 'bias': torch.tensor([5.])}
    before = M.digest(weights)
    found = M.apply({'w': mask('0001')}, weights)
    assert found['w'].tolist() == [0, 0, 0, 4]
    assert not torch.signbit(found['w']).any()
    assert found['bias'].tolist() == [5]
    for tensor in found.values():
        tensor.fill_(9)
    assert M.digest(weights) == before


def test_apply_keeps_the_dtype():
    weights = {'w': torch.ones(2, dtype=torch.bfloat16)}
    assert M.apply({'w': mask('10')}, weights)['w'].dtype is torch.bfloat16


@pytest.mark.parametrize('state, message', [
    pytest.param({}, "mask for 'w', which the checkpoint lack", id='a tensor is missing'),
    pytest.param({'w': torch.zeros(2)}, r"mask of 'w' has shape \(3,\), .* has \(2,\)", id='shape'),
    pytest.param({'w': torch.tensor([1., 0., 2.])}, "'w' are not zero in the checkpoint",
                 id='revived'),
    pytest.param({'w': torch.tensor([1., 0., math.nan])}, "'w' are not zero", id='revived as NaN'),
])
def test_state_that_does_not_belong_to_the_masks(state, message):
    with pytest.raises(ValueError, match=message):
        M.check_zeros({'w': mask('100')}, state, 'the checkpoint')


def test_zeros_of_either_sign_and_free_tensors_pass():
    state = {'w': torch.tensor([1., 0., -0.]), 'bias': torch.ones(1)}
    M.check_zeros({'w': mask('100')}, state, 'x')


@pytest.mark.parametrize('a, b, message', [
    pytest.param(['w', 'x'], ['w'], "'x' is in the scores but not in the masks", id='surplus'),
    pytest.param(['w'], ['w', 'x'], "'x' is in the masks but not in the scores", id='missing'),
])
def test_other_names_are_told_with_the_side_that_has_them(a, b, message):
    a, b = (dict.fromkeys(names, mask('1')) for names in (a, b))
    with pytest.raises(ValueError, match=message):
        M.check_same_tensors(a, b, 'scores', 'masks')


def test_other_shapes_are_told_with_both_shapes():
    message = r"'w' has shape \(2,\) in the scores but \(3,\) in the masks"
    with pytest.raises(ValueError, match=message):
        M.check_same_tensors({'w': mask('10')}, {'w': mask('100')}, 'scores', 'masks')


def test_masks_of_other_models_are_not_compared():
    with pytest.raises(ValueError, match="'w' is in the"):
        M.is_subset({'w': mask('1')}, {'x': mask('1')})


def test_digest_is_the_sha256_of_names_types_shapes_and_bytes_by_name():
    tensors = {'b': torch.tensor([1, 2], dtype=torch.uint8), 'a': mask('10')}
    content = b'a|torch.bool|(2,)|\x01\x00' + b'b|torch.uint8|(2,)|\x01\x02'
    assert M.digest(tensors) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize('other', [
    pytest.param({'v': torch.tensor([[0., 1.]])}, id='name'),
    pytest.param({'w': torch.tensor([0., 1.])}, id='shape'),
    pytest.param({'w': torch.tensor([[0, 1]])}, id='dtype'),
    pytest.param({'w': torch.tensor([[0., math.nextafter(1, 2)]], dtype=torch.float64)},
                 id='width'),
    pytest.param({'w': torch.tensor([[-0., 1.]])}, id='sign of a zero'),
    pytest.param({'w': torch.tensor([[0., 1.]]), 'x': torch.zeros(0)}, id='an empty tensor more'),
])
def test_digest_sees_another(other):
    assert M.digest({'w': torch.tensor([[0., 1.]])}) != M.digest(other)


def test_digest_ignores_order_and_memory_layout():
    grid = torch.arange(6.).reshape(2, 3)
    a = {'g': grid, 's': torch.tensor(1.)}
    b = {'s': torch.tensor(1., requires_grad=True), 'g': grid.t().contiguous().t()}
    assert not b['g'].is_contiguous()
    assert M.digest(a) == M.digest(b)
