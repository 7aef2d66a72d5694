"""Every rewind policy: what a round starts from, and that a killed round ends the same."""
import copy

import pytest
import torch
from conftest import run_job
from toy_training import FirstStep, StopOnce, iteration_based

from mmlth.core.checkpoints import latest_checkpoint, load_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import load_ticket, load_weights, weights_step

NAMES = [  # in the order in which an optimizer numbers them
    'backbone.conv1.weight', 'backbone.conv1.bias', 'backbone.bn.weight', 'backbone.bn.bias',
    'backbone.conv2.weight', 'backbone.conv2.bias', 'head.fc.weight', 'head.fc.bias']


@pytest.fixture
def job(toy_cfg, tmp_path):
    """Run a job of two prunings; returns summary, layout and what each training began with."""
    def run(name='job', **settings):
        FirstStep.seen.clear()
        cfg = copy.deepcopy(toy_cfg)
        cfg.custom_hooks = [dict(type='FirstStep')]
        summary = run_job(cfg, tmp_path / name, **settings)
        return summary, Layout(tmp_path / name), list(FirstStep.seen)
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


@pytest.mark.parametrize('rewind, rates, schedule', [
    ('lr', 8 * [0.1] + 4 * [0.01], 'restart'), ('none', 12 * [0.01], 'last rate')])
def test_lr_and_none_keep_the_trained_weights(job, rewind, rates, schedule):
    summary, layout, seen = job(rewind=rewind)
    for number in (1, 2):
        start = seen[number]
        trained = load_state(latest_checkpoint(layout.round_dir(number - 1)))
        expected = apply(masks_of(layout, number), trained)
        assert equal(start['weights'], expected) and start['momentum'] == {}
        assert summary.rounds[number]['digests']['start'] == digest(expected)
        assert start['rates'] == rates
    policies = summary.rounds[1]['policies']
    assert (policies['buffers'], policies['schedule']) == ('kept', schedule)


def test_reinit_draws_other_weights_every_round_and_the_same_for_a_seed(job):
    summary, layout, seen = job('a', rewind='reinit')
    again, _, _ = job('b', rewind='reinit')
    assert [r['digests'] for r in summary.rounds] == [r['digests'] for r in again.rounds]
    kept = masks_of(layout, 2)['backbone.conv2.weight']
    starts = [training['weights']['backbone.conv2.weight'][kept] for training in seen]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(starts[a], starts[b]), (a, b)
    assert summary.rounds[1]['policies']['buffers'] == 'new'


def rewound_momentum(layout, number):
    """Return what the optimizer of a round must begin with: that of step k, masked."""
    saved = load_checkpoint(layout.state)['optimizer']['state']
    momentum = {name: saved[i]['momentum_buffer'] for i, name in enumerate(NAMES)}
    return apply(masks_of(layout, number), momentum)


@pytest.mark.parametrize('optimizer', ['fresh', 'rewound'])
@pytest.mark.parametrize('lr_schedule, step, rates', [
    ('restart', 0, 8 * [0.1] + 4 * [0.01]), ('continue', 4, 4 * [0.1] + 4 * [0.01])])
def test_optimizer_and_schedule_go_back_to_step_k(job, optimizer, lr_schedule, step, rates):
    settings = dict(optimizer=optimizer, lr_schedule=lr_schedule)
    summary, layout, seen = job(rewind='epoch_1', **settings)
    assert seen[0]['step'] == 0
    w_k = load_weights(layout.rewind)
    for number in (1, 2):
        start, record = seen[number], summary.rounds[number]
        assert start['step'] == step and start['rates'] == rates
        assert equal(start['weights'], apply(masks_of(layout, number), w_k))
        if optimizer == 'fresh':
            assert start['momentum'] == {}
        else:
            assert any(values.any() for values in start['momentum'].values())
            assert equal(start['momentum'], rewound_momentum(layout, number))
        assert record['steps'] == 12
        assert record['policies']['schedule'] == lr_schedule
        assert record['seconds'] < summary.seconds


