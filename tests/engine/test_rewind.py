"""Every rewind policy: what a round starts from, and that a killed round ends the same."""
import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmlth.core.checkpoints import latest_checkpoint, load_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import load_ticket, load_weights, weights_step

SEEN = []


@HOOKS.register_module()
class FirstStep(Hook):
    """Notes where a training begins: step, learning rate, weights, momentum; and its learning rates."""

    priority = 'VERY_LOW'

    def before_train(self, runner):
        optimizer = runner.optim_wrapper.optimizer
        names = {p: n for n, p in runner.model.named_parameters()}
        SEEN.append(dict(
            step=runner.iter, weights={k: v.clone() for k, v in runner.model.state_dict().items()}, rates=[],
            momentum={names[p]: s['momentum_buffer'].clone() for p, s in optimizer.state.items() if s}))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        SEEN[-1]['rates'].append(round(runner.optim_wrapper.get_lr()['lr'][0], 6))


@pytest.fixture
def job(toy_cfg, run_imp, tmp_path):
    """Run a job of two prunings; returns summary, layout and what each training began with."""
    def run(name='job', **settings):
        SEEN.clear()
        cfg = copy.deepcopy(toy_cfg)
        cfg.custom_hooks = [dict(type='FirstStep')]
        summary = run_imp(cfg, tmp_path / name, **settings)
        return summary, Layout(tmp_path / name), list(SEEN)
    return run


def masks_of(layout, number):
    return load_ticket(layout.ticket(number)).masks


def equal(a, b):
    return set(a) == set(b) and all(torch.equal(a[n], b[n]) for n in a)


def test_an_epoch_is_as_many_steps(job):
    by_epoch, layout, _ = job('a', rewind='epoch_1')
    by_step, _, _ = job('b', rewind=4)
    assert weights_step(layout.rewind) == 4
    assert [r['digests'] for r in by_epoch.rounds] == [r['digests'] for r in by_step.rounds]
    assert by_epoch.rounds[1]['policies']['rewind'] == 'epoch_1'
    assert by_epoch.rounds[1]['policies']['rewind_step'] == 4


@pytest.mark.parametrize('rewind, rates', [
    ('lr', 8 * [0.1] + 4 * [0.01]), ('none', 12 * [0.01])])
def test_lr_and_none_keep_the_trained_weights(job, rewind, rates):
    summary, layout, seen = job(rewind=rewind)
    for number in (1, 2):
        trained = load_state(latest_checkpoint(layout.round_dir(number - 1)))
        expected = apply(masks_of(layout, number), trained)
        assert equal(seen[number]['weights'], expected) and seen[number]['momentum'] == {}
        assert summary.rounds[number]['digests']['start'] == digest(expected)
        assert seen[number]['rates'] == rates
    policies = summary.rounds[1]['policies']
    assert policies['buffers'] == 'kept'
    assert policies['schedule'] == dict(lr='restart', none='last rate')[rewind]


def test_reinit_draws_other_weights_every_round_and_the_same_for_a_seed(job):
    summary, layout, seen = job('a', rewind='reinit')
    again, _, _ = job('b', rewind='reinit')
    assert [r['digests'] for r in summary.rounds] == [r['digests'] for r in again.rounds]
    starts = [s['weights']['backbone.conv2.weight'] for s in seen]
    kept = masks_of(layout, 2)['backbone.conv2.weight']
    assert not any(torch.equal(starts[a][kept], starts[b][kept]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert summary.rounds[1]['policies']['buffers'] == 'new'


def rewound_momentum(layout, number):
    saved = load_checkpoint(layout.state)
    names = ['backbone.conv1.weight', 'backbone.conv1.bias', 'backbone.bn.weight', 'backbone.bn.bias',
             'backbone.conv2.weight', 'backbone.conv2.bias', 'head.fc.weight', 'head.fc.bias']
    state = {n: saved['optimizer']['state'][i]['momentum_buffer'] for i, n in enumerate(names)}
    return apply(masks_of(layout, number), state)


@pytest.mark.parametrize('optimizer', ['fresh', 'rewound'])
@pytest.mark.parametrize('lr_schedule, step, rates', [
    ('restart', 0, 8 * [0.1] + 4 * [0.01]), ('continue', 4, 4 * [0.1] + 4 * [0.01])])
def test_optimizer_and_schedule_go_back_to_step_k(job, optimizer, lr_schedule, step, rates):
    summary, layout, seen = job(rewind='epoch_1', optimizer=optimizer, lr_schedule=lr_schedule)
    assert seen[0]['step'] == 0
    for number in (1, 2):
        start = seen[number]
        assert start['step'] == step and start['rates'] == rates
        assert equal(start['weights'], apply(masks_of(layout, number), load_weights(layout.rewind)))
        if optimizer == 'fresh':
            assert start['momentum'] == {}
        else:
            assert any(v.any() for v in start['momentum'].values())
            assert equal(start['momentum'], rewound_momentum(layout, number))
        assert summary.rounds[number]['steps'] == 12
        assert summary.rounds[number]['policies']['schedule'] == lr_schedule
        assert summary.rounds[number]['seconds'] < summary.seconds


def test_a_state_in_the_middle_of_an_epoch_is_refused_before_training(job):
    with pytest.raises(ValueError, match='rewind=5 .* must end an epoch, which has 4 iterations.*"epoch_1"'):
        job(rewind=5, lr_schedule='continue')
    assert len(SEEN) == 0 or SEEN[0]['rates'] == []


def test_a_loop_by_iterations_continues_anywhere(job, toy_cfg):
    toy_cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=12, val_interval=6)
    toy_cfg.param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[8])
    toy_cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=6))
    _, _, seen = job(rewind=5, optimizer='rewound', lr_schedule='continue')
    assert [s['step'] for s in seen] == [0, 5, 5] and seen[1]['rates'] == 3 * [0.1] + 4 * [0.01]


@HOOKS.register_module()
class StopOnce(Hook):
    """Kills the training of a round after some steps, once."""

    armed = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.armed and self.armed[0] in runner.work_dir and runner.iter + 1 == 9:
            self.armed.clear()
            raise KeyboardInterrupt


@pytest.mark.parametrize('settings', [
    dict(rewind='lr'), dict(rewind='none'), dict(rewind='reinit'),
    dict(rewind='epoch_1', lr_schedule='continue'), dict(rewind='epoch_1', optimizer='rewound')],
    ids=lambda s: '-'.join(s.values()))
@pytest.mark.parametrize('killed', ['round_00', 'round_01'])
def test_a_killed_round_ends_the_same(toy_cfg, run_imp, tmp_path, settings, killed):
    toy_cfg.custom_hooks = [dict(type='StopOnce')]
    StopOnce.armed[:] = []
    expected = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'a', **settings)
    StopOnce.armed[:] = [killed]
    with pytest.raises(KeyboardInterrupt):
        run_imp(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    found = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    assert [r['digests'] for r in found.rounds] == [r['digests'] for r in expected.rounds]
    assert [r['metrics'] for r in found.rounds] == [r['metrics'] for r in expected.rounds]
