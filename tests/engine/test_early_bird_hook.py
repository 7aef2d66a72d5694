"""The hook beside a toy training: same training, right masks, one stop, wherever it is killed."""
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
import toys
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner
from test_distributed import launch
from torch.utils.data import DataLoader

from mmlth.core import criteria, mask_history as files, selection
from mmlth.core.checkpoints import iterations_of, latest_checkpoint, load_checkpoint, load_state
from mmlth.core.masks import dense_masks, digest, kept
from mmlth.core.overlap import count_overlap, describe_each, overlap
from mmlth.core.ticket import Ticket, load_weights, save_ticket, save_weights
from mmlth.engine.hooks import CaptureHook, ProgressHook, StepSeedHook, TicketHook
from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook
from mmlth.engine.train import train

NAMES = ['backbone.conv1.weight', 'backbone.conv2.weight', 'head.fc.weight']
SIZE = 24 * 9 + 128 * 9 + 64
NEVER = dict(tolerance=1e-9, patience=11)  # looks that don't end this training


def make(folder, density=0.5, **settings):
    settings = dict(names=NAMES) | settings if 'ticket' not in settings else settings
    return EarlyBirdHook(str(folder / 'eb'), density, **settings)


def toy_runner(cfg, folder, *hooks, **overrides):
    cfg = Config({**cfg.to_dict(), 'work_dir': str(folder), 'randomness': dict(seed=0),
                  'experiment_name': str(folder).replace('/', '_'), **overrides})
    runner = Runner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


def iteration_based(cfg, **train_cfg):
    cfg.train_cfg = dict(by_epoch=False, max_iters=12, val_interval=100, **train_cfg)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.param_scheduler = None
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4))
    return cfg


def prune(state, density=0.5, old=None, criterion='magnitude', initial=None):
    weights = {n: state[n] for n in NAMES}
    scores = criteria.score(criterion, weights, initial or weights)
    return selection.select(scores, old or dense_masks(weights), density)


def stored(folder, step):
    return files.read_masks(folder / 'eb' / f'masks_{step:08d}.safetensors').masks


def steps(folder):
    return [look['step'] for look in files.read_looks(folder / 'eb')]


class Weights(Hook):
    """Keeps the weights after every step."""

    priority = 'LOWEST'

    def __init__(self):
        self.after = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.after[runner.iter + 1] = {k: v.clone() for k, v in runner.model.state_dict().items()}


# what a look sees


def test_every_look_is_the_mask_that_pruning_then_would_give(toy_cfg, tmp_path):
    weights = Weights()
    hook = make(tmp_path, interval=5, fraction=1.0, patience=2)
    toy_runner(toy_cfg, tmp_path / 'a', CaptureHook(tmp_path / 'w_0'), weights, hook).train()
    seen = {0: load_weights(tmp_path / 'w_0'), **weights.after}
    assert steps(tmp_path) == [0, 5, 10, 12]
    expected = {step: prune(seen[step]) for step in (0, 5, 10, 12)}
    for step, masks in expected.items():
        assert digest(stored(tmp_path, step)) == digest(masks)
    alive = {n: w.numel() for n, w in seen[0].items() if n in NAMES}
    last = files.read_looks(tmp_path / 'eb')[-1]
    assert last['kept'] == SIZE // 2 and last['max_iters'] == 12
    assert [p['step'] for p in last['previous']] == [5, 10]  # patience of two
    for found in last['previous']:
        true = overlap(expected[12], expected[found['step']], alive)
        assert found == dict(true, step=found['step'])
    assert last['layers'] == describe_each(count_overlap(expected[12], expected[10], alive))
    assert hook.stopped_at is None and hook.saved_steps == 0 and hook.max_steps == 12 and hook.seconds > 0


def test_looking_changes_no_bit_of_the_training(toy_cfg, tmp_path):
    plain = toy_runner(toy_cfg, tmp_path / 'a').train().state_dict()
    hook = make(tmp_path, criterion='random', interval=1, fraction=1.0)
    assert digest(plain) == digest(toy_runner(toy_cfg, tmp_path / 'b', hook).train().state_dict())


@pytest.fixture
def ticket(tmp_path):
    torch.manual_seed(7)
    net = toys.ToyNet()
    stamp = save_weights(net.state_dict(), tmp_path / 'w_k', step=0)
    masks = {n: torch.rand(net.state_dict()[n].shape) > 0.4 for n in NAMES}
    save_ticket(Ticket(masks=masks, rewind_file='w_k', rewind_digest=stamp), tmp_path / 'ticket')
    return tmp_path / 'ticket'


