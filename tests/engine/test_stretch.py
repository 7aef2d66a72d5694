"""A training several times as long, under one schedule."""
import pytest
import toys
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmlth.engine.stretch import stretch


class Rates(Hook):
    """Notes the learning rate of every step."""

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, *args, **keywords):
        self.seen.append(round(runner.optim_wrapper.get_lr()['lr'][0], 8))


def rates(tmp_path, name, factor, **overrides):
    cfg = toys.read_config(tmp_path, **overrides)
    cfg.pop('imp')
    cfg.work_dir, cfg.experiment_name = str(tmp_path / name), f'{tmp_path.name}_{name}'
    stretch(cfg, factor)
    runner, hook = Runner.from_cfg(cfg), Rates()
    runner.register_hook(hook)
    runner.train()
    return hook.seen


def test_epochs_and_milestones_grow_and_a_warm_up_in_steps_stays(tmp_path):
    schedule = [dict(type='LinearLR', start_factor=0.5, by_epoch=False, begin=0, end=2),
                dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2])]
    once = rates(tmp_path, 'once', 1, param_scheduler=schedule)
    twice = rates(tmp_path, 'twice', 2, param_scheduler=schedule)
    assert (len(once), len(twice)) == (12, 24)
    assert [once.index(rate) for rate in (0.1, 0.01, 0.001)] == [1, 4, 8]
    assert [twice.index(rate) for rate in (0.1, 0.01, 0.001)] == [1, 8, 16]


def test_a_loop_by_iterations_and_its_cosine_grow(tmp_path):
    overrides = dict(
        train_cfg=dict(by_epoch=False, max_iters=6, val_interval=6),
        param_scheduler=dict(type='CosineAnnealingLR', by_epoch=False, T_max=6, eta_min=0.0))
    once = rates(tmp_path, 'once', 1, **overrides)
    thrice = rates(tmp_path, 'thrice', 3, **overrides)
    assert (len(once), len(thrice)) == (6, 18)
    assert thrice[::3] == pytest.approx(once)


def test_a_pipeline_is_switched_as_long_before_the_end():
    hook = dict(type='PipelineSwitchHook', switch_epoch=280)
    cfg = Config(dict(train_cfg=dict(max_epochs=300), param_scheduler=None, custom_hooks=[hook]))
    stretch(cfg, 2)
    assert cfg.train_cfg.max_epochs == 600 and cfg.custom_hooks[0].switch_epoch == 580
