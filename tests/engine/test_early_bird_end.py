"""The early-bird hook ends a training: once, at the right step, evaluated and saved."""
import pytest
import torch
import toys
from early_birds import looks, make, prune, steps, stored
from mmengine.config import Config
from mmengine.hooks import Hook
from toy_training import Weights, iteration_based, toy_runner

from mmlth.core.checkpoints import iterations_of, latest_checkpoint, load_state
from mmlth.core.masks import digest
from mmlth.engine.hooks import ProgressHook, StepSeedHook
from mmlth.engine.train import train


@pytest.mark.parametrize('fraction, stop, epochs', [
    (0.5, 6, 2), (1 / 3, 4, 1), (0.1, 1, 1), (0.99, 12, 3)])
def test_a_fraction_ends_the_training_at_its_step(toy_cfg, tmp_path, fraction, stop, epochs):
    weights, progress = Weights(), ProgressHook(0, 1, 0, 0)
    hook = make(tmp_path, interval=3, fraction=fraction)
    runner = toy_runner(toy_cfg, tmp_path / 'a', progress, weights, hook)
    model = runner.train()
    assert (runner.iter, runner.epoch) == (stop, epochs)
    assert list(weights.after) == list(range(1, stop + 1))
    assert hook.stopped_at == (stop if stop < 12 else None)
    assert hook.saved_steps == 12 - stop
    # What the record of a round asks for: metrics and checkpoint of the last step.
    assert progress.outcome().steps == progress.evaluated_at == stop
    assert set(progress.metrics) == {'toy/mAP'}
    newest = latest_checkpoint(tmp_path / 'a')
    assert iterations_of(newest) == stop
    assert digest(load_state(newest)) == digest(model.state_dict())
    assert steps(tmp_path)[-1] == stop
    assert digest(stored(tmp_path, stop)) == digest(prune(load_state(newest)))


@pytest.mark.parametrize('workers, persistent', [(0, False), (1, False), (1, True)])
def test_loaders_of_every_kind_end_in_the_middle_of_an_epoch(
        toy_cfg, tmp_path, workers, persistent):
    toy_cfg.train_dataloader.update(num_workers=workers, persistent_workers=persistent)
    hook = make(tmp_path, interval=1, fraction=0.5)
    runner = toy_runner(toy_cfg, tmp_path / 'a', hook, StepSeedHook())
    runner.train()
    assert runner.iter == 6
    assert isinstance(runner.train_dataloader, torch.utils.data.DataLoader)


def save(**settings):
    return dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', **settings)))


EVALUATE_RARELY = dict(train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=5))


@pytest.mark.parametrize('overrides', [
    pytest.param(save(interval=5), id='save every 5'),
    pytest.param(save(interval=5, save_best='auto'), id='save the best only'),
    pytest.param(EVALUATE_RARELY, id='evaluate every 5')])
def test_the_last_step_is_saved_and_evaluated_once_whatever_the_intervals(
        toy_cfg, tmp_path, overrides):
    evaluated = []

    class Count(Hook):
        def after_val_epoch(self, runner, metrics=None):
            evaluated.append(runner.iter)
    hook = make(tmp_path, interval=1, fraction=0.5)
    toy_runner(toy_cfg, tmp_path / 'a', hook, Count(), **overrides).train()
    assert iterations_of(latest_checkpoint(tmp_path / 'a')) == 6
    assert evaluated.count(6) == 1


def test_an_iteration_based_training_ends_saved_and_evaluated(toy_cfg, tmp_path):
    progress = ProgressHook(0, 1, 0, 0)
    hook = make(tmp_path, interval=2, fraction=0.5)
    runner = toy_runner(iteration_based(toy_cfg), tmp_path / 'a', progress, hook)
    runner.train()
    assert runner.iter == hook.stopped_at == 6
    assert progress.outcome().steps == progress.evaluated_at == 6
    newest = latest_checkpoint(tmp_path / 'a')
    assert newest.name == 'iter_6.pth' and iterations_of(newest) == 6


def test_without_a_validation_part_it_just_ends(toy_cfg, tmp_path):
    parts = toy_cfg.to_dict().items()
    cfg = Config({name: part for name, part in parts if not name.startswith('val_')})
    runner = toy_runner(cfg, tmp_path / 'a', make(tmp_path, interval=1, fraction=0.5))
    runner.train()
    assert runner.iter == 6


def test_it_ends_once_every_distance_is_below_the_tolerance(toy_cfg, tmp_path):
    first, second = tmp_path / 'a', tmp_path / 'b'
    watching = make(first, interval=1, patience=3, fraction=1.0)
    toy_runner(toy_cfg, first, watching).train()
    seen = looks(first)
    largest = {
        look['step']: max(p['distance'] for p in look['previous'])
        for look in seen
        if len(look['previous']) == 3
    }
    tolerance = sorted(largest.values())[2] + 1e-9  # so that exactly three looks are below
    expected = min(step for step, value in largest.items() if value < tolerance)
    hook = make(second, interval=1, patience=3, tolerance=tolerance)
    runner = toy_runner(toy_cfg, second, hook)
    runner.train()
    assert runner.iter == hook.stopped_at == expected < 12
    assert hook.saved_steps == 12 - expected
    assert looks(second) == seen[:expected + 1]


def test_a_mask_that_never_settles_trains_to_the_end(toy_cfg, tmp_path):
    hook = make(tmp_path, interval=1, tolerance=1e-9, patience=11)
    runner = toy_runner(toy_cfg, tmp_path / 'a', hook)
    runner.train()
    assert runner.iter == 12 and hook.stopped_at is None and hook.saved_steps == 0


def test_a_round_of_a_job_ends_early_and_can_be_recorded(toy_cfg, tmp_path):
    progress = ProgressHook(0, 1, 0, 0)
    hook = dict(
        type='EarlyBirdHook', folder=str(tmp_path / 'eb'), density=0.5, names=toys.NAMES,
        fraction=0.5)
    toy_cfg.update(
        work_dir=str(tmp_path / 'a'), experiment_name=str(tmp_path), custom_hooks=[hook])
    outcome = train(toy_cfg, progress)
    assert outcome.steps == progress.evaluated_at == 6
    assert iterations_of(latest_checkpoint(tmp_path / 'a')) == 6
