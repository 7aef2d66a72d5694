"""What a finished training leaves on disk, and that it may be killed while it is tidied."""
import copy
from types import SimpleNamespace

import pytest
import torch
import toys
from conftest import run_job
from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from toy_training import toy_runner

from mmlth.core.checkpoints import iterations_of, load_checkpoint
from mmlth.core.layout import Layout
from mmlth.core.masks import digest
from mmlth.core.store import Store
from mmlth.core.ticket import load_ticket
from mmlth.engine import timeline
from mmlth.settings.imp_config import IMPConfig

EMA = [dict(type='EMAHook', momentum=0.1)]


def pth(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


@pytest.fixture(scope='module')
def averaged(tmp_path_factory):
    """A job with averaged weights, once with all that MMEngine saves and once reduced."""
    folder = tmp_path_factory.mktemp('averaged')
    cfg = toys.read_config(folder, custom_hooks=EMA)
    whole = run_job(copy.deepcopy(cfg), folder / 'all', keep='all')
    return folder, whole, run_job(cfg, folder / 'weights')


def test_a_finished_training_is_reduced_to_weights_and_learning_rates(averaged):
    folder, all_kept, reduced = averaged
    assert [r['digests'] for r in reduced.rounds] == [r['digests'] for r in all_kept.rounds]
    for record in reduced.rounds:
        name = f'round_{record["round"]:02d}'
        assert pth(folder / 'weights' / name) == ['epoch_3.pth']
        assert pth(folder / 'all' / name) == ['epoch_2.pth', 'epoch_3.pth']
        small = load_checkpoint(folder / 'weights' / name / 'epoch_3.pth')
        whole = load_checkpoint(folder / 'all' / name / 'epoch_3.pth')
        trained = record['digests']['trained']
        assert digest(small['state_dict']) == digest(whole['state_dict']) == trained
        assert small['optimizer']['state'] == {} and whole['optimizer']['state']
        assert 'ema_state_dict' not in small and 'ema_state_dict' in whole
        small_rates, whole_rates = (
            [group['lr'] for group in found['optimizer']['param_groups']]
            for found in (small, whole))
        assert small_rates == whole_rates == [pytest.approx(0.01)]


def test_averaged_weights_are_sparse_and_rebuilt_each_round(averaged):
    folder, summary, _ = averaged
    for record in summary.rounds[1:]:
        masks = load_ticket(folder / 'all' / record['ticket']).masks
        checkpoint = load_checkpoint(folder / 'all' / record['checkpoint'])
        average, raw = checkpoint['state_dict'], checkpoint['ema_state_dict']
        for name, mask in masks.items():
            assert not average[name][~mask].any()
            assert not raw[f'module.{name}'][~mask].any()
        name = 'backbone.conv2.weight'
        assert not torch.equal(raw[f'module.{name}'], average[name])  # both are there
        assert int(raw['steps']) == 12  # of this round alone


@pytest.mark.parametrize('settings', [
    dict(), dict(rewind='none'), dict(early_bird=dict(interval=2, fraction=0.5))])
def test_killed_while_it_is_closed_it_ends_the_same(toy_cfg, tmp_path, settings):
    toy_cfg.custom_hooks = EMA
    settings = dict(rounds=1, **settings)
    whole = run_job(copy.deepcopy(toy_cfg), tmp_path / 'whole', **settings)
    for moment in ('reduce', 'finish'):
        job = tmp_path / moment
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Store, moment, killed_at(moment))
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    run_job(copy.deepcopy(toy_cfg), job, **settings)
            found = run_job(copy.deepcopy(toy_cfg), job, **settings)
        for key in ('digests', 'metrics', 'steps', 'saved_steps'):
            expected = [r[key] for r in whole.rounds]
            assert [r[key] for r in found.rounds] == expected, (moment, key)


