"""Ticket and weights files of the tests: whole ones, ones written by hand, spoilt ones."""
import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from mmlth.core import ticket as T
from mmlth.core.mask_coding import pack
from mmlth.core.masks import digest
from mmlth.core.ticket import Ticket, TicketError

MASKS = {'a.weight': torch.tensor([[True, False], [True, True]]), 'b.weight': torch.tensor([False])}
TICKET = Ticket(masks=MASKS, rewind_file='../rewind.safetensors', rewind_digest='ab' * 32,
                provenance=dict(round=1, settings=dict(rounds=4), parent=None))
WEIGHTS = {'a.weight': torch.arange(4.).reshape(2, 2), 'bn.steps': torch.tensor(7)}
KINDS = pytest.mark.parametrize('load, save', [
    pytest.param(T.load_ticket, lambda path: T.save_ticket(TICKET, path), id='ticket'),
    pytest.param(T.load_weights, lambda path: T.save_weights(WEIGHTS, path, step=3), id='weights')])


def write(path, *, masks=MASKS, kind=T.TICKET_FORMAT, version='1', header=None, drop=()):
    """Write a ticket by hand; None as ``header`` describes MASKS, whatever ``masks`` are stored."""
    values = dict(
        shapes={name: list(m.shape) for name, m in MASKS.items()},
        masks_digest=digest(MASKS), rewind_file='r', rewind_digest='d', provenance={})
    if header is None:
        header = json.dumps({k: v for k, v in values.items() if k not in drop})
    packed = {f'mask/{name}': np.frombuffer(pack(m), np.uint8) for name, m in masks.items()}
    header_digest = hashlib.sha256(header.encode()).hexdigest()
    metadata = dict(format=kind, version=version, header=header, header_digest=header_digest)
    save_file(packed, str(path), metadata=metadata)


def flip(path, position, bit=1):
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)


def header_size(path):
    return 8 + int.from_bytes(path.read_bytes()[:8], 'little')


def assert_refused(load, path, message, error=TicketError):
    before = path.read_bytes()
    with pytest.raises(error, match=message) as raised:
        load(path)
    assert path.name in str(raised.value)
    assert path.read_bytes() == before
