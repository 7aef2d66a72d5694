"""The capture of w_k: once, at the right step, by hand and beside a toy training."""
import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from toy_training import toy_runner

from mmlth.core.masks import digest
from mmlth.core.ticket import load_weights, weights_step
from mmlth.engine.hooks import CaptureHook, ProgressHook


def fake_runner(iter=0):
    """A training of 12 iterations, as far as a capture looks at it."""
    return SimpleNamespace(
        iter=iter,
        hooks=[],
        max_iters=12,
        model=nn.Linear(2, 1),
        logger=logging.getLogger('fake'),
        train_dataloader=DataLoader(range(8), batch_size=2),
        train_loop=None,
        optim_wrapper=SimpleNamespace(_accumulative_counts=1))


def test_capture_at_the_start_of_a_fresh_run_only(tmp_path):
    for step, done, captured in ((0, 0, True), (0, 3, False), (2, 0, False)):
        path = tmp_path / f'{step}_{done}'
        hook = CaptureHook(path, step)
        hook.before_train(fake_runner(done))
        assert not path.exists()  # other hooks may still copy weights
        hook.before_train_epoch(fake_runner(done))
        assert path.exists() == captured, (step, done)


def test_capture_counts_the_iteration_that_just_ended(tmp_path):
    for done, captured in ((0, False), (1, True), (2, False)):
        path = tmp_path / str(done)
        hook = CaptureHook(path, 2)
        hook.before_train(fake_runner())
        hook.after_train_iter(fake_runner(done), 0)
        assert path.exists() == captured, done


def test_a_step_is_an_optimizer_step_under_accumulation(toy_cfg, tmp_path):
    toy_cfg.optim_wrapper.accumulative_counts = 2
    capture, progress = CaptureHook(tmp_path / 'w_2', 2), ProgressHook(0, 0, 0, 0)
    model = toy_runner(toy_cfg, tmp_path / 'a', capture, progress).train()
    whole = load_weights(tmp_path / 'w_2')
    assert weights_step(tmp_path / 'w_2') == 2
    assert whole['backbone.bn.num_batches_tracked'] == 4
    assert model.backbone.bn.num_batches_tracked == 12
    found = progress.outcome()
    assert (found.steps, found.iterations, found.saved_steps) == (6, 12, 0)


def test_captured_weights_do_not_follow_the_training(toy_cfg, tmp_path):
    hooks = [CaptureHook(tmp_path / f'w_{step}', step) for step in (0, 5)]
    trained = toy_runner(toy_cfg, tmp_path / 'a', *hooks).train().state_dict()
    w_0, w_5 = (load_weights(tmp_path / f'w_{step}') for step in (0, 5))
    name = 'backbone.conv1.weight'
    assert not torch.equal(w_0[name], w_5[name])
    assert not torch.equal(w_5[name], trained[name])
    assert w_0['backbone.bn.num_batches_tracked'] == 0
    assert w_5['backbone.bn.num_batches_tracked'] == 5


def test_w_k_is_what_a_training_of_k_steps_ends_with(toy_cfg, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a', CaptureHook(tmp_path / 'w_4', 4)).train()
    one_epoch = dict(by_epoch=True, max_epochs=1)
    ended = toy_runner(toy_cfg, tmp_path / 'b', train_cfg=one_epoch).train()
    assert digest(load_weights(tmp_path / 'w_4')) == digest(ended.state_dict())


def test_a_capture_step_beyond_the_training_is_refused_before_it(toy_cfg, tmp_path):
    runner = toy_runner(toy_cfg, tmp_path / 'a', CaptureHook(tmp_path / 'w', 13))
    with pytest.raises(ValueError, match='rewind to step_13 .*12 steps'):
        runner.train()
