"""Two gloo processes: rank 0 decides, nobody waits for ever, and a disk of one's own is found."""

import os
import subprocess
import sys

from conftest import ROOT, tool_env

HEAD = """
import os, pathlib, sys, torch
from mmengine.dist import get_rank
from mmlth.engine import ranks
ranks.VISIBLE_WITHIN = 1.0
torch.distributed.init_process_group('gloo')
"""


def two_ranks(tmp_path, code, *args):
    """Run code on two ranks; return what each of them printed."""
    script = tmp_path / 'script.py'
    script.write_text(HEAD + code + '\ntorch.distributed.destroy_process_group()\n')
    env = {
        **tool_env(),
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': str(31500 + os.getpid() % 2000),
        'WORLD_SIZE': '2',
    }
    running = [
        subprocess.Popen(
            [sys.executable, str(script), *map(str, args)],
            cwd=ROOT,
            text=True,
            env={**env, 'RANK': str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    done = [process.communicate(timeout=120) for process in running]
    assert [p.returncode for p in running] == [0, 0], done
    return [out.strip() for out, _ in done]


def test_all_ranks_get_what_rank_0_finds_and_its_errors(tmp_path):
    found = two_ranks(
        tmp_path,
        """
print(ranks.on_rank_0(lambda: f'found by {get_rank()}'))
def fail():
    raise FileNotFoundError('no such thing')
try:
    ranks.on_rank_0(fail)
except FileNotFoundError as error:
    print(error)
""",
    )
    assert found == ['found by 0\nno such thing'] * 2


def test_an_error_of_one_rank_is_raised_on_all_with_its_host(tmp_path):
    first, second = two_ranks(
        tmp_path,
        """
def check():
    if get_rank() == 1:
        raise FileNotFoundError('ann_file does not exist')
try:
    ranks.on_every_rank(check)
except FileNotFoundError as error:
    print(error)
""",
    )
    assert first == second and first.startswith('rank 1 on ') and 'ann_file does not exist' in first


def test_a_disk_that_is_not_shared_is_found_before_training(tmp_path):
    code = """
path = pathlib.Path(sys.argv[1 + (get_rank() if sys.argv[3] == 'apart' else 0)]) / 'nonce'
try:
    ranks.check_shared(path)
    print('shared')
except RuntimeError as error:
    print(error)
"""
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    assert two_ranks(tmp_path, code, tmp_path / 'a', tmp_path / 'b', 'together') == ['shared'] * 2
    for out in two_ranks(tmp_path, code, tmp_path / 'a', tmp_path / 'b', 'apart'):
        assert out.startswith('rank 1 on ') and 'not the folder that rank 0 writes to' in out
    assert not list((tmp_path / 'b').iterdir())


def test_a_whole_job_stops_where_nodes_have_disks_of_their_own(tmp_path):
    import toys

    config = toys.write_config(tmp_path)
    out = two_ranks(
        tmp_path,
        """
from mmengine.config import Config
from mmlth.engine.imp_runner import IMPRunner
from mmlth.engine.settings import IMPConfig
cfg = Config.fromfile(sys.argv[1])
work_dir = pathlib.Path(sys.argv[2]) / f'node{get_rank()}'
try:
    IMPRunner(cfg, IMPConfig(scope='all', rounds=1), work_dir, launcher='pytorch').run()
except RuntimeError as error:
    print('stopped:', error)
""",
        config,
        tmp_path,
    )
    assert all('stopped: rank 1 on ' in text and 'shared disk' in text for text in out)
    assert not list(tmp_path.glob('node*/round_*'))  # nothing was trained
