"""A job of two ranks under Slurm: submitted, requeued and cancelled in the middle."""
import os
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, run_on_two_ranks, tool_env
from rank_jobs import outcome, processes, wait_for, write_slow_config
from slurm_cluster import SlurmCluster, needs_slurm

pytestmark = [needs_slurm, pytest.mark.slow]
SCRIPT = """#!/bin/bash
export GPUS=2 GRES= CPUS_PER_TASK=1
exec bash {root}/tools/slurm_imp.sh all toy {config} {work_dir}
"""


@pytest.fixture(scope='module')
def cluster():
    with tempfile.TemporaryDirectory(prefix='slurm') as folder, SlurmCluster(folder) as cluster:
        yield cluster


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return write_slow_config(tmp_path_factory.mktemp('config'))


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    """What torchrun's two ranks end with."""
    work_dir = tmp_path_factory.mktemp('whole') / 'job'
    run_on_two_ranks(config, work_dir)
    return outcome(work_dir)


@pytest.fixture
def submit(cluster, config, tmp_path):
    """Submit the job of a work directory; returns its number."""
    def call(work_dir, *options):
        script = tmp_path / 'job.sh'
        script.write_text(SCRIPT.format(root=ROOT, config=config, work_dir=work_dir))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
        own = dict(PATH=path, SLURM_CONF=cluster.env['SLURM_CONF'], VIRTUAL_ENV='of the tests')
        return cluster.call(
            'sbatch', '--parsable', '--requeue', '--ntasks=2', f'--output={tmp_path}/%j.log',
            '--open-mode=append', *options, script, **{**tool_env(), **own}).strip()
    return call


def running_until(cluster, job, path):
    """Wait until a job that is queued or runs has written a file."""
    assert wait_for(path, lambda: cluster.state(job) in ('PENDING', 'CONFIGURING', 'RUNNING'))


def log_of(tmp_path, job):
    return (tmp_path / f'{job}.log').read_text()[-3000:]


def test_a_job_ends_as_under_torchrun(cluster, submit, uninterrupted, tmp_path):
    job = submit(tmp_path / 'job')
    assert cluster.wait_for_end(job) == 'COMPLETED', log_of(tmp_path, job)
    assert outcome(tmp_path / 'job') == uninterrupted


def test_a_job_that_is_requeued_goes_on(cluster, submit, uninterrupted, tmp_path):
    job = submit(tmp_path / 'job')
    running_until(cluster, job, tmp_path / 'job' / 'round_01' / 'epoch_1.pth')
    before = processes(tmp_path / 'job')
    cluster.call('scontrol', 'requeue', job)
    assert cluster.wait_for_end(job) == 'COMPLETED', log_of(tmp_path, job)
    assert 'Restarts=1' in cluster.call('scontrol', 'show', 'job', job)
    assert not {*processes(tmp_path / 'job')} & {*before}
    assert outcome(tmp_path / 'job') == uninterrupted


def test_a_job_that_is_cancelled_and_submitted_again_goes_on(
        cluster, submit, uninterrupted, tmp_path):
    job = submit(tmp_path / 'job')
    running_until(cluster, job, tmp_path / 'job' / 'round_01' / 'epoch_1.pth')
    cluster.call('scancel', job)
    assert cluster.wait_for_end(job) == 'CANCELLED'
    again = submit(tmp_path / 'job')
    assert cluster.wait_for_end(again) == 'COMPLETED', log_of(tmp_path, again)
    assert outcome(tmp_path / 'job') == uninterrupted


def test_a_rank_that_is_killed_ends_the_whole_job(cluster, submit, uninterrupted, tmp_path):
    job = submit(tmp_path / 'job')
    running_until(cluster, job, tmp_path / 'job' / 'round_01' / 'epoch_1.pth')
    first, second = processes(tmp_path / 'job')
    os.kill(second, 9)
    assert cluster.wait_for_end(job) == 'FAILED', log_of(tmp_path, job)
    assert not Path(f'/proc/{first}').exists()
    cluster.call('scontrol', 'requeue', job)
    assert cluster.wait_for_end(job) == 'COMPLETED', log_of(tmp_path, job)
    assert outcome(tmp_path / 'job') == uninterrupted