def test_masks_of_a_ticket_bound_the_looks_and_the_first_sees_its_start(toy_cfg, tmp_path, ticket):
    train = TicketHook(str(ticket))
    old = train.ticket.masks
    start = {n: w * old[n] if n in old else w for n, w in train.weights.items()}
    hook = make(tmp_path, density=0.25, ticket=str(ticket), interval=6, fraction=1.0)
    model = toy_runner(toy_cfg, tmp_path / 'a', hook, train).train()
    for step, state in ((0, start), (12, model.state_dict())):
        assert digest(stored(tmp_path, step)) == digest(prune(state, 0.25, old))
    alive = files.read_masks(tmp_path / 'eb' / 'masks_00000012.safetensors').alive
    assert alive == {n: kept({n: m}) for n, m in old.items()}


def test_averaged_weights_are_ranked_where_there_are_any(toy_cfg, tmp_path):
    toy_cfg.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    model = toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=6, fraction=1.0)).train()
    averaged = load_state(latest_checkpoint(tmp_path / 'a'))
    assert digest(stored(tmp_path, 12)) == digest(prune(averaged)) != digest(prune(model.state_dict()))


def test_a_criterion_is_given_w_k(toy_cfg, tmp_path):
    hook = make(tmp_path, criterion='magnitude_increase', rewind=str(tmp_path / 'w_k'), begin=3, interval=2,
                fraction=1.0)
    model = toy_runner(toy_cfg, tmp_path / 'a', CaptureHook(tmp_path / 'w_k', 3), hook).train()
    assert steps(tmp_path) == [4, 6, 8, 10, 12]  # none before w_k is there
    initial = {n: load_weights(tmp_path / 'w_k')[n] for n in NAMES}
    expected = prune(model.state_dict(), criterion='magnitude_increase', initial=initial)
    assert digest(stored(tmp_path, 12)) == digest(expected)


def test_scalars_go_to_the_message_hub(toy_cfg, tmp_path):
    runner = toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=6, fraction=1.0))
    runner.train()
    last = files.read_looks(tmp_path / 'eb')[-1]['previous']
    found = {name: runner.message_hub.get_scalar(f'train/{name}').current()
             for name in ('mask_iou', 'mask_iou_by_chance', 'mask_hamming', 'mask_distance')}
    assert found == dict(mask_iou=last[-1]['iou'], mask_iou_by_chance=last[-1]['chance_iou'],
                         mask_hamming=last[-1]['hamming'], mask_distance=max(p['distance'] for p in last))


def test_only_some_masks_are_stored(toy_cfg, tmp_path, monkeypatch):
    monkeypatch.setattr('mmlth.core.mask_watch.MASK_FILES', 3)
    toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=1, fraction=1.0)).train()
    assert [step for step, _ in files.mask_files(tmp_path / 'eb')] == [0, 4, 8, 12]
    assert steps(tmp_path) == list(range(13))


def test_the_past_holds_no_more_than_patience(toy_cfg, tmp_path):
    hook = make(tmp_path, interval=1, fraction=1.0, patience=2)
    toy_runner(toy_cfg, tmp_path / 'a', hook).train()
    assert list(hook.watch.past) == [11, 12]
    assert digest(hook.watch.past[12]) == digest(stored(tmp_path, 12))


def test_looks_do_not_repeat_the_warnings_of_the_pruning(toy_cfg, tmp_path, caplog):
    hook = make(tmp_path, density=0.1, min_kept=45, interval=1, fraction=1.0)
    toy_runner(toy_cfg, tmp_path / 'a', hook).train()
    assert 'min_kept' not in caplog.text
    state = {n: torch.zeros(s) for n, s in zip(NAMES, [(8, 3, 3, 3), (16, 8, 3, 3), (4, 16)])}
    selection.select(state, dense_masks(state), 0.1, min_kept=45)
    assert 'min_kept' in caplog.text


# the end


@pytest.mark.parametrize('fraction, stop, epochs', [(0.5, 6, 2), (1 / 3, 4, 1), (0.1, 1, 1), (0.99, 12, 3)])
def test_a_fraction_ends_the_training_at_its_step(toy_cfg, tmp_path, fraction, stop, epochs):
    weights, progress = Weights(), ProgressHook(0, 1, 0, 0)
    hook = make(tmp_path, interval=3, fraction=fraction)
    runner = toy_runner(toy_cfg, tmp_path / 'a', progress, weights, hook)
    model = runner.train()
    assert (runner.iter, runner.epoch) == (stop, epochs) and list(weights.after) == list(range(1, stop + 1))
    assert hook.stopped_at == (stop if stop < 12 else None) and hook.saved_steps == 12 - stop
    # What the record of a round asks for: metrics and checkpoint of the last step.
    assert progress.outcome().steps == progress.evaluated_at == stop and set(progress.metrics) == {'toy/mAP'}
    newest = latest_checkpoint(tmp_path / 'a')
    assert iterations_of(newest) == stop and digest(load_state(newest)) == digest(model.state_dict())
    assert steps(tmp_path)[-1] == stop
    assert digest(stored(tmp_path, stop)) == digest(prune(load_state(newest)))


