"""The command lines that the launching scripts make: a python and an srun that only say theirs."""
import os
import subprocess

import pytest
from conftest import ROOT

SAYS_ARGUMENTS = '#!/bin/sh\nprintf "%s\\n" "$0" "$@" "port:${MASTER_PORT:-}"\n'


@pytest.fixture
def command_line(tmp_path):
    """Run a script of tools/; returns the words of the command that it ends in."""
    for name in ('python', 'srun'):
        (tmp_path / name).write_text(SAYS_ARGUMENTS)
        (tmp_path / name).chmod(0o755)

    def call(script, *args, code=0, **variables):
        env = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'VIRTUAL_ENV': 'one', **variables}
        done = subprocess.run(['bash', ROOT / 'tools' / script, *args], env=env, text=True,
                              capture_output=True)
        assert done.returncode == code, done.stderr
        words = done.stdout.splitlines()
        return done.stderr if code else [os.path.basename(words[0]), *words[1:]]
    return call


TRAIN = str(ROOT / 'tools' / 'imp_train.py')


def test_one_machine_meets_at_a_free_port(command_line):
    assert command_line('dist_imp.sh', 'c.py', '2', '--rounds', '1') == [
        'python', '-m', 'torch.distributed.run', '--nnodes=1', '--nproc_per_node=2',
        '--max_restarts=0', '--rdzv_backend=c10d', '--rdzv_endpoint=127.0.0.1:0',
        '--local_addr=127.0.0.1', TRAIN, 'c.py', '--launcher', 'pytorch', '--rounds', '1', 'port:']


def test_a_port_that_is_given_holds(command_line):
    assert '--rdzv_endpoint=127.0.0.1:1234' in command_line(
        'dist_imp.sh', 'c.py', '2', PORT='1234')


def test_several_machines_as_in_mmdet(command_line):
    words = command_line('dist_imp.sh', 'c.py', '8', NNODES='2', NODE_RANK='1', MASTER_ADDR='h0')
    assert words[3:9] == ['--nnodes=2', '--nproc_per_node=8', '--max_restarts=0', '--node_rank=1',
                          '--master_addr=h0', '--master_port=29500']


def test_options_of_torchrun_are_handed_on(command_line):
    words = command_line('dist_imp.sh', 'c.py', '2', MAX_RESTARTS='3',
                         TORCHRUN_ARGS='--monitor_interval=1 --log_dir=logs')
    assert words[5] == '--max_restarts=3'
    assert words[words.index(TRAIN) - 2:][:2] == ['--monitor_interval=1', '--log_dir=logs']


def test_words_with_blanks_stay_whole(command_line):
    assert command_line('dist_imp.sh', 'my c.py', '1', '--work-dir', 'a b')[-6:] == [
        'my c.py', '--launcher', 'pytorch', '--work-dir', 'a b', 'port:']
    assert command_line('slurm_imp.sh', 'p', 'my job', 'my c.py', 'a b')[-7:] == [
        TRAIN, 'my c.py', '--work-dir', 'a b', '--launcher', 'slurm', 'port:']


@pytest.mark.parametrize('args, variables, message', [
    (['c.py'], {}, 'Usage'),
    (['c.py', 'two'], {}, "GPUS is 'two'"),
    (['c.py', '2'], {'NNODES': '2'}, 'MASTER_ADDR is not set'),
    (['c.py', '2'], {'NNODES': '2', 'MASTER_ADDR': 'h0', 'MAX_RESTARTS': '1'}, 'on one machine'),
])
def test_a_wrong_call_of_dist_imp_is_refused(command_line, args, variables, message):
    assert message in command_line('dist_imp.sh', *args, code=2, **variables)


def test_slurm_as_in_mmdet(command_line):
    assert command_line('slurm_imp.sh', 'part', 'job', 'c.py', 'out', '--rounds', '1') == [
        'srun', '--partition=part', '--job-name=job', '--gres=gpu:8', '--ntasks=8',
        '--ntasks-per-node=8', '--cpus-per-task=5', '--kill-on-bad-exit=1', 'python', '-u', TRAIN,
        'c.py', '--work-dir', 'out', '--launcher', 'slurm', '--rounds', '1', 'port:']


def test_slurm_takes_the_variables_of_mmdet(command_line):
    words = command_line(
        'slurm_imp.sh', 'part', 'job', 'c.py', 'out', GPUS='16', GPUS_PER_NODE='4',
        CPUS_PER_TASK='2', SRUN_ARGS='--quiet --exclusive', PORT='1234')
    assert words[3:10] == ['--gres=gpu:4', '--ntasks=16', '--ntasks-per-node=4',
                           '--cpus-per-task=2', '--kill-on-bad-exit=1', '--quiet', '--exclusive']
    assert words[-1] == 'port:1234'


def test_slurm_without_gpus_and_on_less_than_a_node(command_line):
    words = command_line('slurm_imp.sh', 'part', 'job', 'c.py', 'out', GPUS='2', GRES='')
    assert words[3:5] == ['--ntasks=2', '--ntasks-per-node=2']


def test_slurm_says_what_it_needs(command_line):
    assert 'PARTITION JOB_NAME CONFIG WORK_DIR' in command_line('slurm_imp.sh', 'p', code=2)


@pytest.mark.parametrize('own, threads', [
    ({}, '5'), ({'CPUS_PER_TASK': '2'}, '2'), ({'OMP_NUM_THREADS': '1'}, '1')])
def test_slurm_tells_each_process_its_threads(command_line, tmp_path, own, threads):
    (tmp_path / 'srun').write_text('#!/bin/sh\necho "${OMP_NUM_THREADS:-all}"\n')
    assert command_line('slurm_imp.sh', 'p', 'j', 'c.py', 'out', **own) == [threads]
