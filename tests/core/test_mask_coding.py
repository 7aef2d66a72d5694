"""Coding of masks: lossless at every density and gap, near the entropy, damage refused."""
import math
import zlib

import numpy as np
import pytest
import torch

from mmlth.core import mask_coding
from mmlth.core.mask_coding import pack, pack_all, unpack, unpack_all


def mask(text):
    """Read '1101' as a bool tensor."""
    return torch.tensor([c == '1' for c in text], dtype=torch.bool)


def with_gap(gap):
    return torch.tensor([True] + [False] * gap + [True] + [False] * 2 * gap)


@pytest.mark.parametrize('m', [
    pytest.param(torch.zeros(0, dtype=torch.bool), id='nothing at all'),
    pytest.param(mask('1'), id='one kept weight'),
    pytest.param(mask('0'), id='one pruned weight'),
    pytest.param(mask('1').reshape(()), id='a scalar'),
    pytest.param(mask('1' * 1000), id='all kept'),
    pytest.param(mask('0' * 1000), id='all pruned'),
    pytest.param(mask('0' * 999 + '1'), id='only the last'),
    pytest.param(mask('110100').reshape(1, 2, 3, 1), id='four dimensions'),
    pytest.param(torch.tensor([[True, False, True], [True, True, False]]).t(),
                 id='transposed view'),
    *[pytest.param(with_gap(gap), id=f'gap of {gap}')
      for gap in (253, 254, 255, 256, 509, 510, 511)],
])
def test_packing_is_undone_by_unpacking(m, monkeypatch):
    for block in (3, 100, 1 << 20):
        monkeypatch.setattr(mask_coding, '_BLOCK', block)
        found = unpack(pack(m), tuple(m.shape))
        assert found.dtype is torch.bool, block
        assert found.shape == m.shape, block
        assert torch.equal(found, m), block


def test_packing_is_undone_at_every_density(monkeypatch):
    monkeypatch.setattr(mask_coding, '_BLOCK', 64)
    rng = np.random.default_rng(0)
    for density in np.linspace(0, 1, 101):
        m = torch.from_numpy(rng.random(700) < density)
        assert torch.equal(unpack(pack(m), (700, )), m), density


def test_packing_takes_about_the_entropy():
    size = 1_000_000
    for sparsity in (0.5, 0.8, 0.9, 0.95):
        density = 1 - sparsity
        m = torch.from_numpy(np.random.default_rng(0).random(size) >= sparsity)
        entropy = -sparsity * math.log2(sparsity) - density * math.log2(density)
        assert 8 * len(pack(m)) <= 1.10 * entropy * size, sparsity


@pytest.mark.parametrize('stream, shape, message', [
    pytest.param(b'', (4, ), 'damaged mask', id='nothing'),
    pytest.param(pack(mask('1000' * 9))[:-3], (36, ), 'damaged mask', id='cut off'),
    pytest.param(pack(mask('0001')), (3, ), r'position 3 is outside shape \(3,\)',
                 id='smaller shape'),
    pytest.param(b'\x01garbage', (4, ), 'damaged mask', id='no stream'),
])
def test_damaged_streams_are_refused(stream, shape, message):
    with pytest.raises(ValueError, match=message):
        unpack(stream, shape)


def test_the_stream_is_the_one_that_tickets_hold():
    gaps = b'\x01\x02'  # 1 pruned before the first kept weight, 2 before the next
    m = mask('01001000')
    stream = pack(m)
    assert stream[:1] == b'\x01'
    assert zlib.decompress(stream[1:], -15) == gaps
    assert zlib.decompress(pack(~m)[1:], -15) == gaps
    assert pack(~m)[:1] == b'\x00'


def test_all_masks_are_coded_by_name():
    masks = {'conv': mask('110100').reshape(1, 2, 3, 1), 'fc': mask('01')}
    streams = pack_all(masks)
    assert {name: (s.dtype, s.ndim) for name, s in streams.items()} == {
        'conv': (torch.uint8, 1), 'fc': (torch.uint8, 1)}
    assert streams['fc'].numpy().tobytes() == pack(masks['fc'])
    found = unpack_all(streams, {'conv': (1, 2, 3, 1), 'fc': [2]})
    assert all(torch.equal(found[name], m) for name, m in masks.items())


def test_a_damaged_stream_is_named():
    streams = pack_all({'fine': mask('01'), 'bad': mask('0001')})
    with pytest.raises(ValueError, match="'bad': damaged mask: position 3 is outside shape"):
        unpack_all(streams, {'fine': (2, ), 'bad': (3, )})
