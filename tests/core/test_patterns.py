"""N:M patterns: what is one, and plans that can't reach it, refused before training."""
import ast
import re

import pytest
import torch

from mmlth.core.allocations import ALLOCATIONS
from mmlth.core.masks import dense_masks
from mmlth.core.patterns import MOST, Pattern, check_pattern
from mmlth.core.schedules import explicit, geometric, linear
from mmlth.core.selection import select

PATTERNS = [(n, m) for m in range(2, MOST + 1) for n in range(1, m)]


@pytest.mark.parametrize('text, kept, group', [
    ('2:4', 2, 4), ('4:8', 4, 8), ('1:2', 1, 2), ('15:16', 15, 16), ('02:04', 2, 4)])
def test_a_pattern_is_two_numbers(text, kept, group):
    pattern = Pattern.parse(text)
    assert (pattern.kept, pattern.group) == (kept, group)
    assert pattern == Pattern(kept, group) == Pattern.parse(str(pattern))


@pytest.mark.parametrize('other', ['global', '2:4 ', '-2:4', '2:4:8', '', 24, None, ['2:4']])
def test_anything_else_is_no_pattern(other):
    assert Pattern.parse(other) is None


def test_every_pattern_is_written_as_it_is_read():
    for n, m in PATTERNS:
        assert str(Pattern.parse(f'{n}:{m}')) == f'{n}:{m}'


@pytest.mark.parametrize('density, count', [
    (1.0, 4), (0.75, 3), (0.5, 2), (0.25, None), (0.7, None), (0.5 + 1e-12, 2), (0.5001, None)])
def test_groups_keep_whole_numbers(density, count):
    assert Pattern(2, 4).count_at(density) == count


@pytest.mark.parametrize('allocation', ['4:4', '4:2', '0:4', '8:17', '0:0'])
def test_a_pattern_prunes_some_of_up_to_16(allocation):
    for call in (Pattern.parse, lambda bad: check_pattern(bad, (1.0, ), {})):
        message = f"allocation='{allocation}': a pattern N:M needs 0 < N < M <= "
        with pytest.raises(ValueError, match=message):
            call(allocation)


@pytest.mark.parametrize('allocation', [*ALLOCATIONS, 'unknown'])
def test_other_allocations_pass(allocation):
    check_pattern(allocation, geometric(0.8, 4), {'w': (3, )}, min_kept=9)


@pytest.mark.parametrize('allocation, densities', [
    pytest.param('2:4', geometric(0.5, 1), id='one shot'),
    pytest.param('2:4', linear(0.5, 2), id='linear in two rounds'),
    pytest.param('2:4', explicit([0.25, 0.5]), id='a list'),
    pytest.param('1:3', explicit([1 / 3, 2 / 3]), id='thirds'),
    pytest.param('1:10', linear(0.9, 9), id='tenths'),
    pytest.param('1:4', geometric(0.75, 1), id='one of four'),
])
def test_plans_that_reach_the_pattern_pass(allocation, densities):
    check_pattern(allocation, densities, {'fc': (7, 240), 'conv': (2, 480, 3, 3)}, min_kept=1)


@pytest.mark.parametrize('allocation, densities, message', [
    pytest.param('2:4', geometric(0.5, 2),
                 r'round 1 keeps 0\.707107 of the weights, but only 2/4, 3/4 or ',
                 id='geometric'),
    pytest.param('2:4', geometric(0.8, 1), r'round 1 keeps 0\.2 of the weights',
                 id='other sparsity'),
    pytest.param('2:4', explicit([0.5, 0.75]), r'round 2 keeps 0\.25 of the',
                 id='beyond the pattern'),
    pytest.param('4:8', explicit([0.25]),
                 r'the last round keeps 0\.75 of the weights, but the pattern keeps '
                 '4/8', id='not there yet'),
    pytest.param('1:3', explicit([0.6667]), r'round 1 keeps 0\.3333 of', id='rounded'),
])
def test_densities_off_the_pattern_are_named(allocation, densities, message):
    with pytest.raises(ValueError, match=f"allocation='{allocation}': {message}"):
        check_pattern(allocation, densities, {})


def test_the_settings_that_the_error_gives_work():
    for n, m in PATTERNS:
        pattern = f'{n}:{m}'
        with pytest.raises(ValueError) as caught:
            check_pattern(pattern, (1.0, 0.987), {})
        schedule, target = re.search(r'Set schedule=(\[.*\]) or rounds=1, target_sparsity=(.*)$',
                                     str(caught.value)).groups()
        scores = {'w': torch.randn(2, m, generator=torch.Generator().manual_seed(0))}
        for densities in (explicit(ast.literal_eval(schedule)), geometric(float(target), 1)):
            check_pattern(pattern, densities, {'w': (2, m)})
            masks = dense_masks(scores)
            for density in densities:
                masks = select(scores, masks, density, allocation=pattern)
            assert masks['w'].sum(1).tolist() == [n, n], f'{pattern}, densities={densities}'


def test_layers_whose_inputs_make_no_groups_are_all_named_with_their_fix():
    shapes = {'backbone.conv1.weight': (64, 3, 7, 7), 'neck.conv.weight': (8, 16, 1, 1),
              'head.depthwise.weight': (16, 1, 3, 3), 'head.fc.weight': (10, 12)}
    with pytest.raises(ValueError) as caught:
        check_pattern('4:8', (1.0, 0.5), shapes)
    message = str(caught.value)
    told = ('backbone.conv1.weight (64, 3, 7, 7), head.depthwise.weight (16, 1, 3, 3), '
            'head.fc.weight (10, 12)')
    assert f'no multiple of 8 in: {told}. Leave them out: exclude=' in message
    patterns = ast.literal_eval(message.split('exclude=')[1])
    assert patterns == ['^backbone.conv1.weight$', '^head.depthwise.weight$', '^head.fc.weight$']
    left = {name: shape for name, shape in shapes.items()
            if not any(re.search(p, name) for p in patterns)}
    assert [*left] == ['neck.conv.weight']
    check_pattern('4:8', (1.0, 0.5), left)


def test_a_vector_has_no_input_dimension():
    with pytest.raises(ValueError, match=r'in: bias \(8,\)'):
        check_pattern('2:4', (1.0, 0.5), {'bias': (8, )})