@pytest.mark.parametrize('workers, persistent', [(0, False), (1, False), (1, True)])
def test_loaders_of_every_kind_end_in_the_middle_of_an_epoch(toy_cfg, tmp_path, workers, persistent):
    toy_cfg.train_dataloader.update(num_workers=workers, persistent_workers=persistent)
    runner = toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=1, fraction=0.5), StepSeedHook())
    runner.train()
    assert runner.iter == 6
    assert isinstance(runner.train_dataloader, torch.utils.data.DataLoader)


def save(**settings):
    return dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', **settings)))


@pytest.mark.parametrize('overrides', [
    pytest.param(save(interval=5), id='save every 5'),
    pytest.param(save(interval=5, save_best='auto'), id='save the best only'),
    pytest.param(dict(train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=5)), id='evaluate every 5')])
def test_the_last_step_is_saved_and_evaluated_once_whatever_the_intervals(toy_cfg, tmp_path, overrides):
    evaluated = []

    class Count(Hook):
        def after_val_epoch(self, runner, metrics=None):
            evaluated.append(runner.iter)
    hook = make(tmp_path, interval=1, fraction=0.5)
    toy_runner(toy_cfg, tmp_path / 'a', hook, Count(), **overrides).train()
    assert iterations_of(latest_checkpoint(tmp_path / 'a')) == 6 and evaluated.count(6) == 1


def test_an_iteration_based_training_ends_saved_and_evaluated(toy_cfg, tmp_path):
    cfg = iteration_based(toy_cfg)
    progress, hook = ProgressHook(0, 1, 0, 0), make(tmp_path, interval=2, fraction=0.5)
    runner = toy_runner(cfg, tmp_path / 'a', progress, hook)
    runner.train()
    assert runner.iter == 6 and progress.outcome().steps == progress.evaluated_at == 6 and hook.stopped_at == 6
    newest = latest_checkpoint(tmp_path / 'a')
    assert newest.name == 'iter_6.pth' and iterations_of(newest) == 6


def test_without_a_validation_part_it_just_ends(toy_cfg, tmp_path):
    cfg = {k: v for k, v in toy_cfg.to_dict().items() if not k.startswith('val_')}
    runner = toy_runner(Config(cfg), tmp_path / 'a', make(tmp_path, interval=1, fraction=0.5))
    runner.train()
    assert runner.iter == 6


def test_it_ends_once_every_distance_is_below_the_tolerance(toy_cfg, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path / 'a', interval=1, patience=3, fraction=1.0)).train()
    looks = files.read_looks(tmp_path / 'a' / 'eb')
    largest = {look['step']: max(p['distance'] for p in look['previous']) for look in looks
               if len(look['previous']) == 3}
    tolerance = sorted(largest.values())[2] + 1e-9  # so that exactly three looks are below
    expected = min(step for step, value in largest.items() if value < tolerance)
    hook = make(tmp_path / 'b', interval=1, patience=3, tolerance=tolerance)
    runner = toy_runner(toy_cfg, tmp_path / 'b', hook)
    runner.train()
    assert runner.iter == hook.stopped_at == expected < 12 and hook.saved_steps == 12 - expected
    assert files.read_looks(tmp_path / 'b' / 'eb') == looks[:expected + 1]


def test_a_mask_that_never_settles_trains_to_the_end(toy_cfg, tmp_path):
    hook = make(tmp_path, interval=1, **NEVER)
    runner = toy_runner(toy_cfg, tmp_path / 'a', hook)
    runner.train()
    assert runner.iter == 12 and hook.stopped_at is None and hook.saved_steps == 0


def test_a_round_of_a_job_ends_early_and_can_be_recorded(toy_cfg, tmp_path):
    progress = ProgressHook(0, 1, 0, 0)
    toy_cfg.update(work_dir=str(tmp_path / 'a'), experiment_name=str(tmp_path), custom_hooks=[
        dict(type='EarlyBirdHook', folder=str(tmp_path / 'eb'), density=0.5, names=NAMES, fraction=0.5)])
    outcome = train(toy_cfg, progress)
    assert iterations_of(latest_checkpoint(tmp_path / 'a')) == outcome.steps == progress.evaluated_at == 6