def test_a_ticket_that_continues_has_a_seed_and_evaluations_of_its_own(job, toy_cfg):
    toy_cfg.default_hooks = dict(checkpoint=dict(
        type='CheckpointHook', interval=1, save_best='toy/mAP', rule='greater'))
    summary, layout, seen = job(rewind='epoch_1', lr_schedule='continue', order_seed=7)
    assert [training['seed'] for training in seen] == [0, 7, 7]
    assert [training['has_best'] for training in seen] == [False, False, False]
    assert summary.rounds[1]['policies']['order_seed'] == 7
    assert all(any(layout.round_dir(number).glob('best_*.pth')) for number in (0, 1, 2))


def test_a_state_in_the_middle_of_an_epoch_is_refused_before_training(job):
    message = 'rewind=5 .* must end an epoch, which has 4 iterations.*"epoch_1"'
    with pytest.raises(ValueError, match=message):
        job(rewind=5, lr_schedule='continue')
    assert not any(training['rates'] for training in FirstStep.seen)


def test_a_state_before_the_first_step_is_refused_before_training(job, toy_cfg):
    iteration_based(toy_cfg, save_every=6, type='IterBasedTrainLoop', val_interval=6)
    del toy_cfg.train_cfg['by_epoch']
    toy_cfg.train_dataloader.sampler.type = 'DefaultSampler'
    with pytest.raises(ValueError, match="rewind='1%' of .* is before the first one"):
        job(rewind='1%', lr_schedule='continue')


def test_what_a_control_goes_back_to_is_in_its_record(job):
    controls = ['dense_budget', 'dense_restart', 'reinit']
    settings = dict(rewind='epoch_1', optimizer='rewound', controls=controls)
    found = {r['control']: r['policies'] for r in job(**settings)[0].controls}
    assert {name: (p['rewind'], p['optimizer']) for name, p in found.items()} == {
        'dense_budget': ('epoch_1', 'fresh'), 'dense_restart': ('lr', 'fresh'),
        'reinit': ('reinit', 'rewound')}
    again = job('lr', rewind='lr', controls='dense_budget')[0]
    policies = [r['policies']['rewind'] for r in (*again.rounds, *again.controls)]
    assert policies == ['init', 'lr', 'lr', 'init']


def test_a_loop_by_iterations_continues_anywhere(job, toy_cfg):
    iteration_based(toy_cfg, save_every=6, type='IterBasedTrainLoop', val_interval=6)
    del toy_cfg.train_cfg['by_epoch']
    toy_cfg.train_dataloader.sampler.type = 'DefaultSampler'
    toy_cfg.param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[8])
    _, _, seen = job(rewind=5, optimizer='rewound', lr_schedule='continue')
    assert [training['step'] for training in seen] == [0, 5, 5]
    assert seen[1]['rates'] == 3 * [0.1] + 4 * [0.01]


@pytest.mark.parametrize('settings', [
    dict(rewind='lr'),
    dict(rewind='none'),
    dict(rewind='reinit'),
    dict(rewind='epoch_1', lr_schedule='continue'),
    dict(rewind='epoch_1', optimizer='rewound')], ids=lambda s: '-'.join(s.values()))
def test_a_job_killed_in_two_rounds_ends_the_same(toy_cfg, tmp_path, settings):
    toy_cfg.custom_hooks = [dict(type='StopOnce')]
    expected = run_job(copy.deepcopy(toy_cfg), tmp_path / 'a', **settings)
    for killed in ('round_00', 'round_01'):
        StopOnce.armed[:] = [(killed, 9)]
        with pytest.raises(KeyboardInterrupt):
            run_job(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    found = run_job(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    assert [r['digests'] for r in found.rounds] == [r['digests'] for r in expected.rounds]
    assert [r['metrics'] for r in found.rounds] == [r['metrics'] for r in expected.rounds]
