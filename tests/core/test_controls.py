"""Controls: random, shuffled and reversed masks of a ticket's exact size."""
import logging
from collections import Counter

import numpy as np
import pytest
import torch
from rankings import masks, texts

from mmlth.core.allocations import ALLOCATIONS
from mmlth.core.controls import random_masks, reversed_masks, shuffled_masks
from mmlth.core.masks import count_each, count_kept, dense_masks, is_subset, kept
from mmlth.core.selection import select

DEALT = [random_masks, shuffled_masks]


def large_masks():
    generator = torch.Generator().manual_seed(0)
    shapes = dict(conv=(16, 8, 3, 3), fc=(40, 50), small=(2, 4))
    return {name: torch.rand(shape, generator=generator) < 0.2 for name, shape in shapes.items()}


def test_random_masks_keep_the_total_count():
    ticket = large_masks()
    for seed in range(20):
        found = random_masks(ticket, seed)
        assert kept(found) == kept(ticket), f'seed={seed}'
        assert count_each(found) != count_each(ticket), f'seed={seed}'


def test_shuffled_masks_keep_the_count_of_every_tensor():
    ticket = large_masks()
    for seed in range(20):
        found = shuffled_masks(ticket, seed)
        assert count_each(found) == count_each(ticket), f'seed={seed}'
        for name in ('conv', 'fc'):
            assert not torch.equal(found[name], ticket[name]), f'seed={seed}, {name}'


@pytest.mark.parametrize('ticket', [
    pytest.param(dict(a='0000', b='11'), id='nothing in a tensor'),
    pytest.param(dict(a='1111', b='11'), id='dense'),
    pytest.param(dict(a='0000', b='00'), id='nothing at all'),
    pytest.param(dict(a='1'), id='one weight'),
])
@pytest.mark.parametrize('control', DEALT)
def test_counts_at_the_ends(control, ticket):
    assert kept(control(masks(**ticket), 0)) == kept(masks(**ticket))


def test_random_masks_are_uniform_over_the_whole_scope():
    seeds = 6000
    ticket = masks(a='11', b='00')
    found = Counter(tuple(texts(random_masks(ticket, seed)).values()) for seed in range(seeds))
    # 2 of 4 positions: 6 ways, 1000 times each; 5 standard deviations are 144
    assert len(found) == 6
    assert all(abs(count - 1000) < 144 for count in found.values())


def test_shuffled_masks_are_uniform_within_each_tensor():
    seeds = 6000
    ticket = masks(a='110', b='10')
    found = Counter(tuple(texts(shuffled_masks(ticket, seed)).values()) for seed in range(seeds))
    # 2 of 3 positions and 1 of 2: 6 ways
    assert len(found) == 6
    assert all(abs(count - 1000) < 144 for count in found.values())


@pytest.mark.parametrize('control', DEALT)
def test_the_seed_decides_and_the_order_of_names_does_not(control):
    ticket = large_masks()
    found, again, other = control(ticket, 3), control(ticket, 3), control(ticket, 4)
    turned = control(dict(reversed(ticket.items())), 3)
    assert texts(found) == texts(again) == texts(turned)
    assert texts(found)['fc'] != texts(other)['fc']
    assert [*found] == ['conv', 'fc', 'small'] and [*turned] == ['small', 'fc', 'conv']


@pytest.mark.parametrize('control', DEALT)
def test_results_are_new_bool_masks_and_nothing_else_changes(control):
    ticket = large_masks()
    before = texts(ticket)
    states = torch.get_rng_state(), str(np.random.get_state())
    found = control(ticket, 0)
    for name, m in found.items():
        assert (m.shape, m.dtype) == (ticket[name].shape, torch.bool)
        m.logical_not_()
    assert texts(ticket) == before
    assert torch.equal(torch.get_rng_state(), states[0]) and str(np.random.get_state()) == states[1]


def test_random_masks_name_the_tensors_that_go_empty(caplog):
    with caplog.at_level(logging.WARNING, logger='mmlth'):
        random_masks(masks(a='1', b='0', c='0'), 0)
        assert len(caplog.records) == 1 and 'keep no weight of' in caplog.text
        caplog.clear()
        random_masks(masks(a='111', b='11'), 0)
    assert not caplog.records


@pytest.mark.parametrize('scores, old, density, expected', [
    pytest.param([1, 2, 3, 4], '1111', 0.5, '1100', id='the lower half stays'),
    pytest.param([-1, -3, 2, -2], '1111', 0.5, '0101', id='negative scores'),
    pytest.param([5, 5, 5, 5], '1111', 0.5, '1100', id='of equals the first stay'),
    pytest.param([0, 1, 2, 3], '0111', 0.5, '0110', id='what is dead stays dead'),
    pytest.param([0, 1, 2, 3], '0111', 0.75, '0111', id='all that is left'),
])
def test_reversed_masks(scores, old, density, expected):
    scores = {'w': torch.tensor(scores, dtype=torch.float32)}
    assert texts(reversed_masks(scores, masks(w=old), density)) == dict(w=expected)


@pytest.mark.parametrize('allocation', [*ALLOCATIONS, '2:4'])
def test_reversed_masks_are_the_rest_of_the_ticket_at_one_half(allocation):
    generator = torch.Generator().manual_seed(0)
    scores = {name: torch.rand((4, 8), generator=generator) for name in 'abc'}
    old = dense_masks(scores)
    ticket = select(scores, old, 0.5, allocation=allocation)
    found = reversed_masks(scores, old, 0.5, allocation=allocation)
    assert kept(found) == kept(ticket) == 48
    assert texts(found) == texts({name: ~m for name, m in ticket.items()})


def test_reversed_masks_take_the_lowest_normalized_scores():
    scores = dict(a=torch.tensor([30., 40.]), b=torch.tensor([4., 3.]))  # 0.6, 0.8 and 0.8, 0.6
    found = reversed_masks(scores, dense_masks(scores), 0.5, allocation='normalized')
    assert texts(found) == dict(a='10', b='01')


def test_reversed_masks_are_a_subset_of_exact_count_with_a_guard():
    scores = dict(head=torch.arange(10.) + 100, body=torch.arange(20.))
    old = dict(head=torch.arange(10) > 2, body=torch.arange(20) % 2 == 0)  # 7 and 10 alive
    for count in range(4, 18):
        found = reversed_masks(scores, old, count / 30, min_kept=2)
        assert kept(found) == count and is_subset(found, old), f'count={count}'
        assert count_kept(found['head']) == max(2, count - 10), f'count={count}'
    for count in (18, 19):
        with pytest.raises(ValueError, match='cannot be kept'):
            reversed_masks(scores, old, count / 30, min_kept=2)