# kill and resume


def finish(cfg, folder, checkpoint=None, **settings):
    """Train, or go on from ``checkpoint``, with looks in ``folder``; returns what must not depend on it."""
    hook = make(folder, interval=1, **settings)
    more = dict(resume=True, load_from=str(checkpoint)) if checkpoint else {}
    runner = toy_runner(cfg, folder / 'run', StepSeedHook(), hook, **more)
    state = runner.train().state_dict()
    looks = files.read_looks(folder / 'eb')
    found = {step: files.read_masks(path) for step, path in files.mask_files(folder / 'eb')}
    masks = {step: (x.step, x.max_iters, x.alive, digest(x.masks)) for step, x in found.items()}
    newest = latest_checkpoint(folder / 'run')
    return dict(iter=runner.iter, stopped=hook.stopped_at, saved=hook.saved_steps, looks=looks, masks=masks,
                weights=digest(state), checkpoint=(newest.name, iterations_of(newest), digest(load_state(newest))))


@pytest.mark.parametrize('loop', ['epochs', pytest.param('steps', marks=pytest.mark.skipif(
    not hasattr(InfiniteSampler, 'skip'), reason='upstream loads and drops what was seen'))])
@pytest.mark.parametrize('settings', [dict(fraction=0.75), dict(tolerance=0.999, patience=7)],
                         ids=['fraction', 'settled'])
def test_killed_and_resumed_it_ends_the_same(toy_cfg, tmp_path, loop, settings):
    cfg = toy_cfg if loop == 'epochs' else iteration_based(toy_cfg)
    (tmp_path / 'whole').mkdir()
    whole = finish(cfg, tmp_path / 'whole', **settings)
    assert whole['iter'] == whole['stopped'] == 12 - whole['saved'] == (9 if 'fraction' in settings else 7)
    first = 'epoch_1.pth' if loop == 'epochs' else 'iter_4.pth'
    shutil.copytree(tmp_path / 'whole' / 'eb', tmp_path / 'half' / 'eb')  # looks beyond the checkpoint
    (tmp_path / 'half' / 'run').mkdir()
    shutil.copy(tmp_path / 'whole' / 'run' / first, tmp_path / 'half' / 'run' / first)
    again = finish(cfg, tmp_path / 'half', tmp_path / 'half' / 'run' / first, **settings)
    assert again == whole


@pytest.mark.parametrize('loop', ['epochs', 'steps'])
def test_killed_after_its_end_it_is_only_evaluated(toy_cfg, tmp_path, loop):
    cfg = toy_cfg if loop == 'epochs' else iteration_based(toy_cfg)
    finish(cfg, tmp_path, fraction=0.5)
    newest = latest_checkpoint(tmp_path / 'run')
    progress, weights, hook = ProgressHook(0, 1, 0, 0), Weights(), make(tmp_path, interval=1, fraction=0.5)
    before = newest.stat().st_mtime_ns
    toy_runner(cfg, tmp_path / 'run', progress, weights, hook, resume=True, load_from=str(newest)).train()
    assert weights.after == {} and progress.outcome().steps == progress.evaluated_at == 6
    assert hook.stopped_at == hook.saved_steps == 6 and newest.stat().st_mtime_ns == before
    assert steps(tmp_path) == list(range(7))


