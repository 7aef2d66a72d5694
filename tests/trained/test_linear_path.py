"""Statistics measured again, and the training loss, against numpy and torch by hand."""
import pytest
import torch
import toys
from mmengine.registry import MODELS
from torch import nn

from mmlth.core.masks import digest
from mmlth.trained.linear_path import (
    draw_batches,
    mean_loss,
    measure_statistics,
    updated_statistics,
    walk,
)


@MODELS.register_module()
class PlainNet(toys.ToyNet):
    """A toy without batch normalisation."""

    def __init__(self):
        super().__init__()
        self.backbone.bn = nn.Identity()


@MODELS.register_module()
class NormEvalNet(toys.ToyNet):
    """A toy that freezes its statistics in .train(), as norm_eval=True does; one layer is idle."""

    def __init__(self):
        super().__init__()
        self.idle = nn.BatchNorm2d(3)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.bn.eval()
        return self


def batches_of(count, length=32):
    loader = dict(toys.toy_loader(shuffle=True, length=length), drop_last=True)
    return draw_batches(toys.Config(dict(train_dataloader=loader)), count, seed=3)


def test_statistics_are_the_mean_over_batches():
    model, batches = toys.ToyNet(), batches_of(3)
    start = digest({k: v for k, v in model.state_dict().items() if 'running' not in k
                    and 'tracked' not in k})
    with torch.no_grad():
        seen = [model.backbone.conv1(torch.stack(batch['inputs'])) for batch in batches]
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variances = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    layers = updated_statistics(model)
    measure_statistics(model, layers, batches, seed=0)
    bn = model.backbone.bn
    assert layers == [bn] and bn.momentum == 0.1 and bn.num_batches_tracked == 3
    torch.testing.assert_close(bn.running_mean, means)
    torch.testing.assert_close(bn.running_var, variances)
    assert start == digest({k: v for k, v in model.state_dict().items() if 'running' not in k
                            and 'tracked' not in k})


def test_frozen_statistics_and_those_that_no_batch_reaches_stay():
    model = NormEvalNet()
    model.idle.running_mean.fill_(5)
    before = digest(model.state_dict())
    layers = updated_statistics(model)
    measure_statistics(model, layers, batches_of(2), seed=0)
    assert layers == [model.idle] and digest(model.state_dict()) == before


def test_the_loss_uses_running_statistics_and_changes_nothing():
    model, batches = toys.ToyNet(dropout=0.0), batches_of(2)
    model.backbone.bn.running_mean.normal_()
    before = digest(model.state_dict())
    found = mean_loss(model, batches, seed=0)
    assert digest(model.state_dict()) == before
    model.eval()
    with torch.no_grad():
        expected = [model(**batch, mode='loss')['loss'].item() for batch in batches]
    assert found == pytest.approx(sum(expected) / 2)


def test_batches_go_on_into_further_epochs_and_are_the_same_again():
    first, again = batches_of(6, length=16), batches_of(6, length=16)  # 2 an epoch
    labels = [sorted(torch.stack(b['labels']).tolist() + torch.stack(c['labels']).tolist())
              for b, c in zip(first[::2], first[1::2])]
    assert labels == [sorted(list(range(4)) * 4)] * 3
    assert all(torch.equal(torch.stack(a['inputs']), torch.stack(b['inputs']))
               for a, b in zip(first, again))
    assert not torch.equal(first[0]['inputs'][0], first[2]['inputs'][0])


def test_a_loader_without_batches_is_refused():
    with pytest.raises(ValueError, match='gives no batch, but 2 are needed'):
        batches_of(2, length=4)  # half a batch, which is dropped


@pytest.mark.parametrize('kind, bn_batches, again', [
    ('ToyNet', 2, 2), ('ToyNet', 0, 0), ('PlainNet', 2, 0)])
def test_a_walk_measures_statistics_only_where_there_are_any(
        toy_cfg, tmp_path, kind, bn_batches, again):
    toy_cfg.model = dict(type=kind)
    a, b = MODELS.build(toy_cfg.model).state_dict(), MODELS.build(toy_cfg.model).state_dict()
    points, ends = walk(toy_cfg, a, b, [0, 0.5, 1], work_dir=str(tmp_path / 'w'),
                        bn_batches=bn_batches, loss_batches=2)
    assert len(ends) == again
    assert [p['reestimated'] for p in points] == [False, bool(again), False]
    assert all(p['metrics'].keys() == {'toy/mAP'} and p['loss'] > 0 for p in points)
    if again:  # untrained statistics, mean 0 and variance 1, are none of the data's
        assert ends[0]['loss'] != points[0]['loss']


def test_a_net_of_another_model_is_refused_by_name(toy_cfg, tmp_path):
    state = PlainNet().state_dict()
    with pytest.raises(ValueError, match='first net does not fit the model: missing backbone.bn'):
        walk(toy_cfg, state, state, [0, 1], work_dir=str(tmp_path / 'w'))


class DropPath(nn.Module):
    """Drops whole samples, as mmcv's of this name."""

    def forward(self, x):
        return x * (torch.rand(len(x), 1) > 0.5) if self.training else x


@pytest.mark.parametrize('layer', [nn.Dropout(0.5), DropPath()], ids=str)
def test_nothing_is_dropped_in_the_loss(layer):
    class Net(toys.ToyNet):
        def __init__(self):
            super().__init__(dropout=0.0)
            self.head.fc = nn.Sequential(layer, self.head.fc)

    torch.manual_seed(0)
    model, batches = Net(), batches_of(2)
    assert mean_loss(model, batches, seed=0) == mean_loss(model, batches, seed=1)
