"""What a ticket file says."""

import json

import pytest
import torch

from mmlth.analysis.tickets import describe, fact_table, layer_table
from mmlth.core.masks import digest
from mmlth.core.ticket import Ticket, save_ticket

MASKS = {
    'backbone.conv.weight': torch.tensor([True, False, False, False]),
    'rpn_head.rpn_cls.weight': torch.tensor([[True]]),
}


def ticket(masks=MASKS, **provenance):
    return Ticket(
        masks=masks,
        rewind_file='../rewind.safetensors',
        rewind_digest='ab',
        groups={'backbone.conv.weight': 'backbone', 'rpn_head.rpn_cls.weight': 'predictors'},
        provenance=provenance,
    )


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'round_01').mkdir()
    save_ticket(ticket(), tmp_path / 'round_01' / 't')
    return tmp_path / 'round_01' / 't'


def test_facts(path):
    facts = describe(ticket(parameters=30, round=1), path)
    assert facts['sparsity'] == pytest.approx(3 / 5)
    assert facts['network_sparsity'] == 3 / 30
    assert (facts['kept'], facts['scope_size']) == (2, 5)
    assert facts['layers'] == {'backbone.conv.weight': 0.25, 'rpn_head.rpn_cls.weight': 1.0}
    assert facts['bytes'] == path.stat().st_size
    assert facts['bits_per_weight'] == 8 * path.stat().st_size / 5
    assert (facts['masks_digest'], facts['rewind_digest']) == (digest(MASKS), 'ab')
    assert facts['provenance'] == {'parameters': 30, 'round': 1}
    assert 'overlap' not in facts
    json.dumps(facts)


def test_without_the_number_of_parameters_there_is_no_network_sparsity(path):
    assert describe(ticket(), path)['network_sparsity'] is None


def test_it_tells_whether_the_initial_weights_are_there(path):
    assert describe(ticket(), path)['rewind_file_found'] is False
    (path.parents[1] / 'rewind.safetensors').touch()
    assert describe(ticket(), path)['rewind_file_found'] is True


def test_overlap_with_another_ticket(path):
    other = {**MASKS, 'backbone.conv.weight': torch.tensor([True, True, True, False])}
    assert describe(ticket(), path, ticket(other))['overlap']['iou'] == 2 / 4


def test_tickets_of_other_models_are_not_compared(path):
    other = ticket({'neck.weight': torch.tensor([True])})
    with pytest.raises(ValueError, match='is in the .* masks but not in the'):
        describe(ticket(), path, other)


def test_layer_table():
    header, *lines = layer_table(ticket()).splitlines()
    assert header.split() == ['tensor', 'group', 'weights', 'kept', 'kept']
    assert [line.split() for line in lines] == [
        ['backbone.conv.weight', 'backbone', '4', '1', '25.00%'],
        ['rpn_head.rpn_cls.weight', 'predictors', '1', '1', '100.00%'],
    ]
    assert len({len(line) for line in (header, *lines)}) == 1


def test_fact_table(path):
    settings = dict(rounds=2, early_bird=None, include=[], seed=0)
    own = ticket(parameters=30, round=1, control='', parent='c' * 64, settings=settings)
    other = {**MASKS, 'backbone.conv.weight': torch.tensor([True, True, True, False])}
    lines = dict(line.split(maxsplit=1) for line in
                 fact_table(describe(own, path, ticket(other))).replace('network s', 'network-s')
                 .replace('on disk', 'on-disk').replace('initial w', 'initial-w').splitlines())
    size = path.stat().st_size
    assert lines == {
        'ticket': str(path),
        'sparsity': '60.00% of the scope: 2 of 5 weights are kept',
        'network-sparsity': '10.00%',
        'on-disk': f'{size:,} bytes, {8 * size / 5:.3f} bits a weight',
        'masks': f'digest {digest(MASKS)[:12]}',
        'initial-weights': '../rewind.safetensors (not found), digest ab',
        'parameters': '30',
        'round': '1',
        'settings': 'rounds=2, seed=0',
        'parent': 'c' * 12,
        # by chance both keep 2 * 4 / 5 = 1.6, of 4.4
        'overlap': 'iou=0.5, hamming=0.4, chance_iou=0.3636, chance_hamming=0.56, distance=0.7143',
    }
