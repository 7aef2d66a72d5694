import copy
import errno
import json
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmlth.core.checkpoints import latest_checkpoint, load_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, density, digest, is_subset, kept
from mmlth.core.records import load_summary
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.imp_runner import IMPRunner
from mmlth.engine.job import Job
from mmlth.engine.settings import IMPConfig


def test_three_rounds_end_to_end(toy_cfg, run_imp, tmp_path):
    summary = run_imp(toy_cfg, tmp_path / 'job', rounds=2, target_sparsity=0.75)
    layout = Layout(tmp_path / 'job')
    size = 24 * 9 + 128 * 9 + 64
    assert [r['round'] for r in summary.rounds] == [0, 1, 2]
    assert [r['kept'] for r in summary.rounds] == [size, size // 2, size // 4]
    parameters = size + 8 + 16 + 16 + 4  # biases and BN
    assert [r['network_sparsity'] for r in summary.rounds] == [
        0, size / 2 / parameters, size * 3 / 4 / parameters]
    masks = [load_ticket(layout.ticket(i)).masks for i in range(3)]
    assert is_subset(masks[2], masks[1]) and is_subset(masks[1], masks[0])
    for i, record in enumerate(summary.rounds):
        assert kept(masks[i]) == record['kept'] and density(masks[i]) == 1 - record['sparsity']
        assert record['steps'] == 12 and 0 <= record['metrics']['toy/mAP'] <= 1
        state = load_state(layout.work_dir / record['checkpoint'])
        assert all((state[n][~m] == 0).all() for n, m in masks[i].items())
        assert any((state[n][m] != 0).any() for n, m in masks[i].items())
    assert json.loads(layout.summary.read_text())['rounds'] == summary.rounds
    assert load_summary(layout.summary) == summary


def test_ranks_the_trained_weights_then_rewinds(toy_cfg, run_imp, tmp_path):
    # A wrong order (rewind, then rank) would rank w_0.
    run_imp(toy_cfg, tmp_path / 'job', rounds=1, target_sparsity=0.5)
    layout = Layout(tmp_path / 'job')
    mask = load_ticket(layout.ticket(1)).masks
    trained = load_state(latest_checkpoint(layout.round_dir(0)))
    w_0 = load_weights(layout.rewind)
    scores = torch.cat([trained[n].abs()[m] for n, m in mask.items()])
    pruned = torch.cat([trained[n].abs()[~m] for n, m in mask.items()])
    assert scores.min() >= pruned.max()
    assert torch.cat([w_0[n].abs()[m] for n, m in mask.items()]).min() < pruned.max()
    assert not torch.equal(trained['backbone.conv1.weight'], w_0['backbone.conv1.weight'])


@pytest.mark.parametrize('rewind, step', [('init', 0), (5, 5)])
def test_every_round_starts_at_mask_times_w_k(toy_cfg, run_imp, tmp_path, monkeypatch, rewind, step):
    starts = []
    from mmlth.engine.hooks import ticket_hook
    attach = ticket_hook.TicketHook._attach

    def spy(hook, runner, model, resumed):
        starts.append({k: v.clone() for k, v in model.state_dict().items()})
        attach(hook, runner, model, resumed)
    monkeypatch.setattr(ticket_hook.TicketHook, '_attach', spy)
    summary = run_imp(toy_cfg, tmp_path / 'job', rewind=rewind)
    layout = Layout(tmp_path / 'job')
    w_k = load_weights(layout.rewind)
    for i, start in enumerate(starts, 1):
        expected = apply(load_ticket(layout.ticket(i)).masks, w_k)
        assert all(torch.equal(start[n], expected[n]) for n in expected)  # BN buffers included
        assert summary.rounds[i]['digests']['start'] == digest(expected)
    assert len(starts) == 2
    assert w_k['backbone.bn.num_batches_tracked'] == step
    assert summary.rounds[1]['policies'] == dict(
        rewind=rewind, rewind_step=step, optimizer='fresh', schedule='restart', buffers='rewound', ema='rebuilt',
        seed=0)


def test_same_seed_same_bits_other_seed_other_bits(toy_cfg, run_imp, tmp_path):
    a, b, c = (run_imp(copy.deepcopy(toy_cfg), tmp_path / name, seed=seed)
               for name, seed in (('a', 1), ('b', 1), ('c', 2)))
    assert [r['digests'] for r in a.rounds] == [r['digests'] for r in b.rounds]
    assert [r['metrics'] for r in a.rounds] == [r['metrics'] for r in b.rounds]
    assert a.rounds[1]['digests']['masks'] != c.rounds[1]['digests']['masks']
    states = [load_state(tmp_path / n / 'round_02' / 'epoch_3.pth') for n in 'ab']
    assert digest(states[0]) == digest(states[1])


def test_a_finished_job_trains_nothing_again(toy_cfg, run_imp, tmp_path, monkeypatch):
    first = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job')
    monkeypatch.setattr('mmlth.engine.imp_runner.train', lambda *a: pytest.fail('trained again'))
    assert run_imp(toy_cfg, tmp_path / 'job') == first


@pytest.mark.parametrize('change, named', [
    (dict(seed=3), 'imp.seed: 0 there, 3 now'),
    (dict(target_sparsity=0.5), 'imp.target_sparsity: 0.75 there, 0.5 now')])
def test_other_settings_are_refused_by_name(toy_cfg, run_imp, tmp_path, change, named):
    run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1)
    before = sorted(p.name for p in (tmp_path / 'job').iterdir())
    with pytest.raises(FileExistsError, match=named):
        run_imp(toy_cfg, tmp_path / 'job', rounds=1, **change)
    assert sorted(p.name for p in (tmp_path / 'job').iterdir()) == before


