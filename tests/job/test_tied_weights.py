"""One storage under several names, and a teacher that follows a student: one mask, one start."""
import copy
from typing import ClassVar

import pytest
import torch
import toys
from conftest import run_job
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn
from toy_training import StopOnce, state_of, toy_runner

from mmlth.core.checkpoints import load_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import digest, kept
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.hooks import CaptureHook
from mmlth.engine.net import read_net
from mmlth.engine.wrapper import PrunedModelWrapper
from mmlth.settings.imp_config import IMPConfig
from mmlth.trained.export import export_ticket

CONV2 = 'backbone.conv2.weight'
TIED = 'backbone.again.conv.weight'


def of_tied(folder):
    return toys.read_config(folder, model=dict(type='TiedConvNet'))


@pytest.fixture(scope='module')
def tied_job(tmp_path_factory):
    """A job of two prunings and two controls, which no test changes: summary and layout."""
    folder = tmp_path_factory.mktemp('tied')
    summary = run_job(of_tied(folder), folder / 'job', controls=['shuffle', 'reinit'])
    return summary, Layout(folder / 'job')


def test_a_net_knows_all_names_of_a_weight_and_counts_it_once(tmp_path):
    net = read_net(of_tied(tmp_path), 0)
    assert net.shared[TIED] == CONV2 and net.parameters == 1476
    weights = {weight.name: weight for weight in net.weights}
    assert weights[CONV2].aliases == (TIED, ) and TIED not in weights


def test_tied_weights_are_pruned_and_rewound_under_every_name(tied_job):
    summary, layout = tied_job
    assert [r['round'] for r in summary.rounds] == [0, 1, 2] and len(summary.controls) == 2
    for record in [*summary.rounds[1:], *summary.controls]:
        ticket = load_ticket(layout.work_dir / record['ticket'])
        mask = ticket.masks[CONV2]
        assert ticket.shared == {TIED: CONV2} and TIED not in ticket.masks
        assert record['kept'] == kept(ticket.masks) < record['scope_size'] == toys.SIZE
        state = load_state(layout.work_dir / record['checkpoint'])
        for name in (CONV2, TIED):
            assert not state[name][~mask].any() and state[name][mask].any()


def test_an_export_is_masked_under_every_name(tied_job, tmp_path):
    _, layout = tied_job
    path = layout.ticket(1)
    mask = load_ticket(path).masks[CONV2]
    for weights in ('initial', 'trained'):
        exported = tmp_path / f'{weights}.pth'
        export_ticket(path, exported, weights=weights)
        state = load_state(exported)
        assert not state[TIED][~mask].any(), weights
        assert torch.equal(state[TIED], state[CONV2]), weights


@pytest.mark.parametrize('rewind', ['init', 3, 'lr'])
def test_a_net_may_gain_names_in_its_first_step(tmp_path, rewind):
    cfg = toys.read_config(tmp_path, model=dict(type='BorrowingNet'))
    summary = run_job(cfg, tmp_path / 'job', rewind=rewind, controls=['shuffle'],
                      control_rounds=[1])
    layout = Layout(tmp_path / 'job')
    assert [r['round'] for r in summary.rounds] == [0, 1, 2]
    mask = load_ticket(layout.ticket(2)).masks[CONV2]
    state = load_state(layout.work_dir / summary.rounds[2]['checkpoint'])
    for name in (CONV2, 'borrowed.weight'):
        assert not state[name][~mask].any() and state[name][mask].any()
    export_ticket(layout.ticket(2), tmp_path / 'initial.pth', weights='initial')
    assert 'borrowed.weight' not in load_state(tmp_path / 'initial.pth')


def test_the_wrapper_masks_a_storage_that_two_parameters_hold():
    net = nn.Module()
    net.a, net.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    a, b = net.a.weight, net.b.weight
    b.data = a.data  # two parameters, one storage
    mask = torch.tensor([[True, False], [False, True]])
    wrapped = PrunedModelWrapper(net, {'a.weight': mask})
    optimizer = wrapped.guard(torch.optim.SGD(wrapped.parameters(), 0.1, momentum=0.9))
    ones = torch.ones(1, 2)
    (net.a(ones).sum() + net.b(ones).sum()).backward()
    assert not a.grad[~mask].any() and not b.grad[~mask].any()
    optimizer.step()
    assert not a[~mask].any() and a[mask].all()


