"""Whole jobs of tiny stock detectors: killed, gone on with, exported, scored by MMDet itself."""
import sys
from dataclasses import replace

import pytest
from conftest import ROOT, tool_env

sys.path.insert(0, str(ROOT / 'benchmarks'))

import tiny_detectors
from whole_jobs import ROUNDS, WholeJob, row_of, run_whole_job

QUICK = ('single-stage, anchors', )  # the others take longer, or detect nothing in so few steps
KINDS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow)
         for kind in tiny_detectors.KINDS]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny_detectors.make_data(tmp_path_factory.mktemp('data') / 'digit_scenes')


@pytest.fixture(autouse=True)
def _on_one_thread(monkeypatch):
    for name in ('PYTHONPATH', 'OMP_NUM_THREADS'):
        monkeypatch.setenv(name, tool_env()[name])


@pytest.mark.parametrize('kind', KINDS)
def test_a_job_killed_once_ends_in_a_checkpoint_that_mmdet_scores_as_recorded(
        kind, data, tmp_path):
    try:
        tiny_detectors.tiny_config(kind, data)
    except ValueError as error:
        pytest.skip(str(error).splitlines()[0])
    job = run_whole_job(kind, data, tmp_path / 'job', epochs=2)
    assert job.rounds == ROUNDS + 1 and job.killed_in == 'round_01'
    assert job.sparsity == pytest.approx(0.8, abs=1e-4) and job.zeros >= job.sparsity
    assert job.by_mmdet == job.recorded and len(job.recorded) >= 3
    assert row_of(kind, job)[-2] == 'yes'


def test_a_job_whose_scores_differ_or_are_missing_is_not_equal():
    job = WholeJob(parameters=1, rounds=3, killed_in='round_01', sparsity=0.8, zeros=0.8,
                   recorded={'coco/bbox_mAP': 0.1}, by_mmdet={'coco/bbox_mAP': 0.1}, seconds=1.0)
    assert job.equal
    assert not replace(job, by_mmdet={'coco/bbox_mAP': 0.2}).equal
    assert not replace(job, by_mmdet={}).equal
    assert not replace(job, recorded={}, by_mmdet={}).equal


def test_what_a_stock_config_switches_late_is_switched_before_the_last_epoch(data):
    hooks = tiny_detectors.tiny_config('mode switch', data, epochs=3).custom_hooks
    assert [hook.num_last_epochs for hook in hooks if 'num_last_epochs' in hook] == [1]
    hooks = tiny_detectors.tiny_config('anchor-free, tied heads', data, epochs=3).custom_hooks
    assert [hook.switch_epoch for hook in hooks if 'switch_epoch' in hook] == [2]


def test_both_sources_of_a_semi_supervised_config_are_the_scenes(data):
    cfg = tiny_detectors.tiny_config('semi-supervised', data)
    parts = cfg.train_dataloader.dataset.datasets
    assert [part.data_root for part in parts] == [f'{data}/'] * 2
    assert cfg.model.semi_train_cfg and cfg.custom_hooks[0].type == 'MeanTeacherHook'
