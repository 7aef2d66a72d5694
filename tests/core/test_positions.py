"""Uses of weights, against the operations that torch itself counts."""
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmlth.core.positions import PositionCounter, read_positions


class Detector(nn.Module):
    """A head that is shared by two levels, a linear layer on every proposal."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.head = nn.Conv2d(8, 3, 1)
        self.fc = nn.Linear(3, 5)
        self.query = nn.Embedding(9, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, images):
        x = self.norm(self.grouped(self.stem(images)))
        levels = [self.head(x), self.head(x[..., ::2, ::2])]
        self.up(x)
        self.query(torch.zeros(1, dtype=torch.int64))
        proposals = levels[0].flatten(2).transpose(1, 2)[:, :10]  # ten an image
        return [dict(scores=one) for one in self.fc(proposals)]


def test_positions_times_weights_are_half_of_torchs_flops():
    model = Detector().eval()
    with PositionCounter(model) as counter, FlopCounterMode(display=False) as flops, \
            torch.no_grad():
        model(torch.rand(2, 4, 16, 16))
        model(torch.rand(1, 4, 16, 16))
    mean = counter.mean()
    assert 2 * 3 * sum(count * size for count, size in mean.values()) == flops.get_total_flops()
    assert mean['head.weight'] == [8 * 8 + 4 * 4, 24] and mean['fc.weight'] == [10, 15]
    assert set(mean) == {f'{name}.weight' for name in ('stem', 'grouped', 'up', 'head', 'fc')}


def test_hooks_end_with_the_block():
    model = Detector().eval()
    with PositionCounter(model) as counter, torch.no_grad():
        model(torch.rand(1, 4, 16, 16))
    before = counter.mean()
    model(torch.rand(2, 4, 32, 32))
    assert counter.mean() == before and not any(m._forward_hooks for m in model.modules())


def test_a_damaged_file_is_named(tmp_path):
    for number, content in enumerate(('{', '[]', '{"w": "many"}')):
        path = tmp_path / f'{number}.json'
        path.write_text(content)
        with pytest.raises(ValueError, match=path.name):
            read_positions(path)


def test_no_image_is_no_count():
    assert PositionCounter(Detector()).mean() == {}
