"""A damaged, foreign or newer file is never believed, and nothing in one is unpickled."""
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from ticket_files import (
    KINDS,
    MASKS,
    TICKET,
    WEIGHTS,
    assert_refused,
    flip,
    header_size,
    write,
)

from mmlth.core import ticket as T
from mmlth.core.masks import digest
from mmlth.core.ticket import TicketError


@KINDS
def test_every_truncation_is_refused(tmp_path, load, save):
    path = tmp_path / 'file'
    save(path)
    data = path.read_bytes()
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        assert_refused(load, path, 'truncated, damaged or not a safetensors file')


@pytest.mark.parametrize('masks, message', [
    pytest.param({**MASKS, 'b.weight': torch.tensor([True])}, 'differ from their stored digest',
                 id='other masks'),
    pytest.param({'a.weight': MASKS['a.weight']},
                 r"missing: \['b\.weight'\], surplus: \[\]", id='missing'),
    pytest.param({**MASKS, 'c': MASKS['b.weight']},
                 r"missing: \[\], surplus: \['mask/c'\]", id='surplus'),
    pytest.param(
        {**MASKS, 'b.weight': torch.tensor([False, True])}, 'outside shape', id='larger mask'),
])
def test_masks_that_are_not_those_of_the_header(tmp_path, masks, message):
    write(tmp_path / 't', masks=masks)
    assert_refused(T.load_ticket, tmp_path / 't', message)


def test_a_flipped_bit_in_the_data_of_a_ticket_never_changes_the_masks(tmp_path):
    path = tmp_path / 't'
    T.save_ticket(TICKET, path)
    data, start = path.read_bytes(), header_size(path)
    refused = 0
    for position in range(start, len(data)):
        for bit in range(8):
            path.write_bytes(data)
            flip(path, position, 1 << bit)
            try:
                assert digest(T.load_ticket(path).masks) == digest(MASKS)  # padding of the stream
            except TicketError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 4 * (len(data) - start)


def test_a_flipped_bit_that_still_decodes_fails_the_digest(tmp_path):
    path = tmp_path / 't'
    T.save_ticket(TICKET, path)
    flip(path, header_size(path))  # tells kept from pruned: now it is the inverse mask
    assert_refused(T.load_ticket, path, 'masks differ from their stored digest')


def test_a_flipped_bit_in_weights_fails_the_digest(tmp_path):
    path = tmp_path / 'w'
    T.save_weights(WEIGHTS, path, step=0)
    flip(path, -1)
    assert_refused(T.load_weights, path, 'weights differ from their stored digest')


@pytest.mark.parametrize('kwargs', [
    pytest.param(dict(drop=['shapes']), id='no shapes'),
    pytest.param(dict(drop=['provenance']), id='no provenance'),
    pytest.param(dict(header='{"shapes": '), id='half a header'),
])
def test_a_damaged_header_is_refused(tmp_path, kwargs):
    write(tmp_path / 't', **kwargs)
    assert_refused(T.load_ticket, tmp_path / 't', 'damaged')


@KINDS
def test_a_foreign_safetensors_file_is_refused(tmp_path, load, save):
    save_file({'w': np.zeros(2)}, str(tmp_path / 'foreign'))
    assert_refused(load, tmp_path / 'foreign', 'foreign file: format None')


def test_a_ticket_is_not_a_weights_file_nor_the_other_way_round(tmp_path):
    T.save_ticket(TICKET, tmp_path / 't')
    T.save_weights(WEIGHTS, tmp_path / 'w', step=0)
    assert_refused(T.load_weights, tmp_path / 't', "format 'mmlth.ticket', but 'mmlth.weights'")
    assert_refused(T.load_ticket, tmp_path / 'w', "format 'mmlth.weights', but 'mmlth.ticket'")


@pytest.mark.parametrize('kind, load', [(T.TICKET_FORMAT, T.load_ticket),
                                        (T.WEIGHTS_FORMAT, T.load_weights)])
def test_a_future_version_asks_for_an_update(tmp_path, kind, load):
    write(tmp_path / 't', kind=kind, version='2')
    message = f"version 2 of '{kind}'; this mmlth reads version 1. Update"
    assert_refused(load, tmp_path / 't', message)


@KINDS
@pytest.mark.parametrize('dump', [
    pytest.param(lambda path: torch.save(WEIGHTS, path), id='torch.save'),
    pytest.param(lambda path: path.write_bytes(pickle.dumps({'a': 1})), id='pickle')])
def test_a_renamed_pickle_is_refused(tmp_path, load, save, dump):
    dump(tmp_path / 'pickle')
    assert_refused(load, tmp_path / 'pickle', 'not a safetensors file|is a checkpoint')


@KINDS
def test_a_missing_file_is_named(tmp_path, load, save):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        load(tmp_path / 'nowhere')


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError('unpickled')

    (tmp_path / 'round_01').mkdir()
    stored = T.save_weights(WEIGHTS, tmp_path / 'rewind.safetensors', step=0)
    path = tmp_path / 'round_01' / 't'
    T.save_ticket(dataclasses.replace(TICKET, rewind_digest=stored), path)
    torch.save(WEIGHTS, tmp_path / 'pickle')
    for name in ('load', 'loads', 'Unpickler'):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, 'load', refuse)
    T.load_rewind_weights(T.load_ticket(path), path)
    for load in (T.load_ticket, T.load_weights):
        assert_refused(load, tmp_path / 'pickle', 'not a safetensors file|is a checkpoint')
