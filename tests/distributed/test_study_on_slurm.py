"""Studies on a Slurm cluster of one node."""
import signal
import subprocess
import sys
import tempfile

import pytest
import toys
from conftest import ROOT, tool_env
from slurm_cluster import SlurmCluster, needs_slurm

from mmlth.core.files import read_json

sys.path.append(str(ROOT / 'tests' / 'study'))

from stand_ins import wait_until, write_study

pytest.importorskip('submitit')
pytestmark = [needs_slurm, pytest.mark.slow]
ONE = dict(one=dict(title='One', section='1', kind='bars', jobs=[
    dict(rounds=1, label='ticket', controls=('random', 'shuffle'))]))


@pytest.fixture(scope='module')
def cluster():
    with tempfile.TemporaryDirectory(prefix='slurm') as folder, SlurmCluster(folder) as cluster:
        yield cluster


@pytest.fixture
def study(cluster, tmp_path):
    """Start the study on the cluster; returns the process."""
    def study(*options, **model):
        config = toys.write_config(tmp_path, model=dict(type='ToyNet', **model))
        path = write_study(tmp_path / 'study.py', config, ONE)
        command = [sys.executable, ROOT / 'tools' / 'run_study.py', 'run', path, '--work-dir',
                   tmp_path / 'work', '--executor', 'slurm', '--slurm', *options]
        env = {**tool_env(), 'SLURM_CONF': cluster.env['SLURM_CONF']}
        with open(tmp_path / 'out.txt', 'a') as out:
            return subprocess.Popen(
                list(map(str, command)), env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    return study


def shown(tmp_path):
    logs = [path.read_text()[-1500:] for path in (tmp_path / 'work').glob('*/*.log')]
    return '\n'.join([(tmp_path / 'out.txt').read_text()[-3000:], *logs])


def records(folder):
    return {path.parent.name: (read_json(path)['digests'], read_json(path)['metrics'])
            for path in sorted(folder.glob('**/record.json')) if 'round' in path.parent.name}


def test_a_study_is_queued_whole_outlives_its_driver_and_ends_as_on_this_machine(
    study, run_imp, toy_cfg, tmp_path,
):
    driver = study('time=30', seconds_per_step=0.1)
    out = tmp_path / 'out.txt'
    wait_until(lambda: 'are in the queue' in out.read_text() or driver.poll() is not None)
    assert '4 tasks are in the queue' in out.read_text(), shown(tmp_path)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    jobs = tmp_path / 'work' / 'jobs'
    wait_until(lambda: list(jobs.glob('*/round_01/record.json')), 300)  # without a driver
    driver = study('time=30', seconds_per_step=0.1)
    assert driver.wait(600) == 0, shown(tmp_path)
    alone = tmp_path / 'alone'
    run_imp(toy_cfg, alone, rounds=1, controls=['random', 'shuffle'])
    found = {name: record for path in jobs.glob('*rounds-1*/') if path.is_dir()
             for name, record in records(path).items()}
    assert found == records(alone)
    logs = list((tmp_path / 'work' / 'slurm').glob('*_log.out'))
    assert len(logs) == 4  # nothing was queued twice


def test_a_task_that_is_requeued_in_the_middle_goes_on(study, cluster, tmp_path):
    driver = study('time=30', seconds_per_step=1.0)
    jobs, notes = tmp_path / 'work' / 'jobs', tmp_path / 'work' / 'slurm'
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_1.pth')) or driver.poll() is not None, 300)
    dense = read_json(next(notes.glob('*rounds-0*.json')))['job']
    cluster.call('scancel', '--signal=USR2', dense)  # as before the time limit
    assert driver.wait(900) == 0, shown(tmp_path)
    store = next(jobs.glob('*rounds-0*/round_00'))
    assert len(list(store.glob('*/*.log'))) == 2  # a Runner was started twice, the second resumed


def test_what_fails_is_named_and_what_needs_it_is_left_out(study, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONUNBUFFERED', '1')
    driver = study('time=30', diverge=True)
    assert driver.wait(600) == 1, shown(tmp_path)
    text = (tmp_path / 'out.txt').read_text()
    assert 'error: round 0' in text and text.count('left out: it needs') >= 3


def test_what_sbatch_refuses_is_told_in_a_line(study, tmp_path):
    assert study('partition=none').wait(300) == 1
    line, = [line for line in (tmp_path / 'out.txt').read_text().splitlines()
             if 'sbatch refused' in line]
    assert 'invalid partition' in line


def test_unknown_options_of_slurm_are_named_before_anything_is_queued(study, tmp_path):
    driver = study('tiem=30')
    assert driver.wait(120) == 1
    text = (tmp_path / 'out.txt').read_text()
    assert "--slurm tiem: unknown options; known are ['account'" in text.replace('\n', '')