def test_another_config_is_refused_by_name_and_overwrite_is_the_way_out(toy_cfg, run_imp, tmp_path):
    run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1)
    toy_cfg.optim_wrapper.optimizer.lr = 0.05
    with pytest.raises(FileExistsError, match='optim_wrapper.optimizer.lr: 0.1 there, 0.05 now'):
        run_imp(toy_cfg, tmp_path / 'job', rounds=1)
    settings = IMPConfig(scope='all', rounds=1, target_sparsity=0.75)
    summary = IMPRunner(toy_cfg, settings, tmp_path / 'job').run(overwrite=True)
    assert len(summary.rounds) == 2 and not (tmp_path / 'job' / 'round_02').exists()


def test_a_foreign_folder_is_refused_and_kept(toy_cfg, run_imp, tmp_path):
    (tmp_path / 'job').mkdir()
    (tmp_path / 'job' / 'thesis.tex').write_text('precious')
    with pytest.raises(FileExistsError, match='not an IMP job'):
        run_imp(toy_cfg, tmp_path / 'job')
    with pytest.raises(FileExistsError, match='--overwrite'):
        IMPRunner(toy_cfg, IMPConfig(), tmp_path / 'job').run(overwrite=True)
    assert [p.name for p in (tmp_path / 'job').iterdir()] == ['thesis.tex']


def test_diverged_training_is_an_error_that_names_the_tensor(run_imp, tmp_path):
    import toys
    cfg = Config.fromfile(str(toys.write_config(tmp_path, model=dict(type='ToyNet', diverge=True))))
    with pytest.raises(ValueError, match="round 0: 'backbone.conv1.weight' holds NaN.*learning rate"):
        run_imp(cfg, tmp_path / 'job')
    assert not (tmp_path / 'job' / 'round_00' / 'record.json').exists()


def test_a_disk_that_fills_up_is_named_and_the_job_goes_on_later(toy_cfg, run_imp, tmp_path, monkeypatch):
    whole = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'whole')
    put = LocalBackend.put

    def half(self, data, path):
        if str(path).endswith('round_01/epoch_2.pth'):
            put(self, data[:len(data) // 2], path)
            raise OSError(errno.ENOSPC, 'No space left on device')
        put(self, data, path)
    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, 'put', half)
        with pytest.raises(OSError, match='disk of .*round_01 is full .* same command again'):
            run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job')
    resumed = run_imp(toy_cfg, tmp_path / 'job')
    assert [r['digests'] for r in resumed.rounds] == [r['digests'] for r in whole.rounds]


def test_the_evaluated_mask_is_the_trained_one(toy_cfg, run_imp, tmp_path):
    summary = run_imp(toy_cfg, tmp_path / 'job')
    for record in summary.rounds:
        masks = load_ticket(tmp_path / 'job' / record['ticket']).masks
        state = load_state(tmp_path / 'job' / record['checkpoint'])
        zeros = sum(int((state[n] == 0).sum()) for n in masks)
        assert zeros == record['scope_size'] - record['kept']


def test_nothing_of_a_round_stays_in_mmengine(toy_cfg, run_imp, tmp_path):
    run_imp(toy_cfg, tmp_path / 'job')
    for kind in (MMLogger, MessageHub, Visualizer):
        assert not [name for name in kind._instance_dict if re.search(r'_round_\d\d', name)]


def test_every_round_has_its_own_visualizer_folder(run_imp, tmp_path):
    import toys
    cfg = Config.fromfile(str(toys.write_config(tmp_path, visualizer=dict(
        type='Visualizer', name='visualizer', vis_backends=[dict(type='LocalVisBackend')]))))
    run_imp(cfg, tmp_path / 'job')
    for i in range(3):
        (scalars, ) = (tmp_path / 'job' / f'round_{i:02d}').glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in scalars.read_text().splitlines()]
        assert {r['imp_round'] for r in rows if 'imp_round' in r} == {i}
        sparsities = {round(r['sparsity'], 3) for r in rows if 'sparsity' in r}
        assert sparsities == {(0.0, 0.5, 0.75)[i]}


