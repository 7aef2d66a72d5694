"""What a net knows of itself before its first step."""

import pytest
import torch
import toys
from mmengine.config import Config
from mmengine.registry import MODELS

from mmlth.core.layout import Layout
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.net import drawn_anew, read_net


@MODELS.register_module()
class FrozenInTrain(toys.ToyNet):
    """Freezes its first layer when it is put into training mode, as Swin and CSPDarknet do."""

    def train(self, mode=True):
        super().train(mode)
        if hasattr(self, 'head'):
            self.backbone.conv1.weight.requires_grad_(False)
        return self


def frozen(cfg):
    return [w.name for w in read_net(cfg, 0).weights if w.frozen]


def test_what_train_freezes_or_no_learning_rate_moves_is_frozen(toy_cfg):
    assert frozen(toy_cfg) == []
    toy_cfg.model.type = 'FrozenInTrain'
    assert frozen(toy_cfg) == ['backbone.conv1.weight']
    toy_cfg.optim_wrapper.paramwise_cfg = dict(
        custom_keys={'head': dict(lr_mult=0.0), 'conv2': dict(lr_mult=0.1)}
    )
    assert frozen(toy_cfg) == ['backbone.conv1.weight', 'head.fc.weight']


def test_frozen_tensors_are_kept_where_that_is_asked_for(toy_cfg, run_imp, tmp_path):
    toy_cfg.model.type = 'FrozenInTrain'
    summary = run_imp(toy_cfg, tmp_path / 'job', frozen='keep', rounds=1)
    assert list(summary.rounds[1]['layer_density']) == ['backbone.conv2.weight', 'head.fc.weight']


def test_an_optimizer_that_cannot_be_built_is_refused(toy_cfg, run_imp, tmp_path):
    toy_cfg.optim_wrapper.optimizer = dict(type='SGD', learning_rate=0.1)
    with pytest.raises(
        ValueError, match='optim_wrapper of the config cannot be built: .*learning_rate'
    ):
        run_imp(toy_cfg, tmp_path / 'job')
    assert not (tmp_path / 'job').exists()


@pytest.fixture
def pretrained(toy_cfg, tmp_path):
    """A toy config that loads a backbone, of ones, from a checkpoint of a larger training."""
    state = {
        f'module.{k}': torch.ones_like(v)
        for k, v in toys.ToyNet().state_dict().items()
        if 'backbone' in k
    }
    torch.save(dict(state_dict=state), tmp_path / 'pretrained.pth')
    toy_cfg.load_from = str(tmp_path / 'pretrained.pth')
    return toy_cfg


def test_load_from_is_part_of_the_initial_state(pretrained):
    for state in (read_net(pretrained, 0).state, drawn_anew(pretrained, 0, 1)):
        assert (state['backbone.conv2.weight'] == 1).all() and not (
            state['head.fc.weight'] == 1
        ).all()
    assert not torch.equal(
        read_net(pretrained, 0).state['head.fc.weight'],
        drawn_anew(pretrained, 0, 1)['head.fc.weight'],
    )


def test_a_reinit_control_keeps_what_its_ticket_was_loaded_with(pretrained, run_imp, tmp_path):
    summary = run_imp(pretrained, tmp_path / 'job', rounds=1, controls=['reinit'])
    layout = Layout(tmp_path / 'job')
    start = load_weights(layout.start(1, 'reinit'))
    w_0 = load_weights(layout.rewind)
    assert torch.equal(start['backbone.conv1.weight'], w_0['backbone.conv1.weight'])
    assert (start['backbone.conv1.weight'] == 1).all()
    assert not torch.equal(start['head.fc.weight'], w_0['head.fc.weight'])
    assert summary.controls[0]['policies']['rewind'] == 'reinit'
    assert load_ticket(layout.ticket(1, 'reinit')).rewind_file == 'start.safetensors'


def test_the_preview_ranks_what_is_loaded(pretrained):
    from mmlth.job import preflight
    from mmlth.settings.imp_config import IMPConfig

    plan = preflight.plan(
        read_net(pretrained, 0), IMPConfig(scope='all', rounds=1, target_sparsity=0.04)
    )
    assert plan.magnitudes['backbone.conv1.weight'] == 1.0
    assert plan.previews['backbone.conv1.weight'] == 1.0 and plan.previews['head.fc.weight'] < 0.2


def test_a_load_from_that_fits_nothing_is_refused(toy_cfg, run_imp, tmp_path):
    torch.save(dict(state_dict={'encoder.weight': torch.ones(1)}), tmp_path / 'other.pth')
    toy_cfg.load_from = str(tmp_path / 'other.pth')
    with pytest.raises(
        ValueError, match=r"load_from=.*holds no tensor of the model.*\['encoder.weight'\]"
    ):
        run_imp(toy_cfg, tmp_path / 'job')


@MODELS.register_module()
class PretrainedNet(toys.ToyNet):
    def __init__(self, checkpoint):
        super().__init__()
        self.init_cfg = dict(type='Pretrained', checkpoint=checkpoint)


@pytest.mark.parametrize('prefix', ['', 'detector.'])
def test_an_init_cfg_that_loads_nothing_is_refused(toy_cfg, tmp_path, prefix):
    state = {f'{prefix}{name}': w + 1.5 for name, w in toys.ToyNet().state_dict().items()}
    path = str(tmp_path / 'other.pth')
    torch.save(dict(state_dict=state), path)
    toy_cfg.model = dict(type='PretrainedNet', checkpoint=path)
    if prefix:
        with pytest.raises(ValueError, match='init_cfg of the model loads nothing: .*a prefix='):
            read_net(toy_cfg, 0)
    else:
        conv1 = 'backbone.conv1.weight'
        assert torch.equal(read_net(toy_cfg, 0).state[conv1], state[conv1])


def test_a_load_from_of_other_shapes_alone_is_refused(toy_cfg, tmp_path):
    state = dict.fromkeys(toys.NAMES, torch.ones(2, 2))
    torch.save(state | dict(epoch=3), tmp_path / 'other.pth')
    toy_cfg.load_from = str(tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='holds no tensor of the model, of equal name and shape'):
        read_net(toy_cfg, 0)


def test_reading_a_net_leaves_the_config_alone(toy_cfg):
    before = Config(toy_cfg.to_dict()).to_dict()
    read_net(toy_cfg, 0)
    assert toy_cfg.to_dict() == before
