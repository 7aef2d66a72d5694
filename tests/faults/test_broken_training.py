"""Trainings that fail in the middle: said at once, and the same command goes on afterwards."""
import os
import signal

import pytest
import torch
import toys
from conftest import run_job
from mmengine.registry import DATASETS, METRICS
from torch.utils.data import get_worker_info

from mmlth.core.checkpoints import iterations_of
from mmlth.core.store import Store
from mmlth.core.training import Training

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)
BREAK = {'evaluator': False, 'worker': False}


@METRICS.register_module()
class BreakableAccuracy(toys.ToyAccuracy):
    """Raises at the last evaluation of a training while BREAK says so."""

    def compute_metrics(self, results):
        if BREAK['evaluator']:
            raise KeyError('no such category')
        return super().compute_metrics(results)


@DATASETS.register_module()
class BreakableData(toys.ToyData):
    """Kills the loader process at the first image it reads while BREAK says so.

    At the first, since PyTorch's main process may be taking over an earlier batch from the killed
    one, which ends in a ConnectionResetError in place of its own message.
    """

    def __getitem__(self, index):
        if BREAK['worker'] and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.fixture
def broken():
    """Break a part until the test mends it."""
    yield BREAK
    BREAK.update(evaluator=False, worker=False)


def digests(summary):
    return [(record['digests'], record['metrics']) for record in summary.rounds]


def test_a_loss_that_is_nan_ends_the_training_within_ten_steps(tmp_path):
    cfg = toys.read_config(tmp_path, model=dict(type='ToyNet', diverge=True))
    with pytest.raises(ValueError, match=r'iteration 10 \(loss=nan.*training diverged. Lower'):
        run_job(cfg, tmp_path / 'job', **SETTINGS)
    assert not (tmp_path / 'job/round_00/record.json').exists()


def test_an_evaluator_that_raises_loses_no_training(tmp_path, broken, monkeypatch):
    evaluated_last = dict(by_epoch=True, max_epochs=3, val_interval=3)
    cfg = toys.read_config(tmp_path, val_evaluator=dict(type='BreakableAccuracy'),
                           train_cfg=evaluated_last)
    broken['evaluator'] = True
    monkeypatch.setattr('mmlth.job.rank_0.evaluate_first_batch', lambda *args: None)  # sees it
    with pytest.raises(KeyError, match='no such category'):
        run_job(cfg, tmp_path / 'job', **SETTINGS)
    checkpoint = Store(tmp_path / 'job').resume_from(Training(number=0))
    assert iterations_of(checkpoint) == 12  # all of it
    broken['evaluator'] = False
    stamp = checkpoint.stat().st_mtime_ns
    trained = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, 'step',
                        lambda self, *args: trained.append(1) or step(self, *args))
    first = run_job(cfg, tmp_path / 'job', **{**SETTINGS, 'rounds': 0})
    assert trained == [1]  # the rehearsal's
    assert first.rounds[0]['steps'] == 12 and checkpoint.stat().st_mtime_ns >= stamp
    whole = run_job(cfg, tmp_path / 'job', **SETTINGS)
    assert digests(whole) == digests(run_job(cfg, tmp_path / 'other', **SETTINGS))


def test_a_loader_process_that_dies_is_said_and_the_job_goes_on(tmp_path, broken):
    loader = toys.toy_loader(shuffle=True)
    loader['dataset']['type'] = 'BreakableData'
    cfg = toys.read_config(tmp_path, train_dataloader=dict(loader, num_workers=1))
    broken['worker'] = True
    with pytest.raises(RuntimeError, match=r'DataLoader worker .* (is killed|exited)'):
        run_job(cfg, tmp_path / 'job', **SETTINGS)
    broken['worker'] = False
    mended = run_job(cfg, tmp_path / 'job', **SETTINGS)
    assert digests(mended) == digests(run_job(cfg, tmp_path / 'other', **SETTINGS))
