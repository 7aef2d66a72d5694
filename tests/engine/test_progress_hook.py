"""What a training tells of itself: metrics, seconds, and when the whole job will end."""
import time
from types import SimpleNamespace

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
