"""N:M patterns in selection: exact groups along the input dimension, as torch has them."""
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.sparse import _semi_structured_conversions as conversions

from mmlth.core.masks import count_kept, dense_masks, is_subset, kept, size
from mmlth.core.patterns import MOST, Pattern, best_of_groups, check_pattern
from mmlth.core.selection import select

PATTERNS = [(n, m) for m in range(2, MOST + 1) for n in range(1, m)]
SHAPES = dict(conv=(3, 8, 3, 2), pointwise=(5, 16, 1, 1), fc=(4, 24), conv1d=(2, 8, 3),
              conv3d=(2, 8, 1, 2, 2))


def row(values):
    return {'w': torch.tensor([values], dtype=torch.float32)}


def old(text):
    return {'w': torch.tensor([[c == '1' for c in text]])}


def text(masks):
    return ''.join('01'[int(x)] for x in masks['w'].flatten())


def random_scores(rng, shapes=SHAPES):
    """Draw small integers of both signs, so that many tie."""
    return {name: torch.from_numpy(rng.integers(-3, 4, shape).astype(np.float32))
            for name, shape in shapes.items()}


def naive(scores, mask, count, group):
    """Rank every group by itself with a stable sort."""
    rows = scores.movedim(1, -1).reshape(-1, group).numpy()
    alive = mask.movedim(1, -1).reshape(-1, group).numpy()
    order = np.argsort(np.where(alive, -rows, np.inf), axis=1, kind='stable')[:, :count]
    found = np.zeros(rows.shape, bool)
    np.put_along_axis(found, order, True, axis=1)
    moved = scores.movedim(1, -1).shape
    return torch.from_numpy(found).reshape(moved).movedim(-1, 1)


def as_tensor_cores_read(weight):
    """Return the (O, K) matrix of a weight that is stored channels-last."""
    return weight.movedim(1, -1).reshape(len(weight), -1)


@pytest.mark.parametrize('allocation, scores, mask, density, expected', [
    pytest.param('2:4', [1, 2, 3, 4], '1111', 0.5, '0011', id='the best two'),
    pytest.param('2:4', [9, 8, 7, 6, 1, 2, 3, 4], '11111111', 0.5, '11000011',
                 id='each group by itself'),
    pytest.param('2:4', [5, 5, 5, 5], '1111', 0.5, '1100', id='of equals the first'),
    pytest.param('2:4', [5, 1, 5, 5], '1111', 0.5, '1010', id='ties at the threshold'),
    pytest.param('2:4', [0., -0., 0., -0.], '1111', 0.5, '1100', id='both zeros are equal'),
    pytest.param('2:4', [-1, -4, -2, -3], '1111', 0.5, '1010', id='negative scores'),
    pytest.param('2:4', [9, -8, 9, -7], '0101', 0.5, '0101', id='what is dead stays dead'),
    pytest.param('2:4', [float('nan'), 2, 3, 4], '0111', 0.5, '0011', id='the dead may be NaN'),
    pytest.param('2:4', [1, 2, 3, 4], '1111', 0.75, '0111', id='on the way'),
    pytest.param('2:4', [1, 2, 3, 4], '1111', 1.0, '1111', id='dense'),
    pytest.param('1:2', [1, 2, 4, 3], '1111', 0.5, '0110', id='one of two'),
    pytest.param('1:3', [1, 3, 2], '111', 1 / 3, '010',
                 id='a density that binary fractions only near'),
    pytest.param('4:8', [1, 2, 3, 4, 5, 6, 7, 8], '11111111', 0.5, '00001111', id='four of eight'),
])
def test_groups_of_a_row(allocation, scores, mask, density, expected):
    found = select(row(scores), old(mask), density, allocation=allocation)
    pattern = Pattern.parse(allocation)
    directly = best_of_groups(pattern, row(scores), old(mask), density)
    assert text(found) == text(directly) == expected


def test_groups_of_a_convolution_run_over_inputs_at_each_output_and_position():
    scores = torch.zeros(2, 4, 1, 2)
    scores[0, :, 0, 0] = torch.tensor([4., 3., 2., 1.])
    scores[0, :, 0, 1] = torch.tensor([1., 2., 3., 4.])
    scores[1, :, 0, 0] = torch.tensor([4., 1., 3., 2.])
    scores[1, :, 0, 1] = torch.tensor([1., 4., 2., 3.])
    found = select({'w': scores}, dense_masks({'w': scores}), 0.5, allocation='2:4')['w'].int()
    assert found[0, :, 0].T.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert found[1, :, 0].T.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]


def test_a_transposed_convolution_is_grouped_over_dimension_1_too():
    # Of shape (3, 8, 2, 2): its 3 inputs make no groups.
    weight = nn.ConvTranspose2d(3, 8, 2).weight.detach()
    found = select({'w': weight}, dense_masks({'w': weight}), 0.5, allocation='2:4')['w']
    assert found.reshape(3, 2, 4, 2, 2).sum(2).unique().tolist() == [2]


@pytest.mark.parametrize('n, m', [(2, 4), (4, 8), (1, 2), (1, 4), (3, 8)])
def test_rounds_down_to_a_pattern_are_those_of_a_stable_sort(n, m):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        current = {name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()}
        for count in range(m, n - 1, -1):
            case = f'seed={seed}, count={count}'
            scores = random_scores(rng)
            found = select(scores, current, count / m, allocation=f'{n}:{m}')
            assert is_subset(found, current), case
            assert kept(found) * m == count * size(current), case
            for name, mask in found.items():
                expected = naive(scores[name], current[name], count, m)
                assert torch.equal(mask, expected), f'{case}, {name}'
            current = found


