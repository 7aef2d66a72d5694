"""Studies on a Ray cluster of this machine, whose workers and nodes are killed."""
import os
import signal
import subprocess
import sys

import pytest
import toys
from conftest import ROOT, tool_env

from mmlth.core.files import read_json

sys.path.append(str(ROOT / 'tests' / 'study'))

from stand_ins import processes_of, wait_until, write_study

ray = pytest.importorskip('ray')
pytestmark = pytest.mark.slow
ONE = dict(one=dict(title='One', section='1', kind='bars', jobs=[
    dict(rounds=1, label='ticket', controls=('random', 'shuffle'))]))


@pytest.fixture(scope='module')
def cluster():
    from ray.cluster_utils import Cluster
    os.environ['PYTHONPATH'] = tool_env()['PYTHONPATH']
    found = Cluster(initialize_head=True, head_node_args=dict(num_cpus=0))
    yield found
    found.shutdown()


@pytest.fixture
def study(cluster, tmp_path):
    """Start the study on the cluster; returns the process."""
    def study(*options, **model):
        config = toys.write_config(tmp_path, model=dict(type='ToyNet', **model))
        path = write_study(tmp_path / 'study.py', config, ONE)
        command = [sys.executable, ROOT / 'tools' / 'run_study.py', 'run', path, '--work-dir',
                   tmp_path / 'work', '--executor', 'ray', '--ray-address', cluster.address,
                   *options]
        with open(tmp_path / 'out.txt', 'a') as out:
            return subprocess.Popen(list(map(str, command)), env=tool_env(), cwd=ROOT, stdout=out,
                                    stderr=subprocess.STDOUT)
    return study


def records(folder):
    return {path.parent.name: (read_json(path)['digests'], read_json(path)['metrics'])
            for path in sorted(folder.glob('**/record.json')) if 'round' in path.parent.name}


def test_a_study_survives_lost_workers_and_nodes_and_ends_as_on_this_machine(
    study, cluster, run_imp, toy_cfg, tmp_path,
):
    first = cluster.add_node(num_cpus=1)
    driver = study(seconds_per_step=0.3)
    jobs, out = tmp_path / 'work' / 'jobs', tmp_path / 'out.txt'
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_1.pth')) or driver.poll() is not None, 300)
    assert driver.poll() is None, out.read_text()
    for pid, line in processes_of(tmp_path / 'work').items():
        if 'mmlth.study.worker' in line:
            os.kill(pid, signal.SIGKILL)  # the training itself, whose task then fails
    assert driver.wait(300) == 1 and 'FAILED' in out.read_text()

    driver = study(seconds_per_step=0.3)
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_2.pth')) or driver.poll() is not None, 300)
    second = cluster.add_node(num_cpus=2)  # joins late
    cluster.remove_node(first, allow_graceful=False)
    assert driver.wait(900) == 0, out.read_text()
    cluster.remove_node(second)

    alone = tmp_path / 'alone'
    run_imp(toy_cfg, alone, rounds=1, controls=['random', 'shuffle'])
    found = {name: record for path in jobs.glob('*rounds-1*/') if path.is_dir()
             for name, record in records(path).items()}
    assert found == records(alone)


def test_a_training_of_two_gpus_gets_a_node_that_has_both(study, cluster, tmp_path):
    one = cluster.add_node(num_cpus=2, num_gpus=1)  # made-up GPUs: the processes train on the CPU
    two = cluster.add_node(num_cpus=2, num_gpus=2)
    driver = study('--gpus-per-job', '2')
    assert driver.wait(300) == 0, (tmp_path / 'out.txt').read_text()
    found = [read_json(path) for path in (tmp_path / 'work' / 'jobs').glob('*/round_*/record.json')]
    assert len(found) >= 3
    assert {record['machine']['ranks'] for record in found} == {2}
    cluster.remove_node(one)
    cluster.remove_node(two)


def test_an_address_without_a_cluster_is_named(tmp_path):
    config = toys.write_config(tmp_path)
    path = write_study(tmp_path / 'study.py', config, ONE)
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / 'run_study.py', 'run', path, '--work-dir',
         tmp_path / 'work', '--executor', 'ray', '--ray-address', '127.0.0.1:1'],
        env={**tool_env(), 'RAY_NUM_REDIS_GET_RETRIES': '1'}, cwd=ROOT, capture_output=True,
        text=True, timeout=300)
    assert done.returncode == 1 and '--ray-address 127.0.0.1:1: no Ray cluster' in done.stderr
