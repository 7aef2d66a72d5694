"""Settings of the early-bird hook that are refused before the first step."""
from types import SimpleNamespace

import pytest
import toys
from early_birds import make
from torch.utils.data import DataLoader
from toy_training import Weights, half_ticket, toy_runner

from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook


@pytest.mark.parametrize('settings, message', [
    (dict(density=0.0), r'density=0.0 must be in \(0, 1\)'),
    (dict(density=1.0), 'density=1.0 must be'),
    (dict(names=None), 'either names .* or ticket'),
    (dict(interval=0), 'interval=0 must be'),
    (dict(fraction=1.5), 'fraction=1.5 must be'),
    (dict(criterion='taste', rewind='w'), "criterion='taste': allowed are"),
    (dict(allocation='fair'), "allocation='fair': allowed are"),
    (dict(criterion='magnitude_increase'), "criterion='magnitude_increase' .* rewind"),
    (dict(criterion='magnitude_per_cost'), "'magnitude_per_cost' takes costs, so positions must")])
def test_bad_settings_are_refused_at_construction(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **settings)


def test_names_and_ticket_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match='either names'):
        EarlyBirdHook(str(tmp_path), 0.5, names=toys.NAMES, ticket='t')


@pytest.mark.parametrize('settings, message', [
    (dict(interval=13), 'interval=13 is longer than the training, which has 12 steps'),
    (dict(begin=7, fraction=0.5), 'at step 6, before w_k is captured at step 7'),
    (dict(interval=3), 'could not end a training of 12 steps early'),
    (dict(names=['neck.weight']), r"no parameters \['neck.weight'\]"),
    (dict(density=0.1, min_kept=100), 'min_kept=100'),
    (dict(density=0.1, min_kept=100, begin=5, fraction=1.0), 'min_kept=100')])
def test_what_does_not_fit_is_refused_before_the_first_step(
        toy_cfg, tmp_path, settings, message):
    weights = Weights()
    runner = toy_runner(toy_cfg, tmp_path / 'a', weights, make(tmp_path, **settings))
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert weights.after == {}


def test_a_density_above_the_ticket_is_refused_before_the_first_step(toy_cfg, tmp_path):
    hook = make(tmp_path, density=0.9, ticket=str(half_ticket(tmp_path)), interval=1)
    with pytest.raises(ValueError, match='density=0.9 is above 0.[45]'):
        toy_runner(toy_cfg, tmp_path / 'a', hook).train()


def test_a_loop_that_cannot_be_ended_is_refused_unless_it_is_only_watched(tmp_path):
    runner = SimpleNamespace(
        max_iters=12, iter=0, train_loop=object(), model=toys.ToyNet(), hooks=[],
        train_dataloader=DataLoader(range(8), batch_size=2),
        optim_wrapper=SimpleNamespace(_accumulative_counts=1))
    with pytest.raises(ValueError, match='object has no stop_training'):
        make(tmp_path, interval=1).before_train(runner)
    make(tmp_path, interval=1, fraction=1.0).before_train(runner)
