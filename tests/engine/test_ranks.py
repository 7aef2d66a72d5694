"""Two gloo processes: rank 0 decides, nobody waits for ever, and a disk of one's own is found."""
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import torch
import toys
from conftest import ROOT, tool_env
from toy_training import half_ticket

from mmlth.core.layout import Layout
from mmlth.core.ticket import load_ticket, save_ticket
from mmlth.engine.ranks import wait_until

HEAD = """
import json, pathlib, sys, torch
from mmengine.dist import get_rank
from mmlth.engine import ranks
from mmlth.engine.launch import stop_launcher
ranks.VISIBLE_WITHIN = 1.0
torch.distributed.init_process_group('gloo')

def outcome(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return f'{type(error).__name__}: {error}'
"""
QUESTIONS = """
from mmengine.runner import CheckpointLoader

class Odd(AttributeError):  # can't be pickled
    def __init__(self, one, two):
        super().__init__(f'{one} and {two}')
        self.handle = lambda: None

def fail():
    raise FileNotFoundError('no such thing')

def fail_on_rank_1():
    if get_rank() == 1:
        fail()

def fail_oddly():
    raise Odd('this', 'that')

def decode():
    b'\\xff'.decode()

load = CheckpointLoader.load_checkpoint
def total():
    return float(load('https://example.org/w.pth', logger='silent')['w'].sum())

folders = [pathlib.Path(folder) for folder in sys.argv[1:]]
torch.hub._hub_dir = str(folders[0].parent)
print(json.dumps(dict(
    value=ranks.on_rank_0(lambda: f'found by {get_rank()}'),
    error=outcome(ranks.on_rank_0, fail),
    error_of_one=outcome(ranks.on_every_rank, fail_on_rank_1),
    odd=outcome(ranks.on_rank_0, fail_oddly),
    undecoded=outcome(ranks.on_every_rank, decode),
    remote=[ranks.on_rank_0(total), ranks.on_rank_0(total)],
    together=outcome(ranks.check_shared, folders[0] / 'together'),
    apart=outcome(ranks.check_shared, folders[get_rank()] / 'apart'))))
"""
JOBS = """
from mmengine.config import Config
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

def run_job(cfg, work_dir):
    return outcome(IMPRunner(cfg, settings, work_dir, launcher='pytorch').run)

settings, folder = IMPConfig(scope='all', rounds=1), pathlib.Path(sys.argv[2])
apart = run_job(Config.fromfile(sys.argv[1]), folder / f'node{get_rank()}')
cfg = Config.fromfile(sys.argv[1])
cfg.optim_wrapper.optimizer.lr = 0.1 * (1 + get_rank())
print(json.dumps(dict(apart=apart, other_rate=run_job(cfg, folder / 'job'))))
"""
TICKETS = """
from mmengine.config import Config
from mmengine.runner import Runner

cfg = Config.fromfile(sys.argv[1])
cfg.work_dir = sys.argv[2]
cfg.custom_imports.imports.append('mmlth')
cfg.custom_hooks = [dict(type='TicketHook', ticket=sys.argv[3 + get_rank()])]
print(json.dumps(outcome(lambda: bool(Runner.from_cfg(cfg).train()))))
"""
PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def two_ranks(tmp_path, code, *args):
    """Run code on two ranks; return what each of them printed."""
    script = tmp_path / 'script.py'
    script.write_text(HEAD + code + '\nstop_launcher()\n')
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
    for each in (*folders, folder / 'checkpoints'):
        each.mkdir()
    torch.save(dict(w=torch.ones(3)), folder / 'checkpoints' / 'w.pth')
    found = two_ranks(folder, QUESTIONS, *folders)
    return [json.loads(text) for text in found], folders


def test_all_ranks_get_what_rank_0_finds_and_its_errors(answers):
    for found in answers[0]:
        assert found['value'] == 'found by 0'
        assert found['error'] == 'FileNotFoundError: no such thing'


def test_rank_0_reads_remote_weights_alone(answers):
    assert [found['remote'] for found in answers[0]] == [[3.0, 3.0]] * 2


def test_no_rank_waits_for_an_error_that_cannot_be_sent(answers):
    first, second = answers[0]
    assert first['odd'] == 'Odd: this and that'
    assert second['odd'] == 'RuntimeError: Odd: this and that'
    for found in answers[0]:
        assert 'rank 0 on ' in found['undecoded']
        assert "can't decode byte 0xff" in found['undecoded']


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


@pytest.fixture(scope='module')
def jobs(tmp_path_factory):
    """How two jobs of two ranks ended, by rank, and the folder of their work dirs."""
    folder = tmp_path_factory.mktemp('jobs')
    return [json.loads(text.splitlines()[-1]) for text in two_ranks(
        folder, JOBS, toys.write_config(folder), folder)], folder


def test_a_whole_job_stops_where_nodes_have_disks_of_their_own(jobs):
    ends, folder = jobs
    for end in ends:
        assert 'RuntimeError: rank 1 on ' in end['apart'] and 'shared disk' in end['apart']
    assert not list(folder.glob('node*/round_*'))  # nothing was trained


def test_ranks_with_different_jobs_stop_before_training(jobs):
    ends, folder = jobs
    for end in ends:
        assert 'ValueError: rank 1 on ' in end['other_rate']
        assert 'optim_wrapper.optimizer.lr: 0.2 here, 0.1 on rank 0' in end['other_rate']
    assert not (folder / 'job').exists()


def test_ranks_that_read_different_tickets_stop_before_training(tmp_path):
    paths = []
    for name in 'ab':
        (tmp_path / name).mkdir()
        paths.append(half_ticket(tmp_path / name))
    ticket = load_ticket(paths[1])
    save_ticket(replace(ticket, masks={n: ~m for n, m in ticket.masks.items()}), paths[1])
    ends = two_ranks(tmp_path, TICKETS, toys.write_config(tmp_path), tmp_path / 'w', *paths)
    for end in ends:
        assert 'differs from that of rank 0: ticket' in end.splitlines()[-1]


def test_waiting_ends_when_a_file_shows_late_or_never(tmp_path, monkeypatch):
    monkeypatch.setattr('mmlth.engine.ranks.VISIBLE_WITHIN', 1.0)
    late = tmp_path / 'late'
    timer = threading.Timer(0.4, late.touch)
    timer.start()
    assert wait_until(late.exists)
    timer.join()
    assert not wait_until((tmp_path / 'never').exists)


def test_what_rank_0_has_written_is_waited_for(toy_cfg, run_imp, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr('mmlth.job.imp_runner.wait_until',
                        lambda holds: waited.append(holds.__self__) or True)
    run_imp(toy_cfg, tmp_path / 'job', rounds=1, rewind='epoch_1', lr_schedule='continue')
    layout = Layout(tmp_path / 'job')
    assert {layout.ticket(1), layout.state} <= {*waited}
    assert layout.rewind in [path.resolve() for path in waited]
