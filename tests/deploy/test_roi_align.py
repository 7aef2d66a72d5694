"""The engine's RoIAlign is MMCV's, for any region."""
import pytest
import torch
from hypothesis import given, settings, strategies as st
from mmcv.ops import RoIAlign
from torch import nn

from mmlth.deploy import kernel
from mmlth.deploy.roi_align import FastRoIAlign, replace_roi_aligns

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
    assert replace_roi_aligns(model) == 1
    assert [type(module) for module in model] == [FastRoIAlign, RoIAlign, nn.ReLU]