def test_every_pattern_keeps_n_of_m_everywhere():
    for n, m in PATTERNS:
        scores = {'w': torch.randn(3, 2 * m, 2, generator=torch.Generator().manual_seed(0))}
        found = select(scores, dense_masks(scores), n / m, allocation=f'{n}:{m}')['w']
        assert found.reshape(3, 2, m, 2).sum(2).unique().tolist() == [n], f'{n}:{m}'


def test_inputs_stay_as_they_were():
    scores, mask = row([1, 2, 3, 4]), old('1110')
    best_of_groups(Pattern(2, 4), scores, mask, 0.5)['w'].logical_not_()
    assert scores['w'].tolist() == [[1, 2, 3, 4]] and text(mask) == '1110'


# torch's own 2:4


@pytest.mark.parametrize('n, m', [(2, 4), (4, 8), (1, 4)])
def test_torch_sparsifies_a_linear_layer_alike(n, m):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch.ao is announced to move
        from torch.ao.pruning import WeightNormSparsifier
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32))
    scores = {'w': model[0].weight.detach().abs().clone()}
    sparsifier = WeightNormSparsifier(
        sparsity_level=1.0, sparse_block_shape=(1, m), zeros_per_block=m - n)
    sparsifier.prepare(model, config=[dict(tensor_fqn='0.weight')])
    sparsifier.step()
    theirs = model[0].parametrizations.weight[0].mask.bool()
    ours = select(scores, dense_masks(scores), n / m, allocation=f'{n}:{m}')['w']
    assert torch.equal(ours, theirs)


def lossless(matrix):
    """Tell whether torch's 2:4 compression gives back the matrix (this part runs on a CPU)."""
    if not hasattr(conversions, 'sparse_semi_structured_from_dense_cutlass'):
        pytest.skip('this torch has no 2:4 compression on a CPU')
    half = matrix.half().contiguous()
    compressed, meta = conversions.sparse_semi_structured_from_dense_cutlass(half)
    back = conversions.sparse_semi_structured_to_dense_cutlass(compressed, meta)
    return torch.equal(back, half)


@pytest.mark.parametrize('shape', [(32, 64), (32, 64, 1, 1), (64, 32, 3, 3)])
def test_torch_compresses_a_2_4_ticket_without_loss(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    scores = {'w': weight.abs()}
    halved = weight * select(scores, dense_masks(scores), 0.5, allocation='2:4')['w']
    assert lossless(as_tensor_cores_read(halved))
    unstructured = weight * select(scores, dense_masks(scores), 0.5)['w']
    assert not lossless(as_tensor_cores_read(unstructured))


def test_only_channels_last_lays_the_groups_of_a_convolution_side_by_side():
    weight = torch.randn(32, 64, 3, 3, generator=torch.Generator().manual_seed(0))
    scores = {'w': weight.abs()}
    halved = weight * select(scores, dense_masks(scores), 0.5, allocation='2:4')['w']
    stored = halved.to(memory_format=torch.channels_last)
    assert lossless(stored.as_strided((32, 64 * 9), (64 * 9, 1)))  # in the order of its memory
    assert not lossless(halved.reshape(32, 64 * 9))


# what is refused


def test_selection_refuses_such_a_layer_too():
    scores = {'fine': torch.ones(2, 8), 'narrow': torch.ones(2, 6)}
    message = r"allocation='2:4' groups 4 weights .* in: narrow \(2, 6\)\. "
    with pytest.raises(ValueError, match=message):
        select(scores, dense_masks(scores), 0.5, allocation='2:4')


@pytest.mark.parametrize('density', [0.7, 0.25, 0.5001])
def test_selection_refuses_other_densities(density):
    message = f"allocation='2:4': selection keeps {density} of the weights, but"
    with pytest.raises(ValueError, match=message):
        select(row([1, 2, 3, 4]), old('1111'), density, allocation='2:4', min_kept=0)


@pytest.mark.parametrize('mask, density', [('10001111', 0.5), ('11111100', 0.75)])
def test_a_group_that_has_fewer_left_is_an_error(mask, density):
    message = r"of every 4 weights of 'w' cannot be kept: .* Start from dense "
    with pytest.raises(ValueError, match=message):
        select(row(range(8)), old(mask), density, allocation='2:4')


@pytest.mark.parametrize('min_kept, enough', [(4, True), (5, False), (99, False)])
def test_a_minimum_that_the_pattern_does_not_keep_is_an_error(min_kept, enough):
    scores = {'wide': torch.ones(9, 32), 'small': torch.ones(2, 4)}
    shapes = {name: s.shape for name, s in scores.items()}
    calls = (
        lambda: select(scores, dense_masks(scores), 0.5, allocation='2:4', min_kept=min_kept),
        lambda: check_pattern('2:4', (1.0, 0.5), shapes, min_kept=min_kept),
    )
    message = (r"allocation='2:4' keeps 4 weights of 'small', fewer than the "
               r'\d that min_kept asks for')
    for call in calls:
        with nullcontext() if enough else pytest.raises(ValueError, match=message):
            call()


def test_a_minimum_above_what_is_left_asks_for_what_is_left():
    found = select(row([1, 2, 3, 4]), old('0101'), 0.5, allocation='2:4', min_kept=3)
    assert count_kept(found['w']) == 2


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
def test_scores_that_are_not_finite_are_named(bad):
    with pytest.raises(ValueError, match="scores of 'w' are NaN or infinite"):
        select(row([1, 2, 3, bad]), old('1111'), 0.5, allocation='2:4')
