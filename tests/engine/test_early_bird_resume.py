"""Killed anywhere and gone on with, a training with an early-bird hook ends the same."""
import shutil

import pytest
import torch
from early_birds import looks, make, steps
from mmengine.dataset import InfiniteSampler
from toy_training import Weights, iteration_based, toy_runner

from mmlth.core import mask_history
from mmlth.core.checkpoints import iterations_of, latest_checkpoint, load_checkpoint, load_state
from mmlth.core.masks import digest
from mmlth.engine.hooks import ProgressHook, StepSeedHook

NEEDS_SKIP = pytest.mark.skipif(
    not hasattr(InfiniteSampler, 'skip'), reason='upstream loads and drops what was seen')


def finish(cfg, folder, checkpoint=None, **settings):
    """Train, or go on from ``checkpoint``; returns what must not depend on it."""
    hook = make(folder, interval=1, **settings)
    where = dict(resume=True, load_from=str(checkpoint)) if checkpoint else {}
    runner = toy_runner(cfg, folder / 'run', StepSeedHook(), hook, **where)
    weights = digest(runner.train().state_dict())
    newest = latest_checkpoint(folder / 'run')
    masks = {}
    for step, path in mask_history.mask_files(folder / 'eb'):
        found = mask_history.read_masks(path)
        masks[step] = (found.step, found.max_iters, found.alive, digest(found.masks))
    return dict(
        iter=runner.iter,
        stopped=hook.stopped_at,
        saved=hook.saved_steps,
        looks=looks(folder),
        masks=masks,
        weights=weights,
        checkpoint=(newest.name, iterations_of(newest), digest(load_state(newest))))


@pytest.mark.parametrize('loop', ['epochs', pytest.param('steps', marks=NEEDS_SKIP)])
@pytest.mark.parametrize('settings, end', [
    pytest.param(dict(fraction=0.75), 9, id='fraction'),
    pytest.param(dict(tolerance=0.999, patience=7), 7, id='settled')])
def test_killed_and_resumed_it_ends_the_same(toy_cfg, tmp_path, loop, settings, end):
    cfg = toy_cfg if loop == 'epochs' else iteration_based(toy_cfg)
    first = 'epoch_1.pth' if loop == 'epochs' else 'iter_4.pth'
    one, half = tmp_path / 'whole', tmp_path / 'half'
    one.mkdir()
    whole = finish(cfg, one, **settings)
    assert whole['iter'] == whole['stopped'] == 12 - whole['saved'] == end
    shutil.copytree(one / 'eb', half / 'eb')  # looks beyond the checkpoint
    (half / 'run').mkdir()
    shutil.copy(one / 'run' / first, half / 'run' / first)
    assert finish(cfg, half, half / 'run' / first, **settings) == whole


@pytest.mark.parametrize('loop', ['epochs', 'steps'])
def test_killed_after_its_end_it_is_only_evaluated(toy_cfg, tmp_path, loop):
    cfg = toy_cfg if loop == 'epochs' else iteration_based(toy_cfg)
    finish(cfg, tmp_path, fraction=0.5)
    newest = latest_checkpoint(tmp_path / 'run')
    before = newest.stat().st_mtime_ns
    progress, weights = ProgressHook(0, 1, 0, 0), Weights()
    hook = make(tmp_path, interval=1, fraction=0.5)
    where = dict(resume=True, load_from=str(newest))
    toy_runner(cfg, tmp_path / 'run', progress, weights, hook, **where).train()
    assert weights.after == {}
    assert progress.outcome().steps == progress.evaluated_at == 6
    assert hook.stopped_at == hook.saved_steps == 6
    assert newest.stat().st_mtime_ns == before
    assert steps(tmp_path) == list(range(7))


def test_a_checkpoint_without_masks_is_gone_on_with_and_said(toy_cfg, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a').train()
    hook = make(tmp_path, interval=1, fraction=1.0)
    where = dict(resume=True, load_from=str(tmp_path / 'a' / 'epoch_2.pth'))
    toy_runner(toy_cfg, tmp_path / 'b', hook, **where).train()
    assert steps(tmp_path) == [9, 10, 11, 12]
    log = next((tmp_path / 'b').glob('*/*.log')).read_text()
    assert 'holds no early-bird masks of this round' in log


def test_masks_of_another_round_are_no_past(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=2 / 3)
    checkpoint = tmp_path / 'run' / 'epoch_2.pth'  # where a round of density 0.5 ended
    hook = make(tmp_path / 'b', density=0.25, interval=2, fraction=1.0)
    where = dict(resume=True, load_from=str(checkpoint))
    runner = toy_runner(toy_cfg, tmp_path / 'b' / 'run', hook, **where)
    runner.train()
    assert runner.iter == 12 and hook.stopped_at is None
    previous = {look['step']: len(look['previous']) for look in looks(tmp_path / 'b')}
    assert previous == {10: 0, 12: 1}


def test_loading_weights_is_not_resuming(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=0.5)
    newest = latest_checkpoint(tmp_path / 'run')
    hook = make(tmp_path / 'b', interval=6, fraction=1.0)
    toy_runner(toy_cfg, tmp_path / 'b' / 'run', hook, load_from=str(newest)).train()
    assert steps(tmp_path / 'b') == [0, 6, 12] and hook.stopped_at is None


def test_checkpoints_hold_the_masks_without_classes_of_their_own(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=0.75, patience=2)
    checkpoint = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')  # with weights_only
    found = checkpoint['early_bird_history']
    assert list(found['past']) == [3, 4] and found['stopped_at'] is None
    assert {mask.dtype for mask in found['past'][4].values()} == {torch.uint8}
