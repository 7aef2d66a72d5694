"""Ways to train that masks don't go with are refused by name, before anything is trained."""
import pytest
from mmengine.config import Config
from mmengine.runner import FlexibleRunner
from toy_training import half_ticket, toy_runner

from mmlth.engine.trainer import check_trainer
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SGD = dict(type='SGD', lr=0.1)
REFUSED = [
    (dict(runner_type='FlexibleRunner'), "runner_type='FlexibleRunner': .* Remove runner_type"),
    (dict(strategy=dict(type='FSDPStrategy')), "strategy='FSDPStrategy': .* Remove it"),
    (dict(strategy=dict(type='DeepSpeedStrategy')), "strategy='DeepSpeedStrategy'"),
    (dict(strategy=dict(type='ColossalAIStrategy')), "strategy='ColossalAIStrategy'"),
    (dict(model_wrapper_cfg=dict(type='MMFullyShardedDataParallel')),
     "type='MMFullyShardedDataParallel': .* Allowed is 'MMDistributedDataParallel'"),
    (dict(model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')),
     "type='MMSeparateDistributedDataParallel'"),
    (dict(optim_wrapper=dict(type='ApexOptimWrapper', optimizer=SGD)), 'use AmpOptimWrapper'),
    (dict(optim_wrapper=dict(type='DeepSpeedOptimWrapper', optimizer=SGD)), 'use OptimWrapper'),
    (dict(optim_wrapper=dict(type='AmpOptimWrapper', use_fsdp=True, optimizer=SGD)),
     'use_fsdp=True'),
    (dict(optim_wrapper=dict(optimizer=dict(type='LBFGS'))), "type='LBFGS': it needs a closure"),
    (dict(optim_wrapper=dict(optimizer=dict(type='ZeroRedundancyOptimizer'))),
     "type='ZeroRedundancyOptimizer': each rank"),
]


@pytest.mark.parametrize('options, message', REFUSED)
def test_each_is_refused_before_a_job_trains(toy_cfg, tmp_path, options, message):
    cfg = Config({**toy_cfg.to_dict(), **options}, filename=toy_cfg.filename)
    job = IMPRunner(cfg, IMPConfig(scope='all', target_sparsity=0.5, rounds=1), tmp_path / 'job')
    with pytest.raises(ValueError, match=message):
        job.run()
    assert not list(tmp_path.glob('job/round_*'))


@pytest.mark.parametrize('options', [
    dict(),
    dict(runner_type='Runner'),
    dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', find_unused_parameters=True)),
    dict(optim_wrapper=dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=SGD)),
    dict(optim_wrapper=dict(constructor='OfGenerators', first=dict(optimizer=SGD)))])
def test_what_works_is_not_refused(options):
    check_trainer(Config(options))


def test_a_ticket_of_mmdets_own_tools_is_refused_alike(toy_cfg, tmp_path):
    ticket = half_ticket(tmp_path)
    toy_cfg.custom_hooks = [dict(type='TicketHook', ticket=str(ticket))]
    facts = dict(work_dir=str(tmp_path / 'a'), strategy=dict(type='SingleDeviceStrategy'),
                 env_cfg=dict())
    runner = FlexibleRunner.from_cfg(Config({**toy_cfg.to_dict(), **facts}))
    with pytest.raises(ValueError, match="runner_type='FlexibleRunner'"):
        runner.train()


def test_a_ticket_with_an_optimizer_that_needs_a_closure_is_refused(toy_cfg, tmp_path):
    ticket = half_ticket(tmp_path)
    hooks = [dict(type='TicketHook', ticket=str(ticket))]
    wrapper = dict(optimizer=dict(type='LBFGS'))
    runner = toy_runner(toy_cfg, tmp_path / 'a', custom_hooks=hooks, optim_wrapper=wrapper)
    with pytest.raises(ValueError, match='needs a closure'):
        runner.train()