def test_tensorboard_shows_sparsity_where_it_is_configured(run_imp, tmp_path):
    import toys
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    cfg = Config.fromfile(str(toys.write_config(tmp_path, visualizer=dict(
        type='Visualizer', name='visualizer', vis_backends=[dict(type='TensorboardVisBackend')]))))
    run_imp(cfg, tmp_path / 'job', rounds=1, target_sparsity=0.5)
    (events, ) = (tmp_path / 'job' / 'round_01').glob('*/vis_data/events*')
    read = EventAccumulator(str(events)).Reload()
    assert {s.value for s in read.Scalars('sparsity')} == {0.5}
    assert {s.value for s in read.Scalars('imp_round')} == {1.0}


def test_ema_checkpoints_are_sparse_and_rebuilt_each_round(run_imp, tmp_path):
    import toys
    cfg = Config.fromfile(str(toys.write_config(
        tmp_path, custom_hooks=[dict(type='EMAHook', momentum=0.1)])))
    summary = run_imp(cfg, tmp_path / 'job', keep='all')
    for record in summary.rounds[1:]:
        masks = load_ticket(tmp_path / 'job' / record['ticket']).masks
        checkpoint = load_checkpoint(tmp_path / 'job' / record['checkpoint'])
        for state, prefix in ((checkpoint['state_dict'], ''), (checkpoint['ema_state_dict'], 'module.')):
            assert all((state[prefix + n][~m] == 0).all() for n, m in masks.items())
        raw, ema = checkpoint['ema_state_dict'], checkpoint['state_dict']
        name = 'backbone.conv2.weight'
        assert not torch.equal(raw[f'module.{name}'], ema[name])  # both averages exist
        assert int(checkpoint['ema_state_dict']['steps']) == 12  # of this round alone


def test_memory_does_not_grow_over_eight_rounds(run_imp, tmp_path, monkeypatch):
    import gc

    import toys
    cfg = Config.fromfile(str(toys.write_config(tmp_path)))
    sizes = []
    original = Job.finish

    def finish(self, training, outcome):
        original(self, training, outcome)
        gc.collect()
        sizes.append(sum(t.numel() for t in gc.get_objects() if isinstance(t, torch.Tensor)))
    monkeypatch.setattr(Job, 'finish', finish)
    run_imp(cfg, tmp_path / 'job', rounds=8)
    assert len(sizes) == 9 and max(sizes[2:]) <= sizes[1] * 1.01
    assert not [o for o in gc.get_objects() if isinstance(o, Runner)]


def test_ranks_that_disagree_stop_the_job(toy_cfg, tmp_path, monkeypatch, run_imp):
    monkeypatch.setattr('mmlth.engine.imp_runner.all_gather_object', lambda mine: [mine, 'other' * 4])
    with pytest.raises(RuntimeError, match='ranks disagree on .*round_01'):
        run_imp(toy_cfg, tmp_path / 'job')


# overwriting and sharing a work directory


def test_a_dry_run_never_touches_a_job(toy_cfg, run_imp, tmp_path):
    run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'job').rglob('*')}
    other = IMPConfig(scope='all', rounds=3)
    IMPRunner(toy_cfg, other, tmp_path / 'job').preflight(dry_run=True, overwrite=True)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / 'job').rglob('*')} == before


