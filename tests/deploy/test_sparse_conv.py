"""Sparse layers compute what torch does, whatever the shape."""
import functools
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from mmlth.deploy import kernel
from mmlth.deploy.layers import SparseConv2d, SparseLinear
from mmlth.deploy.packing import Blocking, geometry_of

pytestmark = pytest.mark.skipif(not kernel.is_available(), reason='no compiler')

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
BLOCKINGS = st.builds(Blocking, tile=st.sampled_from([1, 3, 8, 12]),
                      block=st.sampled_from([1, 2, 5, 64]))


def sparsify(weight, density):
    with torch.no_grad():
        weight *= torch.rand_like(weight) < density
    return weight


def is_near(found, expected):
    return torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


@st.composite
def convolutions(draw):
    """A sparse convolution and an input that it takes."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group = draw(st.integers(1 if groups == 1 else 2, 7))
    conv = nn.Conv2d(
        groups * per_group, groups * draw(st.integers(1, 5)), kernel_size=draw(PAIRS),
        stride=draw(PAIRS), padding=draw(st.tuples(st.integers(0, 4), st.integers(0, 4))),
        dilation=draw(PAIRS), groups=groups, bias=draw(st.booleans()))
    sparsify(conv.weight, draw(st.sampled_from([0, 0.1, 0.5, 1])))
    smallest = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size)]
    height, width = (low + draw(st.integers(0, 40)) for low in smallest)
    return conv, torch.randn(draw(st.integers(0, 3)), conv.in_channels, height, width)


@settings(max_examples=300, deadline=None)
@given(convolutions(), BLOCKINGS, st.booleans())
@torch.no_grad()
def test_a_convolution_is_that_of_torch(made, blocking, relu):
    conv, x = made
    expected = conv(x).relu() if relu else conv(x)
    found = SparseConv2d(conv, blocking, relu)(x)
    assert found.shape == expected.shape and is_near(found, expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=3), st.integers(1, 70), st.integers(1, 40),
       st.sampled_from([0, 0.1, 1]), BLOCKINGS, st.booleans())
@torch.no_grad()
def test_a_linear_layer_is_that_of_torch(rows, features, outs, density, blocking, relu):
    linear, x = nn.Linear(features, outs), torch.randn(*rows, features)
    sparsify(linear.weight, density)
    expected = linear(x).relu() if relu else linear(x)
    found = SparseLinear(linear, blocking, relu)(x)
    assert found.is_contiguous() and found.shape == expected.shape and is_near(found, expected)


@pytest.mark.parametrize('channels, size', [(64, 33), (3, 130), (40, 100)])
@torch.no_grad()
def test_large_ones_are_cut_into_several_chunks(channels, size):
    conv, x = nn.Conv2d(channels, 30, 3, padding=1), torch.randn(2, channels, size, size)
    sparsify(conv.weight, 0.2)
    sparse = SparseConv2d(conv, Blocking(tile=8, block=16))
    assert is_near(sparse(x), conv(x))
    wider = torch.randn(1, channels, 7, size + 60)
    assert is_near(sparse(wider), conv(wider))


@pytest.mark.parametrize('change', [
    lambda x: x.to(memory_format=torch.channels_last),
    lambda x: x.transpose(2, 3),
    lambda x: x[:, :, ::2, 1::3],
    lambda x: x[:1].expand(3, -1, -1, -1),
])
@torch.no_grad()
def test_inputs_may_lie_in_any_order(change):
    conv, x = nn.Conv2d(6, 4, 3, padding=1), change(torch.randn(2, 6, 20, 24))
    sparsify(conv.weight, 0.3)
    assert is_near(SparseConv2d(conv, Blocking(tile=4, block=4))(x), conv(x))


@torch.no_grad()
def test_the_sum_can_be_done_in_the_head():
    conv = nn.Conv2d(1, 1, 2)
    conv.weight.copy_(torch.tensor([[[[0., 10.], [1., 0.]]]]))
    conv.bias.fill_(100)
    x = torch.arange(9.).reshape(1, 1, 3, 3)
    found = SparseConv2d(conv, Blocking(tile=1, block=1))(x)
    assert found.tolist() == [[[[113, 124], [146, 157]]]]


@torch.no_grad()
def test_two_threads_may_call_one_layer_at_once():
    conv = nn.Conv2d(16, 16, 3, padding=1)
    sparsify(conv.weight, 0.2)
    sparse = SparseConv2d(conv, Blocking(tile=4, block=8))
    inputs = [torch.randn(1, 16, 30, 20 + i % 40) for i in range(80)]
    expected = [conv(x) for x in inputs]
    with ThreadPoolExecutor(2) as pool:
        assert all(map(is_near, pool.map(sparse, inputs), expected))


@pytest.mark.parametrize('x, message', [
    (torch.zeros(1, 3, 8, 8), 'an input of 3 channels, not 4'),
    (torch.zeros(1, 4, 2, 8), 'is too small'),
    (torch.zeros(1, 4, 8, 8, dtype=torch.float64), 'needs float32 of 4 dimensions'),
    (torch.zeros(4, 8, 8), 'needs float32 of 4 dimensions'),
])
def test_other_inputs_are_refused(x, message):
    sparse = SparseConv2d(nn.Conv2d(4, 2, 3), Blocking(tile=1, block=4))
    with pytest.raises(RuntimeError, match=message):
        sparse(x)


@pytest.mark.parametrize('x', [torch.zeros(2, 5), torch.zeros(2, 4).double()])
def test_other_matrices_are_refused(x):
    with pytest.raises(RuntimeError, match='an input of 5 channels|needs float32'):
        SparseLinear(nn.Linear(4, 2), Blocking(tile=1, block=4))(x)


@pytest.mark.parametrize('keywords', [
    dict(groups=4), dict(padding=1, padding_mode='reflect'), dict(padding='same')])
def test_what_the_kernel_does_not_serve_is_said(keywords):
    conv = nn.Conv2d(4, 4, 3, **keywords)
    assert geometry_of(conv) is None
    with pytest.raises(ValueError, match='no sparse kernel'):
        SparseConv2d(conv, Blocking(tile=1, block=1))


def test_without_a_compiler_a_warning_says_so_once(monkeypatch, tmp_path, caplog):
    def fail(*args, **keywords):
        raise RuntimeError('no c++ here\nand so on')
    monkeypatch.setenv('TORCH_EXTENSIONS_DIR', str(tmp_path))
    monkeypatch.setattr(kernel.cpp_extension, 'load', fail)
    # Not cleared: where this process has built the kernels, a second load of them would abort it.
    monkeypatch.setattr(kernel, '_load', functools.cache(kernel._load.__wrapped__))
    with caplog.at_level(logging.WARNING, 'mmlth.deploy.kernel'):
        assert [kernel.is_available() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1 and 'no c++ here' in caplog.text and 'torch' in caplog.text
    assert 'mmlth deploy --build-only' in caplog.text


def test_a_build_that_fails_is_an_error(monkeypatch):
    monkeypatch.setattr(kernel, 'is_available', lambda: False)
    with pytest.raises(RuntimeError, match='was not built: this needs'):
        kernel.build()