# students and teachers


def of_teacher(folder, *hooks):
    hooks = [dict(type='ToyMeanTeacherHook'), *hooks]
    return toys.read_config(folder, model=dict(type='MeanTeacherNet'), custom_hooks=hooks)


def test_w_k_holds_the_teacher_of_that_step(tmp_path):
    cfg = of_teacher(tmp_path)
    toy_runner(cfg, tmp_path / 'a', CaptureHook(tmp_path / 'w_4', 4)).train()
    first = dict(by_epoch=True, max_epochs=1)
    ended = toy_runner(cfg, tmp_path / 'b', train_cfg=first).train()
    assert digest(load_weights(tmp_path / 'w_4')) == digest(ended.state_dict())


def test_a_teacher_takes_masks_and_start_of_its_student(tmp_path):
    cfg = of_teacher(tmp_path, dict(type='EMAHook', momentum=0.1))
    summary = run_job(cfg, tmp_path / 'job', keep='all')
    layout = Layout(tmp_path / 'job')
    w_k = load_weights(layout.rewind)
    # Captured after the student was copied, and rewound after it too.
    conv1 = 'backbone.conv1.weight'
    assert torch.equal(w_k[f'teacher.{conv1}'], w_k[f'student.{conv1}'])
    for record in summary.rounds:
        assert record['scope_size'] == toys.SIZE and record['parameters'] == 1476
        ticket = load_ticket(layout.work_dir / record['ticket'])
        assert all(name.startswith('student.') for name in ticket.masks)
        assert set(ticket.shared.values()) == set(ticket.masks)
        checkpoint = load_checkpoint(layout.work_dir / record['checkpoint'])
        for key, prefix in (('state_dict', ''), ('ema_state_dict', 'module.')):
            for name, mask in ticket.all_masks.items():
                found = checkpoint[key][prefix + name]
                assert not found[~mask].any() and found[mask].any(), (record['round'], name)


@HOOKS.register_module()
class FirstEpoch(Hook):
    """Notes the weights of each training when all hooks have begun."""

    seen: ClassVar[list[dict]] = []

    def before_train_epoch(self, runner):
        if runner.epoch == 0:
            self.seen.append(state_of(runner.model))


def test_a_rewound_teacher_begins_at_the_masked_start_of_its_student(tmp_path):
    FirstEpoch.seen.clear()
    cfg = of_teacher(tmp_path, dict(type='FirstEpoch'))
    run_job(cfg, tmp_path / 'job', rounds=1, rewind=4)
    layout = Layout(tmp_path / 'job')
    expected = load_ticket(layout.ticket(1)).start(load_weights(layout.rewind))
    _, start = FirstEpoch.seen
    assert all(torch.equal(start[name], tensor) for name, tensor in expected.items())


def test_a_killed_job_with_a_teacher_ends_the_same(tmp_path):
    cfg = of_teacher(tmp_path, dict(type='StopOnce'))
    whole = run_job(copy.deepcopy(cfg), tmp_path / 'a', rounds=1)
    StopOnce.armed[:] = [('round_01', 6)]
    with pytest.raises(KeyboardInterrupt):
        run_job(copy.deepcopy(cfg), tmp_path / 'b', rounds=1)
    found = run_job(copy.deepcopy(cfg), tmp_path / 'b', rounds=1)
    assert [r['digests'] for r in found.rounds] == [r['digests'] for r in whole.rounds]


def test_settings_of_the_scope_name_students_only(tmp_path):
    net = read_net(of_teacher(tmp_path), 0)
    assert net.choose(IMPConfig(scope='all')) == tuple(f'student.{name}' for name in toys.NAMES)
