"""Disks that are full or read-only, folders that vanish: nothing is lost, and a line says so."""
import copy
import os
import shutil
import subprocess

import pytest
import toys
from conftest import run_job

from mmlth.core.layout import Layout
from mmlth.core.records import load_summary
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='mounting needs root')


def digests(summary):
    return [(record['digests'], record['metrics']) for record in summary.rounds]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A config, and what a job of it ends with."""
    folder = tmp_path_factory.mktemp('whole')
    cfg = toys.read_config(folder)
    return cfg, digests(run_job(copy.deepcopy(cfg), folder / 'job', **SETTINGS)), folder / 'job'


@pytest.fixture
def disk(tmp_path):
    """Mount small disks; returns a function: options -> folder. Skips where that isn't allowed."""
    mounted = []

    def mount(*options, name='disk'):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        done = subprocess.run(['mount', *map(str, options), str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip(f'cannot mount here: {done.stderr.decode().strip()}')
        mounted.append(folder)
        return folder
    yield mount
    for folder in reversed(mounted):
        subprocess.run(['umount', '-l', str(folder)], check=True)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob('*.json')}


@pytest.mark.parametrize('free_kib', [8, 30, 60])
def test_a_disk_that_fills_loses_nothing_and_the_job_goes_on_once_there_is_space(
        whole, disk, free_kib):
    cfg, expected, _ = whole
    folder = disk('-t', 'tmpfs', '-o', 'size=4m', 'tmpfs')
    runner = IMPRunner(copy.deepcopy(cfg), IMPConfig(**SETTINGS), folder / 'job')
    train, filler = runner.train, folder / 'filler'

    def fill_and_train(training):
        if training.number:
            free = shutil.disk_usage(folder).free - (free_kib << 10)
            filler.write_bytes(b'\0' * max(0, free))
        return train(training)
    runner.train = fill_and_train
    with pytest.raises((OSError, RuntimeError)) as caught:
        runner.run()
    record = (folder / 'job/round_00/record.json').read_text()
    assert 'is full' in str(caught.value) or 'No space left' in str(caught.value)
    filler.unlink()
    again = run_job(copy.deepcopy(cfg), folder / 'job', **SETTINGS)
    assert digests(again) == expected
    assert (folder / 'job/round_00/record.json').read_text() == record


def test_a_read_only_folder_is_said_before_training(whole, disk):
    cfg, _, work_dir = whole
    folder = disk('--bind', work_dir, name='job')
    remount = ['mount', '-o', 'remount,ro,bind', str(folder)]
    assert subprocess.run(remount).returncode == 0
    before = contents(folder)
    with pytest.raises(OSError, match='cannot be written'):
        run_job(copy.deepcopy(cfg), folder, **SETTINGS)
    assert contents(folder) == before and load_summary(Layout(folder).summary).rounds


def test_a_folder_that_vanishes_while_a_round_trains_ends_the_job_with_its_name(whole, tmp_path):
    cfg, expected, _ = whole
    runner = IMPRunner(copy.deepcopy(cfg), IMPConfig(**SETTINGS), tmp_path / 'job')
    train = runner.train

    def vanish_and_train(training):
        outcome = train(training)
        (tmp_path / 'job').rename(tmp_path / 'moved')
        return outcome
    runner.train = vanish_and_train
    with pytest.raises(OSError, match=f'{tmp_path}/job'):
        runner.run()
    (tmp_path / 'moved').rename(tmp_path / 'job')
    assert digests(run_job(copy.deepcopy(cfg), tmp_path / 'job', **SETTINGS)) == expected
