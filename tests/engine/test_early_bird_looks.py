"""What the early-bird hook sees of a training, and that it changes no bit of it."""
import pytest
import torch
import toys
from early_birds import looks, make, prune, steps, stored
from toy_training import Weights, half_ticket, toy_runner

from mmlth.core import mask_history, selection
from mmlth.core.checkpoints import latest_checkpoint, load_state
from mmlth.core.masks import dense_masks, digest, kept
from mmlth.core.overlap import count_overlap, describe_each, overlap
from mmlth.core.ticket import load_weights
from mmlth.engine.hooks import CaptureHook, TicketHook


@pytest.fixture(scope='module')
def watched(tmp_path_factory):
    """A training looked at every 5 steps against two looks before: folder, hook, weights."""
    folder = tmp_path_factory.mktemp('watched')
    weights = Weights()
    hook = make(folder, interval=5, fraction=1.0, patience=2)
    hooks = [CaptureHook(folder / 'w_0'), weights, hook]
    toy_runner(toys.read_config(folder), folder / 'a', *hooks).train()
    return folder, hook, {0: load_weights(folder / 'w_0'), **weights.after}


def test_every_look_is_the_mask_that_pruning_then_would_give(watched):
    folder, hook, seen = watched
    assert steps(folder) == [0, 5, 10, 12]
    for step in (0, 5, 10, 12):
        assert digest(stored(folder, step)) == digest(prune(seen[step])), step
    assert hook.stopped_at is None and hook.saved_steps == 0
    assert hook.max_steps == 12 and hook.seconds > 0


def test_a_look_tells_how_far_the_masks_before_are(watched):
    folder, _, seen = watched
    expected = {step: prune(seen[step]) for step in (5, 10, 12)}
    alive = {name: seen[0][name].numel() for name in toys.NAMES}
    last = looks(folder)[-1]
    assert last['kept'] == toys.SIZE // 2 and last['max_iters'] == 12
    assert [found['step'] for found in last['previous']] == [5, 10]  # patience of two
    for found in last['previous']:
        true = overlap(expected[12], expected[found['step']], alive)
        assert found == dict(true, step=found['step'])
    counts = count_overlap(expected[12], expected[10], alive)
    assert last['layers'] == describe_each(counts)


def test_looking_changes_no_bit_of_the_training(toy_cfg, tmp_path):
    plain = toy_runner(toy_cfg, tmp_path / 'a').train()
    hook = make(tmp_path, criterion='random', interval=1, fraction=1.0)
    watched = toy_runner(toy_cfg, tmp_path / 'b', hook).train()
    assert digest(plain.state_dict()) == digest(watched.state_dict())


def test_masks_of_a_ticket_bound_the_looks_and_the_first_sees_its_start(toy_cfg, tmp_path):
    ticket = str(half_ticket(tmp_path))
    train = TicketHook(ticket)
    old = train.ticket.masks
    start = train.ticket.start(train.weights)
    hook = make(tmp_path, density=0.25, ticket=ticket, interval=6, fraction=1.0)
    model = toy_runner(toy_cfg, tmp_path / 'a', hook, train).train()
    for step, state in ((0, start), (12, model.state_dict())):
        assert digest(stored(tmp_path, step)) == digest(prune(state, 0.25, old))
    last = mask_history.read_masks(tmp_path / 'eb' / 'masks_00000012.safetensors')
    assert last.alive == {name: kept({name: mask}) for name, mask in old.items()}


def test_averaged_weights_are_ranked_where_there_are_any(toy_cfg, tmp_path):
    toy_cfg.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    hook = make(tmp_path, interval=6, fraction=1.0)
    model = toy_runner(toy_cfg, tmp_path / 'a', hook).train()
    averaged = load_state(latest_checkpoint(tmp_path / 'a'))
    found = digest(stored(tmp_path, 12))
    assert found == digest(prune(averaged)) != digest(prune(model.state_dict()))


def test_a_criterion_is_given_w_k(toy_cfg, tmp_path):
    criterion, w_k = 'magnitude_increase', tmp_path / 'w_k'
    settings = dict(begin=3, interval=2, fraction=1.0)
    hook = make(tmp_path, criterion=criterion, rewind=str(w_k), **settings)
    model = toy_runner(toy_cfg, tmp_path / 'a', CaptureHook(w_k, 3), hook).train()
    assert steps(tmp_path) == [4, 6, 8, 10, 12]  # none before w_k is there
    initial = {name: load_weights(w_k)[name] for name in toys.NAMES}
    expected = prune(model.state_dict(), criterion=criterion, initial=initial)
    assert digest(stored(tmp_path, 12)) == digest(expected)


def test_scalars_go_to_the_message_hub(toy_cfg, tmp_path):
    runner = toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=6, fraction=1.0))
    runner.train()
    previous = looks(tmp_path)[-1]['previous']
    expected = dict(
        mask_iou=previous[-1]['iou'],
        mask_iou_by_chance=previous[-1]['chance_iou'],
        mask_hamming=previous[-1]['hamming'],
        mask_distance=max(look['distance'] for look in previous))
    hub = runner.message_hub
    assert {name: hub.get_scalar(f'train/{name}').current() for name in expected} == expected


def test_only_some_masks_are_stored(toy_cfg, tmp_path, monkeypatch):
    monkeypatch.setattr('mmlth.core.mask_watch.MASK_FILES', 3)
    toy_runner(toy_cfg, tmp_path / 'a', make(tmp_path, interval=1, fraction=1.0)).train()
    files = mask_history.mask_files(tmp_path / 'eb')
    assert [step for step, _ in files] == [0, 4, 8, 12]
    assert steps(tmp_path) == list(range(13))


def test_the_past_holds_no_more_than_patience(toy_cfg, tmp_path):
    hook = make(tmp_path, interval=1, fraction=1.0, patience=2)
    toy_runner(toy_cfg, tmp_path / 'a', hook).train()
    assert list(hook.watch.past) == [11, 12]
    assert digest(hook.watch.past[12]) == digest(stored(tmp_path, 12))


def test_looks_do_not_repeat_the_warnings_of_the_pruning(toy_cfg, tmp_path, caplog):
    hook = make(tmp_path, density=0.1, min_kept=45, interval=1, fraction=1.0)
    model = toy_runner(toy_cfg, tmp_path / 'a', hook).train()
    assert 'min_kept' not in caplog.text
    scores = {name: torch.zeros_like(model.get_parameter(name)) for name in toys.NAMES}
    selection.select(scores, dense_masks(scores), 0.1, min_kept=45)
    assert 'min_kept' in caplog.text
