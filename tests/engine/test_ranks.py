"""Two gloo processes: rank 0 decides, nobody waits for ever, and a disk of one's own is found."""
import json
import os
import subprocess
import sys

import pytest
import toys
from conftest import ROOT, tool_env

HEAD = """
import json, pathlib, sys, torch
from mmengine.dist import get_rank
from mmlth.engine import ranks
ranks.VISIBLE_WITHIN = 1.0
torch.distributed.init_process_group('gloo')

def outcome(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return f'{type(error).__name__}: {error}'
"""
QUESTIONS = """
def fail():
    raise FileNotFoundError('no such thing')

def fail_on_rank_1():
    if get_rank() == 1:
        fail()

folders = [pathlib.Path(folder) for folder in sys.argv[1:]]
print(json.dumps(dict(
    value=ranks.on_rank_0(lambda: f'found by {get_rank()}'),
    error=outcome(ranks.on_rank_0, fail),
    error_of_one=outcome(ranks.on_every_rank, fail_on_rank_1),
    together=outcome(ranks.check_shared, folders[0] / 'together'),
    apart=outcome(ranks.check_shared, folders[get_rank()] / 'apart'))))
"""
JOB = """
from mmengine.config import Config
from mmlth.engine.imp_runner import IMPRunner
from mmlth.engine.settings import IMPConfig
cfg = Config.fromfile(sys.argv[1])
work_dir = pathlib.Path(sys.argv[2]) / f'node{get_rank()}'
settings = IMPConfig(scope='all', rounds=1)
runner = IMPRunner(cfg, settings, work_dir, launcher='pytorch')
print(outcome(runner.run))
"""
PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def two_ranks(tmp_path, code, *args):
    """Run code on two ranks; return what each of them printed."""
    script = tmp_path / 'script.py'
    script.write_text(HEAD + code + '\ntorch.distributed.destroy_process_group()\n')
    port = str(31500 + os.getpid() % 2000)
    env = {**tool_env(), 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port, 'WORLD_SIZE': '2'}
    command = [sys.executable, str(script), *map(str, args)]
    running = [
        subprocess.Popen(command, cwd=ROOT, env={**env, 'RANK': str(rank)}, **PIPES)
        for rank in range(2)
    ]
    done = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], done
    return [out.strip() for out, _ in done]


@pytest.fixture(scope='module')
def answers(tmp_path_factory):
    """What each of two ranks sees, and the folders that they wrote to."""
    folder = tmp_path_factory.mktemp('ranks')
    folders = [folder / 'a', folder / 'b']
    for each in folders:
        each.mkdir()
    found = two_ranks(folder, QUESTIONS, *folders)
    return [json.loads(text) for text in found], folders


def test_all_ranks_get_what_rank_0_finds_and_its_errors(answers):
    for found in answers[0]:
        assert found['value'] == 'found by 0'
        assert found['error'] == 'FileNotFoundError: no such thing'


def test_no_rank_waits_for_an_error_that_cannot_be_sent(tmp_path):
    first, second = two_ranks(tmp_path, """
class Odd(AttributeError):
    def __init__(self, one, two):
        super().__init__(f'{one} and {two}')
        self.handle = lambda: None
def fail():
    raise Odd('this', 'that')
try:
    ranks.on_rank_0(fail)
except (Odd, RuntimeError) as error:
    print(error)
def decode():
    b'\\xff'.decode()
try:
    ranks.on_every_rank(decode)
except ValueError as error:
    print(error)
""")
    assert first.splitlines()[0] == 'this and that'
    assert second.splitlines()[0] == 'Odd: this and that'
    for out in (first, second):
        assert out.splitlines()[1].startswith('rank 0 on ') and "can't decode byte 0xff" in out


def test_an_error_of_one_rank_is_raised_on_all_with_its_host(answers):
    first, second = (found['error_of_one'] for found in answers[0])
    assert first == second
    assert first.startswith('FileNotFoundError: rank 1 on ') and 'no such thing' in first


def test_a_disk_that_is_not_shared_is_found(answers):
    found, folders = answers
    for each in found:
        assert each['together'] is None
        assert each['apart'].startswith('RuntimeError: rank 1 on ')
        assert 'not the folder that rank 0 writes to' in each['apart']
    assert not list(folders[1].iterdir())


def test_a_whole_job_stops_where_nodes_have_disks_of_their_own(tmp_path):
    for text in two_ranks(tmp_path, JOB, toys.write_config(tmp_path), tmp_path):
        assert 'RuntimeError: rank 1 on ' in text and 'shared disk' in text
    assert not list(tmp_path.glob('node*/round_*'))  # nothing was trained
