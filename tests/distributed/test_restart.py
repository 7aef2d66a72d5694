"""A rank that dies: torchrun starts all anew, and the job ends as one that was left alone."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_on_two_ranks, tool_env
from rank_jobs import outcome, processes, wait_for, write_slow_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return write_slow_config(tmp_path_factory.mktemp('config'))


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole') / 'job'
    run_on_two_ranks(config, work_dir)
    return outcome(work_dir)


def start_until(moment, config, work_dir, **variables):
    """Start a job of two ranks; returns torchrun's process when a file of the job is there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    command = ['bash', ROOT / 'tools' / 'dist_imp.sh', config, '2', '--work-dir', work_dir]
    process = subprocess.Popen(command, env={**tool_env(), 'PATH': path, **variables}, cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    there = wait_for(work_dir / moment, lambda: process.poll() is None)
    assert there, process.communicate()[1][-3000:]
    return process


@pytest.mark.parametrize('rank', [0, 1])
def test_a_job_picks_itself_up_when_a_rank_is_killed(config, uninterrupted, tmp_path, rank):
    work_dir = tmp_path / 'job'
    process = start_until('round_01/epoch_1.pth', config, work_dir, MAX_RESTARTS='1')
    killed = processes(work_dir)
    os.kill(killed[rank], signal.SIGKILL)
    said = process.communicate(timeout=600)[1]
    assert process.returncode == 0, said
    assert not {*processes(work_dir)} & {*killed}
    assert outcome(work_dir) == uninterrupted


def test_a_job_that_is_told_to_end_leaves_no_process_and_goes_on(config, uninterrupted, tmp_path):
    work_dir = tmp_path / 'job'
    process = start_until('round_01/epoch_1.pth', config, work_dir)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert not [pid for pid in processes(work_dir) if Path(f'/proc/{pid}').exists()]
    run_on_two_ranks(config, work_dir)
    assert outcome(work_dir) == uninterrupted
