"""The engine's RoIAlign is MMCV's, for any region; its max pooling is torch's, bit for bit."""
import pytest
import torch
from hypothesis import given, settings, strategies as st
from mmcv.ops import RoIAlign
from torch import nn

from mmlth.deploy import kernel
from mmlth.deploy.pooling import FastMaxPool2d, FastRoIAlign, replace, replace_pooling

pytestmark = pytest.mark.skipif(not kernel.is_available(), reason='no compiler')

NUMBERS = st.floats(-20, 90, width=32)


@st.composite
def regions(draw, images):
    """Regions of any place and size, inside the image or not."""
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        (x0, x1), (y0, y1) = (sorted([draw(NUMBERS), draw(NUMBERS)]) for _ in range(2))
        rows.append([draw(st.integers(0, images - 1)), x0, y0, x1, y1])
    return torch.tensor(rows).reshape(-1, 5).float()


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 40), st.integers(1, 15), st.integers(1, 15),
       st.sampled_from([0, 1, 2]), st.booleans())
def test_it_is_that_of_mmcv(data, images, channels, height, width, ratio, aligned):
    rois = data.draw(regions(images))
    given_one = RoIAlign((data.draw(st.integers(1, 7)), 3), 0.25, ratio, 'avg', aligned)
    x = torch.randn(images, channels, height, width)
    found = FastRoIAlign(given_one)(x, rois)
    assert torch.allclose(found, given_one(x, rois), atol=1e-5)


def test_the_features_may_lie_in_any_order():
    given_one = RoIAlign(7, 1.0, 0)
    x, rois = torch.randn(2, 5, 20, 30).transpose(2, 3), torch.tensor([[1., 2, 3, 14, 25]])
    found = FastRoIAlign(given_one)(x, rois)
    assert torch.allclose(found, given_one(x.contiguous(), rois), atol=1e-5)


@pytest.mark.parametrize('x, rois, message', [
    (torch.zeros(1, 2, 4, 4).double(), torch.zeros(1, 5), 'needs N x C x H x W float32'),
    (torch.zeros(1, 2, 4, 4), torch.zeros(1, 4), 'needs regions of R x 5'),
    (torch.zeros(1, 2, 4, 4), torch.tensor([[1., 0, 0, 1, 1]]), 'region of image 1 of 1'),
    (torch.zeros(1, 2, 4, 4), torch.tensor([[-1., 0, 0, 1, 1]]), 'region of image -1 of 1'),
    (torch.zeros(1, 2, 4, 4), torch.full((1, 5), float('nan')), 'region 0 is not finite'),
])
def test_other_inputs_are_refused(x, rois, message):
    with pytest.raises(RuntimeError, match=message):
        FastRoIAlign(RoIAlign(7, 1.0, 0))(x, rois)


def test_only_means_are_replaced():
    model = nn.ModuleList([RoIAlign(7, 1.0, 0), RoIAlign(7, 1.0, 0, 'max'), nn.ReLU()])
    assert replace(model, FastRoIAlign) == 1
    assert [type(module) for module in model] == [FastRoIAlign, RoIAlign, nn.ReLU]


@st.composite
def max_pools(draw):
    kernel = draw(st.tuples(st.integers(1, 13), st.integers(1, 13)))
    padding = tuple(draw(st.integers(0, size // 2)) for size in kernel)
    return nn.MaxPool2d(kernel, draw(st.none() | st.integers(1, 4)), padding)


@settings(max_examples=200, deadline=None)
@given(max_pools(), st.integers(1, 3), st.integers(1, 4), st.integers(0, 20), st.integers(0, 40))
def test_max_pooling_is_that_of_torch(pool, images, channels, height, width):
    x = torch.randn(images, channels, pool.kernel_size[0] + height, pool.kernel_size[1] + width)
    x[0, 0, height // 2, width // 2] = float('nan')
    x[-1, -1, height, width] = -float('inf')
    expected, found = pool(x), FastMaxPool2d(pool)(x)
    assert torch.equal(expected.isnan(), found.isnan())
    assert torch.equal(expected.nan_to_num(), found.nan_to_num())


def test_max_pooling_takes_any_memory_format_and_refuses_other_inputs():
    pool = nn.MaxPool2d(3, 2, 1)
    x = torch.randn(2, 16, 30, 20).contiguous(memory_format=torch.channels_last)
    assert torch.equal(FastMaxPool2d(pool)(x), pool(x))
    for other, message in ((x.double(), 'needs N x C x H x W float32'),
                           (x[0], 'needs N x C x H x W float32'),
                           (torch.zeros(1, 1, 0, 5), 'is too small')):
        with pytest.raises(RuntimeError, match=message):
            FastMaxPool2d(pool)(other)


def test_only_plain_max_pooling_is_replaced():
    model = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2, ceil_mode=True),
                          nn.MaxPool2d(2, dilation=2), nn.MaxPool2d(2, return_indices=True))
    replace_pooling(model)
    assert [type(module) for module in model] == [FastMaxPool2d, *[nn.MaxPool2d] * 3]