def test_overwrite_deletes_nothing_if_the_new_job_is_wrong(toy_cfg, run_imp, tmp_path):
    first = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1)
    bad = IMPConfig(scope='all', rounds=1, include=['no such tensor'])
    with pytest.raises(ValueError, match='matches no weight'):
        IMPRunner(toy_cfg, bad, tmp_path / 'job').run(overwrite=True)
    assert load_summary(tmp_path / 'job' / 'summary.json') == first


def test_overwrite_goes_on_with_the_same_job(toy_cfg, run_imp, tmp_path, monkeypatch):
    first = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1)
    monkeypatch.setattr('mmlth.engine.imp_runner.train', lambda *a: pytest.fail('trained again'))
    settings = IMPConfig.from_dicts(toy_cfg.imp, dict(rounds=1))
    assert IMPRunner(toy_cfg, settings, tmp_path / 'job').run(overwrite=True) == first


def test_a_folder_with_names_like_ours_is_still_foreign(toy_cfg, run_imp, tmp_path):
    (tmp_path / 'job' / 'report').mkdir(parents=True)
    (tmp_path / 'job' / 'report' / 'thesis.pdf').write_text('precious')
    with pytest.raises(FileExistsError, match='report.*never deletes'):
        run_imp(toy_cfg, tmp_path / 'job')
    assert (tmp_path / 'job' / 'report' / 'thesis.pdf').read_text() == 'precious'


def test_two_processes_on_one_folder_are_refused(toy_cfg, tmp_path):
    import subprocess
    import sys
    (tmp_path / 'job').mkdir()
    code = f"""
import fcntl, time
handle = open({str(tmp_path / 'job' / '.lock')!r}, 'w')
fcntl.lockf(handle, fcntl.LOCK_EX)
handle.write('4711'); handle.flush()
print('locked', flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == 'locked\n'
        with pytest.raises(BlockingIOError, match='process 4711 is working on'):
            IMPRunner(toy_cfg, IMPConfig(scope='all'), tmp_path / 'job').run()
    finally:
        other.kill()
        other.wait()


def test_a_capture_step_that_was_too_late_can_be_corrected_on_the_same_folder(toy_cfg, run_imp, tmp_path):
    with pytest.raises(ValueError, match='12 steps'):
        run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', rounds=1, rewind=99)
    assert len(run_imp(toy_cfg, tmp_path / 'job', rounds=1, rewind=3).rounds) == 2


@pytest.mark.parametrize('hook', ['TicketHook', 'CaptureHook'])
def test_hooks_that_imp_adds_itself_are_refused_in_the_config(toy_cfg, run_imp, tmp_path, hook):
    toy_cfg.custom_hooks = [dict(type=hook)]
    with pytest.raises(ValueError, match=f'custom_hooks holds a {hook}'):
        run_imp(toy_cfg, tmp_path / 'job')


def test_mixed_precision_without_a_gpu_is_refused_up_front(toy_cfg, run_imp, tmp_path):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    toy_cfg.optim_wrapper.type = 'AmpOptimWrapper'
    with pytest.raises(ValueError, match='needs a GPU'):
        run_imp(toy_cfg, tmp_path / 'job')


def test_masks_come_from_the_last_step_whatever_other_checkpoints_lie_there(toy_cfg, run_imp, tmp_path):
    toy_cfg.custom_hooks = [dict(type='CheckpointHook', by_epoch=False, interval=10)]
    summary = run_imp(toy_cfg, tmp_path / 'job', rounds=1)
    assert (tmp_path / 'job' / 'round_00' / 'iter_10.pth').exists()
    assert [r['checkpoint'] for r in summary.rounds] == ['round_00/epoch_3.pth', 'round_01/epoch_3.pth']


def test_checkpoints_stay_in_the_folder_of_their_round(toy_cfg, run_imp, tmp_path):
    toy_cfg.default_hooks = dict(checkpoint=dict(
        type='CheckpointHook', interval=1, out_dir=str(tmp_path / 'away'), save_optimizer=False))
    assert len(run_imp(toy_cfg, tmp_path / 'job', rounds=1).rounds) == 2
    assert not (tmp_path / 'away').exists()


def test_one_runner_may_plan_and_then_run(toy_cfg, tmp_path):
    runner = IMPRunner(toy_cfg, IMPConfig(scope='all', rounds=1), tmp_path / 'job')
    runner.preflight(dry_run=True)
    assert len(runner.run().rounds) == 2 and len(runner.run().rounds) == 2
