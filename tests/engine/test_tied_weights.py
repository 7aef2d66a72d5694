"""One storage under several names, and a teacher that follows a student: one mask, one start."""
import copy

import pytest
import torch
import toys
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from torch import nn

from mmlth.core.checkpoints import load_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import kept
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.export import export_ticket
from mmlth.engine.net import read_net
from mmlth.engine.settings import IMPConfig
from mmlth.engine.wrapper import PrunedModelWrapper


@MODELS.register_module()
class TiedNet(toys.ToyNet):
    """A toy whose second convolution is used twice, under two names, as RTMDet's tied towers are."""

    def __init__(self):
        super().__init__()
        self.backbone.again = nn.Module()
        self.backbone.again.conv = self.backbone.conv2

    def forward(self, inputs, labels, mode='tensor'):
        return super().forward(inputs, labels, mode)


@MODELS.register_module()
class MeanTeacherNet(toys.ToyNet):
    """A student that is trained and a frozen teacher of its shape that is evaluated."""

    def __init__(self):
        super().__init__()
        del self.backbone, self.head
        self.student, self.teacher = toys.ToyNet(), toys.ToyNet()
        for parameter in self.teacher.parameters():
            parameter.requires_grad_(False)

    def forward(self, inputs, labels, mode='tensor'):
        net = self.teacher if mode == 'predict' else self.student
        return net(inputs, labels, mode)


@HOOKS.register_module()
class ToyMeanTeacherHook(Hook):
    """Copies the student before training and follows it slowly, as MMDet's MeanTeacherHook does."""

    def before_train(self, runner):
        if runner.iter == 0:
            self._follow(runner.model, 1)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._follow(runner.model, 0.1)

    @staticmethod
    def _follow(model, momentum):
        for a, b in zip(model.student.parameters(), model.teacher.parameters()):
            b.data.mul_(1 - momentum).add_(a.data, alpha=momentum)


def config(tmp_path, kind, **overrides):
    return Config.fromfile(str(toys.write_config(tmp_path, model=dict(type=kind), **overrides)))


TIED = 'backbone.again.conv.weight'


def test_a_net_knows_all_names_of_a_weight_and_counts_it_once(tmp_path):
    net = read_net(config(tmp_path, 'TiedNet'), 0)
    assert net.shared[TIED] == 'backbone.conv2.weight' and net.parameters == 1476
    weights = {w.name: w for w in net.weights}
    assert weights['backbone.conv2.weight'].aliases == (TIED, ) and TIED not in weights


def test_tied_weights_are_pruned_rewound_and_exported_under_every_name(tmp_path, run_imp):
    summary = run_imp(config(tmp_path, 'TiedNet'), tmp_path / 'job', controls=['shuffle', 'reinit'])
    assert [r['round'] for r in summary.rounds] == [0, 1, 2] and len(summary.controls) == 2
    layout = Layout(tmp_path / 'job')
    for record in [*summary.rounds[1:], *summary.controls]:
        ticket = load_ticket(layout.work_dir / record['ticket'])
        mask = ticket.masks['backbone.conv2.weight']
        assert ticket.shared == {TIED: 'backbone.conv2.weight'} and TIED not in ticket.masks
        assert record['kept'] == kept(ticket.masks) < record['scope_size'] == 1432
        state = load_state(layout.work_dir / record['checkpoint'])
        for name in ('backbone.conv2.weight', TIED):
            assert not state[name][~mask].any() and state[name][mask].any()


@pytest.mark.parametrize('weights', ['initial', 'trained'])
def test_an_export_is_masked_under_every_name(tmp_path, run_imp, weights):
    run_imp(config(tmp_path, 'TiedNet'), tmp_path / 'job', rounds=1)
    path = Layout(tmp_path / 'job').ticket(1)
    export_ticket(path, tmp_path / 'plain.pth', weights=weights)
    state, mask = load_state(tmp_path / 'plain.pth'), load_ticket(path).masks['backbone.conv2.weight']
    assert not state[TIED][~mask].any()
    assert torch.equal(state[TIED], state['backbone.conv2.weight'])


