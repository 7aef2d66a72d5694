"""The learning rate that fine-tuning would keep is known before training."""
import pytest
import toys
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmlth.engine.last_rate import check_last_rate, last_rate
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

WARM_UP = dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=2)
STEPS = dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2])
COSINE = dict(type='CosineAnnealingLR', by_epoch=True, T_max=3, convert_to_iter_based=True)
BY_STEPS = dict(by_epoch=False, max_iters=6, val_interval=6)


class Rates(Hook):
    """Notes the learning rate of every step."""

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, *args, **keywords):
        self.seen.append(runner.optim_wrapper.get_lr()['lr'][0])


@pytest.mark.parametrize('overrides', [
    dict(param_scheduler=[WARM_UP, STEPS]),
    dict(param_scheduler=[WARM_UP, COSINE]),
    dict(param_scheduler=[dict(COSINE, eta_min_ratio=0.05)]),
    dict(param_scheduler=dict(type='PolyLR', by_epoch=True, eta_min=0.02)),
    dict(param_scheduler=None),
    dict(param_scheduler=dict(type='OneCycleLR', eta_max=0.2, total_steps=6), train_cfg=BY_STEPS),
    dict(param_scheduler=dict(type='CosineAnnealingLR', by_epoch=False, T_max=6),
         train_cfg=BY_STEPS)])
def test_it_is_that_of_a_training(tmp_path, overrides):
    cfg = toys.read_config(tmp_path, **overrides)
    cfg.pop('imp')
    cfg.work_dir, cfg.experiment_name = str(tmp_path / 'trained'), tmp_path.name
    runner, hook = Runner.from_cfg(cfg), Rates()
    runner.register_hook(hook)
    runner.train()
    last = runner.optim_wrapper.get_lr()['lr'][0]
    assert last_rate(cfg, steps_per_epoch=4) == pytest.approx(last / max(*hook.seen, last))


def test_those_that_wait_for_a_metric_are_left_out(tmp_path):
    plateau = dict(type='ReduceOnPlateauLR', monitor='accuracy', rule='greater')
    assert last_rate(toys.read_config(tmp_path, param_scheduler=[plateau])) == 1


def test_only_fine_tuning_keeps_it(tmp_path):
    cfg = toys.read_config(tmp_path, param_scheduler=COSINE)
    cfg.train_cfg.max_epochs = cfg.param_scheduler.T_max = 12
    check_last_rate(cfg, 'lr')
    with pytest.raises(ValueError, match=r"eta_min, or take rewind='lr'"):
        check_last_rate(cfg, 'none')
    cfg.param_scheduler.eta_min = 1e-4
    check_last_rate(cfg, 'none')


def test_a_job_is_refused_before_training(tmp_path):
    cfg = toys.read_config(tmp_path, param_scheduler=COSINE)
    cfg.train_cfg.max_epochs = cfg.param_scheduler.T_max = 12
    for dry_run in (False, True):
        with pytest.raises(ValueError, match="rewind='none' trains at the last learning rate"):
            IMPRunner(cfg, IMPConfig(rewind='none'), tmp_path / 'job').preflight(dry_run=dry_run)
    assert not (tmp_path / 'job' / 'round_00').exists()