def test_a_checkpoint_without_masks_is_gone_on_with_and_said(toy_cfg, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a').train()
    toy_runner(toy_cfg, tmp_path / 'b', make(tmp_path, interval=1, fraction=1.0), resume=True,
               load_from=str(tmp_path / 'a' / 'epoch_2.pth')).train()
    assert steps(tmp_path) == [9, 10, 11, 12]
    assert 'holds no early-bird masks of this round' in next((tmp_path / 'b').glob('*/*.log')).read_text()


def test_masks_of_another_round_are_no_past(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=2 / 3)
    checkpoint = str(tmp_path / 'run' / 'epoch_2.pth')  # where a round of density 0.5 ended
    hook = make(tmp_path / 'b', density=0.25, interval=2, fraction=1.0)
    runner = toy_runner(toy_cfg, tmp_path / 'b' / 'run', hook, resume=True, load_from=checkpoint)
    runner.train()
    assert runner.iter == 12 and hook.stopped_at is None
    assert [(look['step'], len(look['previous'])) for look in files.read_looks(tmp_path / 'b' / 'eb')] == [
        (10, 0), (12, 1)]


def test_loading_weights_is_not_resuming(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=0.5)
    newest = latest_checkpoint(tmp_path / 'run')
    hook = make(tmp_path / 'b', interval=6, fraction=1.0)
    toy_runner(toy_cfg, tmp_path / 'b' / 'run', hook, load_from=str(newest)).train()
    assert steps(tmp_path / 'b') == [0, 6, 12] and hook.stopped_at is None


def test_checkpoints_hold_the_masks_without_classes_of_their_own(toy_cfg, tmp_path):
    finish(toy_cfg, tmp_path, fraction=0.75, patience=2)
    found = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['early_bird_history']  # with weights_only
    assert list(found['past']) == [3, 4] and found['stopped_at'] is None
    assert {t.dtype for t in found['past'][4].values()} == {torch.uint8}


# two processes


def test_two_ranks_end_at_the_same_step(tmp_path):
    hook = dict(type='EarlyBirdHook', folder=str(tmp_path / 'eb'), density=0.5, names=NAMES, fraction=0.5,
                interval=1)
    config = toys.write_config(
        tmp_path, custom_hooks=[hook, dict(type='RankDigests')],
        imp=dict(scope='all', target_sparsity=0.5, rounds=1),
        custom_imports=dict(imports=['toys', 'rank_digests', 'mmlth.engine.hooks.early_bird_hook']))
    done = launch(config, tmp_path / 'two')
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads((tmp_path / 'two' / 'summary.json').read_text())['rounds']
    assert [r['steps'] for r in rounds] == [3, 3]  # of 6, in the middle of an epoch of 2
    ranks = [json.loads((tmp_path / 'two' / 'round_01' / f'rank_{i}.json').read_text()) for i in (0, 1)]
    assert ranks[0] == ranks[1]
    assert steps(tmp_path) == [0, 1, 2, 3]  # rank 0 alone writes


# refused before training


@pytest.mark.parametrize('settings, message', [
    (dict(density=0.0), r'density=0.0 must be in \(0, 1\)'), (dict(density=1.0), 'density=1.0 must be'),
    (dict(names=None), 'either names .* or ticket'), (dict(interval=0), 'interval=0 must be'),
    (dict(fraction=1.5), 'fraction=1.5 must be'),
    (dict(criterion='taste', rewind='w'), "criterion='taste': allowed are"),
    (dict(allocation='fair'), "allocation='fair': allowed are"),
    (dict(criterion='magnitude_increase'), "criterion='magnitude_increase' .* rewind")])
def test_bad_settings_are_refused_at_construction(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **settings)


def test_names_and_ticket_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match='either names'):
        EarlyBirdHook(str(tmp_path), 0.5, names=NAMES, ticket='t')


@pytest.mark.parametrize('settings, message', [
    (dict(interval=13), 'interval=13 is longer than the training, which has 12 steps'),
    (dict(begin=7, fraction=0.5), 'at step 6, before w_k is captured at step 7'),
    (dict(interval=3), 'could not end a training of 12 steps early'),
    (dict(names=['neck.weight']), r"no parameters \['neck.weight'\]"),
    (dict(density=0.1, min_kept=100), 'min_kept=100'),
    (dict(density=0.1, min_kept=100, begin=5, fraction=1.0), 'min_kept=100')])
def test_what_does_not_fit_is_refused_before_the_first_step(toy_cfg, tmp_path, settings, message):
    weights = Weights()
    with pytest.raises(ValueError, match=message):
        toy_runner(toy_cfg, tmp_path / 'a', weights, make(tmp_path, **settings)).train()
    assert weights.after == {}


def test_a_density_above_the_ticket_is_refused_before_the_first_step(toy_cfg, tmp_path, ticket):
    hook = make(tmp_path, density=0.9, ticket=str(ticket), interval=1)
    with pytest.raises(ValueError, match='density=0.9 is above 0.[56]'):
        toy_runner(toy_cfg, tmp_path / 'a', hook).train()


def test_a_loop_that_cannot_be_ended_is_refused_unless_it_is_only_watched(tmp_path):
    runner = SimpleNamespace(
        max_iters=12, iter=0, train_loop=object(), model=toys.ToyNet(), hooks=[],
        train_dataloader=DataLoader(range(8), batch_size=2),
        optim_wrapper=SimpleNamespace(_accumulative_counts=1))
    with pytest.raises(ValueError, match='object has no stop_training'):
        make(tmp_path, interval=1).before_train(runner)
    make(tmp_path, interval=1, fraction=1.0).before_train(runner)