def test_the_wrapper_masks_a_storage_that_two_parameters_hold():
    net = nn.Module()
    net.a, net.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    net.b.weight.data = net.a.weight.data  # two parameters, one storage
    mask = torch.tensor([[True, False], [False, True]])
    wrapped = PrunedModelWrapper(net, {'a.weight': mask})
    optimizer = wrapped.guard(torch.optim.SGD(wrapped.parameters(), 0.1, momentum=0.9))
    (net.a(torch.ones(1, 2)).sum() + net.b(torch.ones(1, 2)).sum()).backward()
    assert not net.a.weight.grad[~mask].any() and not net.b.weight.grad[~mask].any()
    optimizer.step()
    assert not net.a.weight[~mask].any() and net.a.weight[mask].all()


def of_teacher(tmp_path, **overrides):
    hooks = [dict(type='ToyMeanTeacherHook'), *overrides.pop('custom_hooks', [])]
    return config(tmp_path, 'MeanTeacherNet', custom_hooks=hooks, **overrides)


def test_a_teacher_takes_masks_and_start_of_its_student(tmp_path, run_imp):
    summary = run_imp(of_teacher(tmp_path, custom_hooks=[dict(type='EMAHook', momentum=0.1)]),
                      tmp_path / 'job', keep='all')
    layout = Layout(tmp_path / 'job')
    w_k = load_weights(layout.rewind)
    # Captured after the student was copied, and rewound after it too.
    assert torch.equal(w_k['teacher.backbone.conv1.weight'], w_k['student.backbone.conv1.weight'])
    for record in summary.rounds:
        assert record['scope_size'] == 1432 and record['parameters'] == 1476
        ticket = load_ticket(layout.work_dir / record['ticket'])
        assert all(name.startswith('student.') for name in ticket.masks)
        assert set(ticket.shared.values()) == set(ticket.masks)
        checkpoint = load_checkpoint(layout.work_dir / record['checkpoint'])
        for state, prefix in ((checkpoint['state_dict'], ''), (checkpoint['ema_state_dict'], 'module.')):
            for name, mask in ticket.all_masks.items():
                assert not state[prefix + name][~mask].any(), (record['round'], name)
                assert state[prefix + name][mask].any(), (record['round'], name)


def test_a_rewound_teacher_begins_at_the_masked_start_of_its_student(tmp_path, run_imp):
    seen = []

    @HOOKS.register_module(force=True)
    class Look(Hook):
        def before_train_epoch(self, runner):
            seen.append({k: v.clone() for k, v in runner.model.state_dict().items()})
    run_imp(of_teacher(tmp_path, custom_hooks=[dict(type='Look')]), tmp_path / 'job', rounds=1, rewind=4)
    layout = Layout(tmp_path / 'job')
    expected = load_ticket(layout.ticket(1)).start(load_weights(layout.rewind))
    first_of_round_1 = seen[3]  # of three epochs each
    assert all(torch.equal(first_of_round_1[name], t) for name, t in expected.items())


def test_a_killed_job_with_a_teacher_ends_the_same(tmp_path, run_imp):
    cfg = of_teacher(tmp_path)
    whole = run_imp(copy.deepcopy(cfg), tmp_path / 'a', rounds=1)

    @HOOKS.register_module(force=True)
    class StopHere(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if 'round_01' in runner.work_dir and runner.iter + 1 == 6 and not killed:
                killed.append(True)
                raise KeyboardInterrupt
    killed = []
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='StopHere')]
    with pytest.raises(KeyboardInterrupt):
        run_imp(copy.deepcopy(cfg), tmp_path / 'b', rounds=1)
    found = run_imp(copy.deepcopy(cfg), tmp_path / 'b', rounds=1)
    assert [r['digests'] for r in found.rounds] == [r['digests'] for r in whole.rounds]


def test_settings_of_the_scope_name_students_only(tmp_path):
    net = read_net(of_teacher(tmp_path), 0)
    assert net.choose(IMPConfig(scope='all')) == (
        'student.backbone.conv1.weight', 'student.backbone.conv2.weight', 'student.head.fc.weight')
