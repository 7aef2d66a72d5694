"""A whole job of the toy: its masks, its starts, its records, bit for bit."""
import copy
import errno
import gc
import json
import re

import pytest
import torch
import toys
from conftest import run_job
from mmengine.fileio import LocalBackend
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from toy_training import FirstStep

from mmlth.core.checkpoints import latest_checkpoint, load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, density, digest, is_subset, kept
from mmlth.core.records import load_summary
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.job.imp_runner import IMPRunner
from mmlth.job.rank_0 import Job
from mmlth.settings.imp_config import IMPConfig


def run_watched(folder, **settings):
    """Run a job of the toy; returns config, summary, layout and what each training began with."""
    cfg = toys.read_config(folder, custom_hooks=[dict(type='FirstStep')])
    FirstStep.seen.clear()
    summary = run_job(copy.deepcopy(cfg), folder / 'job', **settings)
    return cfg, summary, Layout(folder / 'job'), list(FirstStep.seen)


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    """A job of two prunings to 75% from w_0, which no test changes."""
    return run_watched(tmp_path_factory.mktemp('imp'))


def test_three_rounds_end_to_end(job):
    _, summary, layout, _ = job
    size = toys.SIZE
    assert [r['round'] for r in summary.rounds] == [0, 1, 2]
    assert [r['kept'] for r in summary.rounds] == [size, size // 2, size // 4]
    parameters = size + 8 + 16 + 16 + 4  # biases and BN
    shares = [0, size / 2 / parameters, size * 3 / 4 / parameters]
    assert [r['network_sparsity'] for r in summary.rounds] == shares
    masks = [load_ticket(layout.ticket(i)).masks for i in range(3)]
    assert is_subset(masks[2], masks[1]) and is_subset(masks[1], masks[0])
    for i, record in enumerate(summary.rounds):
        assert kept(masks[i]) == record['kept']
        assert density(masks[i]) == 1 - record['sparsity']
        assert record['steps'] == 12 and 0 <= record['metrics']['toy/mAP'] <= 1
    assert json.loads(layout.summary.read_text())['rounds'] == summary.rounds
    assert load_summary(layout.summary) == summary


def test_the_evaluated_mask_is_the_trained_one(job):
    _, summary, layout, _ = job
    for record in summary.rounds:
        masks = load_ticket(layout.work_dir / record['ticket']).masks
        state = load_state(layout.work_dir / record['checkpoint'])
        assert not any(state[name][~mask].any() for name, mask in masks.items())
        zeros = sum(int((state[name] == 0).sum()) for name in masks)
        assert zeros == record['scope_size'] - record['kept']


def test_the_planned_counts_are_those_of_the_job(job):
    _, summary, layout, _ = job
    plan = json.loads((layout.work_dir / 'preflight.json').read_text())
    for row, record in zip(plan['rounds'], summary.rounds, strict=True):
        assert {key: record[key] for key in row} == row


def test_ranks_the_trained_weights_then_rewinds(job):
    # A wrong order (rewind, then rank) would rank w_0.
    _, _, layout, _ = job
    masks = load_ticket(layout.ticket(1)).masks
    trained = load_state(latest_checkpoint(layout.round_dir(0)))
    w_0 = load_weights(layout.rewind)
    lowest_kept = min(trained[name].abs()[mask].min() for name, mask in masks.items())
    highest_pruned = max(trained[name].abs()[~mask].max() for name, mask in masks.items())
    assert lowest_kept >= highest_pruned
    assert min(w_0[name].abs()[mask].min() for name, mask in masks.items()) < highest_pruned
    assert not torch.equal(trained['backbone.conv1.weight'], w_0['backbone.conv1.weight'])


def assert_starts_at_mask_times_w_k(summary, layout, seen, rewind, step):
    w_k = load_weights(layout.rewind)
    assert w_k['backbone.bn.num_batches_tracked'] == step
    assert len(seen) == 3
    for i in (1, 2):
        start, record = seen[i]['weights'], summary.rounds[i]
        expected = apply(load_ticket(layout.ticket(i)).masks, w_k)
        assert all(torch.equal(start[n], expected[n]) for n in expected)  # BN buffers included
        assert record['digests']['start'] == digest(expected)
        assert record['policies'] == dict(
            rewind=rewind, rewind_step=step, optimizer='fresh', schedule='restart',
            buffers='rewound', ema='rebuilt', seed=0, order_seed=0)


def test_every_round_starts_at_mask_times_w_0(job):
    assert_starts_at_mask_times_w_k(*job[1:], rewind='init', step=0)


def test_every_round_starts_at_mask_times_w_5(tmp_path):
    _, *found = run_watched(tmp_path, rewind=5)
    assert_starts_at_mask_times_w_k(*found, rewind=5, step=5)


def test_another_order_of_the_data_changes_what_comes_after_the_dense_round_alone(job, tmp_path):
    cfg, summary, *_ = job
    other = run_job(copy.deepcopy(cfg), tmp_path / 'other', order_seed=7)
    assert other.rounds[0]['digests'] == summary.rounds[0]['digests']
    first, same = other.rounds[1], summary.rounds[1]
    for name in ('masks', 'start'):
        assert first['digests'][name] == same['digests'][name]
    assert first['digests']['trained'] != same['digests']['trained']
    assert (first['policies']['seed'], first['policies']['order_seed']) == (0, 7)


def test_same_seed_same_bits_other_seed_other_bits(job, tmp_path):
    cfg, first, layout, _ = job
    same = run_job(copy.deepcopy(cfg), tmp_path / 'same')
    other = run_job(copy.deepcopy(cfg), tmp_path / 'other', seed=2)
    assert [r['digests'] for r in same.rounds] == [r['digests'] for r in first.rounds]
    assert [r['metrics'] for r in same.rounds] == [r['metrics'] for r in first.rounds]
    assert first.rounds[1]['digests']['masks'] != other.rounds[1]['digests']['masks']
    folders = (layout.work_dir, tmp_path / 'same')
    a, b = (load_state(folder / 'round_02' / 'epoch_3.pth') for folder in folders)
    assert digest(a) == digest(b)


def test_a_finished_job_trains_nothing_again(job, monkeypatch):
    cfg, summary, layout, _ = job
    monkeypatch.setattr('mmlth.job.imp_runner.train', lambda *a: pytest.fail('trained again'))
    assert run_job(copy.deepcopy(cfg), layout.work_dir) == summary


def test_a_disk_that_fills_up_is_named_and_the_job_goes_on_later(job, tmp_path, monkeypatch):
    cfg, whole, _, _ = job
    put = LocalBackend.put

    def half(self, data, path):
        if str(path).endswith('round_01/epoch_2.pth'):
            put(self, data[:len(data) // 2], path)
            raise OSError(errno.ENOSPC, 'No space left on device')
        put(self, data, path)
    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, 'put', half)
        with pytest.raises(OSError, match='disk of .*round_01 is full .* same command again'):
            run_job(copy.deepcopy(cfg), tmp_path / 'job')
    resumed = run_job(copy.deepcopy(cfg), tmp_path / 'job')
    assert [r['digests'] for r in resumed.rounds] == [r['digests'] for r in whole.rounds]


def test_nothing_of_a_round_stays_in_mmengine(job):
    for kind in (MMLogger, MessageHub, Visualizer):
        assert not [name for name in kind._instance_dict if re.match(r'toy_round_\d\d', name)]


def test_memory_does_not_grow_over_eight_rounds(toy_cfg, tmp_path, monkeypatch):
    sizes = []
    original = Job.finish

    def finish(self, training, outcome):
        original(self, training, outcome)
        gc.collect()
        tensors = [each for each in gc.get_objects() if isinstance(each, torch.Tensor)]
        sizes.append(sum(tensor.numel() for tensor in tensors))
    monkeypatch.setattr(Job, 'finish', finish)
    run_job(toy_cfg, tmp_path / 'job', rounds=8)
    assert len(sizes) == 9 and max(sizes[2:]) <= sizes[1] * 1.01
    assert not [each for each in gc.get_objects() if isinstance(each, Runner)]


def test_diverged_training_is_an_error_that_names_the_tensor(tmp_path):
    cfg = toys.read_config(tmp_path, model=dict(type='ToyNet', diverge=True))
    message = (r"round 0, iteration 10 \(loss=nan\): 'backbone.conv1.weight' holds NaN"
               ".*learning rate")
    with pytest.raises(ValueError, match=message):
        run_job(cfg, tmp_path / 'job')
    assert not (tmp_path / 'job' / 'round_00' / 'record.json').exists()


def test_ranks_that_disagree_stop_the_job(toy_cfg, tmp_path, monkeypatch):
    def gather(mine):
        return [mine, 'other' * 4]
    monkeypatch.setattr('mmlth.job.imp_runner.all_gather_object', gather)
    with pytest.raises(RuntimeError, match='ranks disagree on .*round_01'):
        run_job(toy_cfg, tmp_path / 'job')


def test_one_runner_may_plan_and_then_run(toy_cfg, tmp_path):
    runner = IMPRunner(toy_cfg, IMPConfig(scope='all', rounds=1), tmp_path / 'job')
    runner.preflight(dry_run=True)
    assert len(runner.run().rounds) == 2 and len(runner.run().rounds) == 2
