"""One process at a time works on a folder, and where there are no locks a person is told."""
import errno
import fcntl
import logging
import subprocess
import sys

import pytest
from conftest import tool_env

from mmlth.core.files import locked_folder
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SETTINGS = IMPConfig(scope='all', rounds=1, target_sparsity=0.75)
HOLD = """
import fcntl, sys, time
handle = open(sys.argv[1], 'w')
fcntl.lockf(handle, fcntl.LOCK_EX)
handle.write('4711'); handle.flush()
print('locked', flush=True)
time.sleep(60)
"""
TRY = """
import sys
from mmlth.core.files import locked_folder
for path in sys.stdin:
    try:
        with locked_folder(path.strip()):
            print('free', flush=True)
    except BlockingIOError as error:
        print(error.strerror, flush=True)
"""


@pytest.mark.parametrize('code', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning_not_another_process(
        tmp_path, monkeypatch, caplog, code):
    def fail(*args):
        raise OSError(code, 'no locks here')
    monkeypatch.setattr(fcntl, 'lockf', fail)
    with caplog.at_level(logging.WARNING), locked_folder(tmp_path / '.lock'):
        assert 'has no locks (no locks here)' in caplog.text


def enter(lock):
    with locked_folder(lock):
        pass


def test_a_second_claim_in_one_process_is_refused_and_does_not_free_the_first(tmp_path):
    lock = tmp_path / '.lock'

    command = [sys.executable, '-c', TRY]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(command, env=tool_env(), text=True, bufsize=1, **pipes) as other:
        def from_outside():
            other.stdin.write(f'{lock}\n')
            return other.stdout.readline()
        with locked_folder(lock):
            with pytest.raises(BlockingIOError, match='this process is working on'):
                enter(lock)
            assert 'is working on' in from_outside()
        assert from_outside() == 'free\n'


def test_two_processes_on_one_folder_are_refused(toy_cfg, tmp_path):
    (tmp_path / 'job').mkdir()
    command = [sys.executable, '-c', HOLD, str(tmp_path / 'job' / '.lock')]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == 'locked\n'
        with pytest.raises(BlockingIOError, match='process 4711 is working on'):
            IMPRunner(toy_cfg, SETTINGS, tmp_path / 'job').run()
    finally:
        other.kill()
        other.wait()


def test_two_runs_one_after_the_other_hold_and_free_the_folder(toy_cfg, tmp_path):
    runner = IMPRunner(toy_cfg, SETTINGS, tmp_path / 'job')
    assert runner.run() == runner.run()
    with locked_folder(tmp_path / 'job' / '.lock'), pytest.raises(BlockingIOError):
        runner.run()
