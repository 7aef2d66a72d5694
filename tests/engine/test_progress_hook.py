"""What a training tells of itself: metrics, seconds, and when the whole job will end."""
import time
from types import SimpleNamespace

from mmengine.hooks import Hook
from toy_training import toy_runner

from mmlth.engine.hooks import ProgressHook


def test_progress_keeps_metrics_seconds_and_an_eta(toy_cfg, tmp_path):
    hook = ProgressHook(1, 2, 0.5, 0.25, interval=5)
    runner = toy_runner(toy_cfg, tmp_path / 'a', hook, log_level='INFO')
    runner.train()
    assert hook.evaluated_at == hook.outcome().steps == 12
    assert set(hook.metrics) == {'toy/mAP'}
    assert hook.seconds > 0
    assert runner.message_hub.get_info('imp_seconds') == hook.seconds
    log = next((tmp_path / 'a').glob('*/*.log')).read_text()
    assert 'round 1/2, sparsity 50.00% (network 25.00%), ETA of the whole job' in log


def test_eta_counts_the_rounds_to_come():
    hook = ProgressHook(1, 3, 0, 0)
    hook._start, hook._first = time.perf_counter() - 10, 0
    eta = hook.eta(SimpleNamespace(iter=9, max_iters=10))  # 10 steps in 10 s; 2 rounds of 10 left
    assert round(eta.total_seconds()) == 20


def test_a_training_is_evaluated_before_its_loggers_are_closed(toy_cfg, tmp_path):
    """Killed between its last step and its evaluation, and given again."""
    toy_cfg.train_cfg.val_begin = 99  # no evaluation of its own
    calls = []

    class Order(Hook):
        priority = 'LOWEST'

        def after_val_epoch(self, runner, metrics=None):
            calls.append('evaluated')

        def after_run(self, runner):
            calls.append('closed')

    for start in (None, str(tmp_path / 'a' / 'epoch_3.pth')):
        hook = ProgressHook(0, 0, 0, 0)
        runner = toy_runner(toy_cfg, tmp_path / 'a', hook, resume=start is not None)
        runner.register_hook(Order())
        runner.train()
        assert hook.outcome().metrics and hook.evaluated_at == 12
    assert calls == ['evaluated', 'closed'] * 2
