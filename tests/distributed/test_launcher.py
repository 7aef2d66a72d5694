"""Where the processes of a launcher meet, and how they are told who they are."""
import json
import subprocess
import sys

import pytest
from conftest import ROOT, tool_env

from mmlth.engine.launch import check_launcher, first_host, slurm_port

JOIN = """
import json, os, sys
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmlth.engine.launch import start_launcher, stop_launcher
start_launcher(Config(), sys.argv[1])
print(json.dumps([get_rank(), get_world_size(), os.environ['LOCAL_RANK'], os.environ['MASTER_ADDR'],
                  os.environ['MASTER_PORT']]))
stop_launcher()
"""
RANK = dict(slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
LOCAL = dict(slurm='SLURM_LOCALID', mpi='OMPI_COMM_WORLD_LOCAL_RANK')
SIZE = dict(slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')


def free_port():
    """Return a port that is free now."""
    import socket
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return str(one.getsockname()[1])


@pytest.mark.parametrize('launcher', ['slurm', pytest.param('mpi', marks=pytest.mark.slow)])
def test_ranks_of_slurm_and_mpi_meet_without_a_gpu(launcher):
    place = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(), SLURM_NODELIST='n[1-2]')
    running = []
    for rank in ('0', '1'):
        told = {RANK[launcher]: rank, LOCAL[launcher]: rank, SIZE[launcher]: '2'}
        running.append(subprocess.Popen(
            [sys.executable, '-c', JOIN, launcher], env={**tool_env(), **place, **told}, cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for rank, process in enumerate(running):
        out, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
        assert json.loads(out)[:3] == [rank, 2, str(rank)]


@pytest.mark.parametrize('nodes, first', [
    ('node7', 'node7'),
    ('a,b[1-3]', 'a'),
    ('gpu[03-05,09],fat1', 'gpu03'),
    ('gpu[12,14]', 'gpu12'),
    ('n[1-2]-ib', 'n1-ib'),
])
def test_the_first_host_of_a_node_list_is_found_without_scontrol(monkeypatch, nodes, first):
    monkeypatch.setenv('PATH', '/nowhere')
    assert first_host(nodes) == first


def test_jobs_and_steps_of_one_node_meet_at_ports_of_their_own():
    places = [(job, step) for job in range(4711, 5011) for step in range(2)]
    ports = {slurm_port(str(job), str(step)) for job, step in places}
    assert len(ports) == len(places)
    assert min(ports) >= 20000 and max(ports) < 30000


@pytest.mark.parametrize('launcher, script', [
    ('slurm', 'slurm_imp.sh'), ('pytorch', 'dist_imp.sh'), ('mpi', 'mpirun')])
def test_a_process_that_no_launcher_started_is_refused(monkeypatch, launcher, script):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=script):
        check_launcher(launcher)
