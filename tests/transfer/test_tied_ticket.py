"""Tickets of models with tied weights and copies: what is written can be rewound to."""
import logging
from types import SimpleNamespace

import pytest
import torch
import toys
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from mmlth.core.masks import digest
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket, save_ticket, save_weights
from mmlth.engine.config_files import load_config
from mmlth.engine.hooks import TicketHook
from mmlth.engine.net import read_net
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap
from mmlth.transfer.mapping import Choice
from mmlth.transfer.tickets import transfer_ticket


@MODELS.register_module(force=True)
class TiedNet(toys.ToyNet):
    """The toy with two convolutions of one weight, one norm twice, a student and its teacher."""

    def __init__(self):
        super().__init__()
        self.neck = nn.ModuleDict(dict(a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 1)))
        self.neck.b.weight = self.neck.a.weight
        self.norms = nn.ModuleList([nn.BatchNorm2d(3)] * 2)
        self.student = nn.Conv2d(3, 3, 1)
        self.teacher = nn.Conv2d(3, 3, 1).requires_grad_(False)

    def forward(self, inputs, labels, mode='tensor'):
        inputs = [self.student(self.neck.b(self.neck.a(image))) for image in inputs]
        return super().forward(inputs, labels, mode)


SHARED = {'neck.b.weight': 'neck.a.weight', 'teacher.weight': 'student.weight'}


def save_source(folder, weights, masks, **facts):
    folder.mkdir()
    rewind = save_weights(weights, folder / 'w.safetensors', step=0)
    save_ticket(Ticket(masks=masks, rewind_file='w.safetensors', rewind_digest=rewind, **facts),
                folder / 't.safetensors')
    return folder / 't.safetensors'


def assert_is_start_of(ticket, start, model):
    """Assert that w_k is the same under all names and that the model was set to m * w_k."""
    assert all(start[name].equal(start[owner]) for name, owner in ticket.shared.items())
    assert digest(ticket.start(start)) == digest(model.state_dict())


@pytest.mark.parametrize('name', ['neck.a.weight', 'neck.b.weight'])
def test_a_tied_weight_is_carried_whatever_the_source_calls_it(call_tool, tmp_path, name):
    """The source is of before tickets knew further names; its own net needn't have both."""
    weights = TiedNet().state_dict()
    value = weights.pop('neck.a.weight')
    del weights['neck.b.weight'], weights['norms.1.running_mean']
    weights['norms.0.running_mean'] = torch.ones(3)
    masks = {key: weights[key] > 0 for key in ('backbone.conv1.weight', 'student.weight')}
    path = save_source(tmp_path / 's', {**weights, name: value}, {**masks, name: value > 0})
    config = toys.write_config(tmp_path, model=dict(type='TiedNet'))
    call_tool('transfer_ticket.py', path, config, tmp_path / 'o.safetensors')

    ticket = load_ticket(tmp_path / 'o.safetensors')
    start = load_rewind_weights(ticket, tmp_path / 'o.safetensors')
    assert ticket.shared == SHARED and ticket.masks['neck.a.weight'].equal(value > 0)
    assert ticket.groups == {
        'backbone.conv1.weight': 'backbone', 'backbone.conv2.weight': 'backbone',
        'head.fc.weight': 'predictors', 'neck.a.weight': 'neck', 'student.weight': 'other'}
    assert start['neck.b.weight'].equal(value)
    assert start['teacher.weight'].equal(weights['student.weight'])
    assert start['norms.1.running_mean'].equal(torch.ones(3))


def test_a_runner_trains_what_was_written(call_tool, tmp_path):
    weights = TiedNet().state_dict()
    masks = {name: weights[name] > 0 for name in ('neck.a.weight', 'student.weight')}
    path = save_source(tmp_path / 's', weights, masks, shared=SHARED)
    config = toys.write_config(tmp_path, model=dict(type='TiedNet'))
    call_tool('transfer_ticket.py', path, config, tmp_path / 'o.safetensors')

    cfg = Config.fromfile(str(config))
    cfg.custom_hooks = [dict(type='TicketHook', ticket=str(tmp_path / 'o.safetensors'))]
    cfg.work_dir, cfg.experiment_name = str(tmp_path / 'w'), 'tied'
    runner = Runner.from_cfg(cfg)
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, TicketHook))
    start = load_rewind_weights(hook.ticket, tmp_path / 'o.safetensors')
    assert hook.start_digest == digest(hook.ticket.start(start))
    end = unwrap(runner.model).state_dict()
    assert not end['neck.a.weight'].equal(start['neck.a.weight'])
    for name, owner in {**SHARED, **{name: name for name in masks}}.items():
        assert (end[name][~masks[owner]] == 0).all()


TINY = {
    'model.backbone.widen_factor': 0.125, 'model.backbone.init_cfg': None,
    'model.neck.in_channels': [32, 64, 128], 'model.neck.out_channels': 16,
    'model.neck.num_csp_blocks': 1, 'model.bbox_head.in_channels': 16,
    'model.bbox_head.feat_channels': 16, 'model.bbox_head.num_classes': 3}
TOWER = 'bbox_head.cls_convs.{}.0.conv.weight'


def test_rtmdets_towers_share_masks_and_values(tmp_path):
    """Its levels share convolutions alone; the source names one of them by the second level."""
    cfg = load_config('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', TINY)
    weights = read_net(cfg, seed=5).state
    stem = 'backbone.stem.0.conv.weight'
    named = {TOWER.format(0): TOWER.format(1), stem: stem}
    masks = {name: weights[name] > 0 for name in named.values()}
    path = save_source(tmp_path / 's', weights, masks)
    report = transfer_ticket(path, cfg, tmp_path / 'o.safetensors', choice=Choice(leave_out=()))
    assert {row.name for row in report.tensors if row.mask} == set(named)
    assert not report.of_status('surplus') and not report.of_status('missing')

    ticket = load_ticket(tmp_path / 'o.safetensors')
    towers = [TOWER.format(level) for level in range(3)]
    assert [ticket.shared.get(name) for name in towers] == [None, towers[0], towers[0]]
    assert len(ticket.shared) == 8 and ticket.groups[towers[0]] == 'dense_head'
    start = load_rewind_weights(ticket, tmp_path / 'o.safetensors')
    assert all(start[name].equal(weights[name]) for name in weights)

    net = read_net(cfg, seed=0)
    hook = TicketHook(str(tmp_path / 'o.safetensors'))
    optimizer = torch.optim.SGD(net.model.parameters(), lr=0.1)
    hook.before_train(SimpleNamespace(
        model=net.model, iter=0, hooks=[], logger=logging.getLogger('test'),
        optim_wrapper=OptimWrapper(optimizer), visualizer=Visualizer()))
    assert_is_start_of(ticket, start, net.model)
    pruned = net.model.get_parameter(towers[2])[~masks[towers[1]]]
    assert len(pruned) and (pruned == 0).all()
    hook.model.detach()

    plain = read_net(cfg, seed=1).model
    plain.load_state_dict(start)
    PrunedModelWrapper(plain, ticket.masks)
    assert_is_start_of(ticket, start, plain)
