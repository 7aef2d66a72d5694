"""What a finished training leaves on disk, and that it may be killed while it is tidied."""
import copy

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import Runner

from mmlth.core.checkpoints import iterations_of, load_checkpoint
from mmlth.core.layout import Layout
from mmlth.core.masks import digest
from mmlth.core.store import Store
from mmlth.engine import setting_fields, timeline
from mmlth.engine.settings import IMPConfig

EMA = [dict(type='EMAHook', momentum=0.1)]


def pth(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def test_a_finished_training_is_reduced_to_weights_and_learning_rates(toy_cfg, run_imp, tmp_path):
    toy_cfg.custom_hooks = EMA
    all_kept = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'all', keep='all')
    reduced = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'weights')
    assert [r['digests'] for r in reduced.rounds] == [r['digests'] for r in all_kept.rounds]
    for record in reduced.rounds:
        folder = tmp_path / 'weights' / f'round_{record["round"]:02d}'
        assert pth(folder) == ['epoch_3.pth']
        assert pth(tmp_path / 'all' / folder.name) == ['epoch_2.pth', 'epoch_3.pth']
        small = load_checkpoint(folder / 'epoch_3.pth')
        whole = load_checkpoint(tmp_path / 'all' / folder.name / 'epoch_3.pth')
        assert digest(small['state_dict']) == digest(whole['state_dict']) == record['digests']['trained']
        assert small['optimizer']['state'] == {} and whole['optimizer']['state']
        assert 'ema_state_dict' not in small and 'ema_state_dict' in whole
        rates = [g['lr'] for g in small['optimizer']['param_groups']]
        assert rates == [g['lr'] for g in whole['optimizer']['param_groups']] == [pytest.approx(0.01)]


@pytest.mark.parametrize('settings', [dict(), dict(rewind='none'), dict(early_bird=dict(interval=2, fraction=0.5))])
@pytest.mark.parametrize('moment', ['reduce', 'finish'])
def test_killed_while_it_is_closed_it_ends_the_same(toy_cfg, run_imp, tmp_path, monkeypatch, settings, moment):
    toy_cfg.custom_hooks = EMA
    whole = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'whole', rounds=1, **settings)
    original, calls = getattr(Store, moment), []

    def killed_after(self, training, *args):
        if moment == 'reduce':
            original(self, training, *args)
        calls.append(training.number)
        if len(calls) in (1, 3):  # the dense net, and the ticket
            raise KeyboardInterrupt
        if moment == 'finish':
            original(self, training, *args)
    monkeypatch.setattr(Store, moment, killed_after)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1, **settings)
    found = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1, **settings)
    for key in ('digests', 'metrics', 'steps', 'saved_steps'):
        assert [r[key] for r in found.rounds] == [r[key] for r in whole.rounds], key


def test_a_schedule_that_goes_on_masks_the_average_it_takes_over(toy_cfg, run_imp, tmp_path):
    """The dense average of step k must not carry pruned weights into the round."""
    toy_cfg.custom_hooks = EMA
    seen = []
    from mmengine.hooks import EMAHook
    before = EMAHook.after_train_iter

    def look(self, runner, *args, **kwargs):
        if 'round_01' in runner.work_dir and not seen:
            seen.append({k: v.clone() for k, v in self.ema_model.module.state_dict().items()})
        before(self, runner, *args, **kwargs)
    EMAHook.after_train_iter = look
    try:
        summary = run_imp(toy_cfg, tmp_path / 'job', rounds=1, rewind='epoch_1', lr_schedule='continue')
    finally:
        EMAHook.after_train_iter = before
    layout = Layout(tmp_path / 'job')
    masks = Store(tmp_path / 'job').ticket(_round_1(toy_cfg)).masks
    saved = load_checkpoint(layout.state)['state_dict']  # the average, which MMEngine swaps in
    for name, mask in masks.items():
        assert not seen[0][name][~mask].any(), name
        assert torch.equal(seen[0][name][mask], saved[name][mask]), name
    assert summary.rounds[1]['policies']['ema'] == 'rewound'
    assert summary.rounds[0]['policies']['ema'] == 'rebuilt'


def _round_1(cfg):
    return IMPConfig.from_dicts(cfg.imp, dict(rounds=1)).trainings()[1]


def test_steps_of_records_are_optimizer_steps(toy_cfg, run_imp, tmp_path):
    toy_cfg.optim_wrapper.accumulative_counts = 2
    summary = run_imp(toy_cfg, tmp_path / 'job', rounds=1, rewind=2, early_bird=dict(interval=1, fraction=0.5))
    assert [(r['steps'], r['saved_steps']) for r in summary.rounds] == [(3, 3), (6, 0)]
    assert summary.rounds[1]['policies']['rewind_step'] == 2
    assert iterations_of(tmp_path / 'job' / summary.rounds[0]['checkpoint']) == 6


def test_an_epoch_of_a_loop_by_iterations_ends_when_all_ranks_have_seen_the_set_once(toy_cfg, monkeypatch):
    toy_cfg.train_dataloader.sampler = dict(type='InfiniteSampler')
    loader = Runner.build_dataloader(toy_cfg.train_dataloader)
    runner = SimpleNamespace(max_iters=12, train_dataloader=loader, train_loop=None,
                             optim_wrapper=SimpleNamespace(_accumulative_counts=1))
    for ranks, epoch in ((1, 4), (2, 2), (4, 1)):  # 32 images in batches of 8 on each
        monkeypatch.setattr(timeline, 'get_world_size', lambda ranks=ranks: ranks)
        assert timeline.timeline_of(runner).epoch == epoch, ranks


def test_exact_resume_follows_what_can_be_promised(monkeypatch):
    for device, promised in (('cpu', True), ('cuda', False)):
        monkeypatch.setattr(setting_fields, 'get_device', lambda device=device: device)
        assert IMPConfig().trainings()[0].exact_resume is promised, device
        assert IMPConfig(exact_resume=True).trainings()[0].exact_resume is True
        assert IMPConfig(exact_resume=False).trainings()[0].exact_resume is False