def killed_at(moment):
    """A method of Store that dies after it reduced a training, or before it finished one."""
    original, calls = getattr(Store, moment), []

    def killed(self, training, *args):
        if moment == 'reduce':
            original(self, training, *args)
        calls.append(training.number)
        if len(calls) in (1, 3):  # the dense net, and the ticket
            raise KeyboardInterrupt
        if moment == 'finish':
            original(self, training, *args)
    return killed


def test_a_schedule_that_goes_on_masks_the_average_it_takes_over(
        toy_cfg, tmp_path, monkeypatch):
    """The dense average of step k must not carry pruned weights into the round."""
    toy_cfg.custom_hooks = EMA
    seen = []
    before = EMAHook.after_train_iter

    def look(self, runner, *args, **kwargs):
        if 'round_01' in runner.work_dir and not seen:
            state = self.ema_model.module.state_dict()
            seen.append({name: tensor.clone() for name, tensor in state.items()})
        before(self, runner, *args, **kwargs)
    monkeypatch.setattr(EMAHook, 'after_train_iter', look)
    settings = dict(rounds=1, rewind='epoch_1', lr_schedule='continue')
    summary = run_job(toy_cfg, tmp_path / 'job', **settings)
    layout = Layout(tmp_path / 'job')
    masks = load_ticket(layout.ticket(1)).masks
    saved = load_checkpoint(layout.state)['state_dict']  # the average, which MMEngine swaps in
    for name, mask in masks.items():
        assert not seen[0][name][~mask].any(), name
        assert torch.equal(seen[0][name][mask], saved[name][mask]), name
    assert summary.rounds[1]['policies']['ema'] == 'rewound'
    assert summary.rounds[0]['policies']['ema'] == 'rebuilt'


def test_steps_of_records_are_optimizer_steps(toy_cfg, tmp_path):
    toy_cfg.optim_wrapper.accumulative_counts = 2
    early = dict(interval=1, fraction=0.5)
    summary = run_job(toy_cfg, tmp_path / 'job', rounds=1, rewind=2, early_bird=early)
    assert [(r['steps'], r['saved_steps']) for r in summary.rounds] == [(3, 3), (6, 0)]
    assert summary.rounds[1]['policies']['rewind_step'] == 2
    assert iterations_of(tmp_path / 'job' / summary.rounds[0]['checkpoint']) == 6


def test_an_epoch_of_a_loop_by_iterations_ends_when_all_ranks_have_seen_the_set_once(
        toy_cfg, monkeypatch):
    toy_cfg.train_dataloader.sampler = dict(type='InfiniteSampler')
    loader = Runner.build_dataloader(toy_cfg.train_dataloader)
    runner = SimpleNamespace(
        max_iters=12, train_dataloader=loader, train_loop=None,
        optim_wrapper=SimpleNamespace(_accumulative_counts=1))
    for ranks, epoch in ((1, 4), (2, 2), (4, 1)):  # 32 images in batches of 8 on each
        monkeypatch.setattr(timeline, 'get_world_size', lambda ranks=ranks: ranks)
        assert timeline.timeline_of(runner).epoch == epoch, ranks


def test_exact_resume_follows_what_can_be_promised(monkeypatch):
    def promised(**settings):
        return IMPConfig(**settings).trainings()[0].exact_resume
    for device, expected in (('cpu', True), ('cuda', False)):
        monkeypatch.setattr('mmengine.device.get_device', lambda device=device: device)
        assert promised() is expected, device
        assert promised(exact_resume=True) is True
        assert promised(exact_resume=False) is False


@pytest.mark.parametrize('scheduler', [
    dict(type='OneCycleLR', eta_max=0.1, total_steps=12, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=3),
    dict(type='LinearLR', start_factor=0.1, end=6, by_epoch=False),
    dict(type='PolyLR', eta_min=0.01)], ids=lambda s: s['type'])
def test_checkpoints_of_every_scheduler_are_read_without_unpickling_classes(
        toy_cfg, tmp_path, scheduler):
    toy_runner(toy_cfg, tmp_path / 'a', param_scheduler=scheduler).train()
    assert load_checkpoint(tmp_path / 'a' / 'epoch_3.pth')['meta']['iter'] == 12
