"""A job that several processes do together, and trainings that are taken over from other jobs."""
import subprocess
import sys
from contextlib import contextmanager

import pytest

from mmlth.core.files import locked_folder
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

BUDGET = 'dense_budget'
HOLD = """
import fcntl, sys, time
handle = open(sys.argv[1], 'a+')
fcntl.lockf(handle, getattr(fcntl, sys.argv[2]))
print('locked', flush=True)
time.sleep(60)
"""


@contextmanager
def held(path, kind):
    """Let another process hold a lock file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-c', HOLD, str(path), kind]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == 'locked\n'
        yield
    finally:
        other.kill()
        other.wait()


@pytest.fixture
def runner(toy_cfg, tmp_path):
    """Return the runner of a job of one pruning, unless told otherwise."""
    def runner(name, finder=None, **settings):
        settings = IMPConfig.from_dicts(
            toy_cfg.imp, dict(rounds=1, controls=('shuffle', BUDGET)) | settings)
        return IMPRunner(toy_cfg, settings, tmp_path / name, finder=finder)
    return runner


def outcomes(summary):
    records = [*summary.rounds, *summary.controls]
    return [(r['round'], r['control'], r['digests'], r['metrics'], r['id']) for r in records]


def test_done_in_parts_a_job_ends_as_if_done_at_once(runner):
    whole = runner('whole').run()
    for only in ([(0, ''), (1, '')], [(1, BUDGET)], [(1, 'shuffle')]):
        parts = runner('parts').run(only=only)
    assert outcomes(parts) == outcomes(whole)


def test_a_part_needs_what_comes_before_it(runner):
    with pytest.raises(FileNotFoundError):
        runner('job').run(only=[(1, 'shuffle')])


def test_parts_are_done_beside_other_parts_and_never_beside_a_whole_run(runner):
    job = runner('job')
    job.run(only=[(0, '')])
    lock = job.store.layout.lock
    with held(lock, 'LOCK_SH'):
        job.run(only=[(1, '')])
        with pytest.raises(BlockingIOError):
            job.run()
    with held(lock, 'LOCK_EX'), pytest.raises(BlockingIOError):
        job.run(only=[(1, 'shuffle')])


def test_a_training_is_done_by_one_process_at_a_time(runner):
    job = runner('job')
    job.run(only=[(0, '')])
    taken = held(job.store.layout.training_lock(1), 'LOCK_EX')
    with taken, pytest.raises(BlockingIOError, match='round_01'):
        job.run(only=[(1, '')])
    with locked_folder(job.store.layout.training_lock(1)), pytest.raises(BlockingIOError):
        job.run(only=[(1, '')])
    assert job.run(only=[(1, '')]).rounds[1]['metrics']


@pytest.fixture
def first(runner):
    """A finished job, and what finds its trainings."""
    job = runner('first', target_sparsity=0.5)
    summary = job.run()
    known = {r['id']: job.store.work_dir for r in [*summary.rounds, *summary.controls]}
    return job, known


def test_equal_trainings_are_taken_over_and_others_are_not(runner, first):
    own = runner('own', target_sparsity=0.75).run()
    taken = runner('taken', first[1].get, target_sparsity=0.75).run()
    assert outcomes(taken) == outcomes(own)
    where = {(r['round'], r['control']): r['trained_in'] for r in [*taken.rounds, *taken.controls]}
    assert where == {(0, ''): '../first', (1, ''): '', (1, 'shuffle'): '', (1, BUDGET): '../first'}
    layout = first[0].store.layout
    assert not list((layout.work_dir.parent / 'taken').glob(f'**/round_01_{BUDGET}/*/*.log'))


@pytest.mark.parametrize('spoil', ['unfinished', 'no checkpoint', 'other data', 'other id'])
def test_what_can_no_longer_stand_for_a_training_is_trained_again(runner, first, spoil):
    job, known = first
    layout = job.store.layout
    if spoil == 'unfinished':
        layout.record(1, BUDGET).unlink()
    elif spoil == 'no checkpoint':
        job.store.checkpoint(job.work.trainings[-1]).unlink()
    elif spoil == 'other data':
        job.store.claim({**job.work.facts(), 'data': {'train': 'changed'}})
    else:
        record = layout.record(1, BUDGET)
        of_budget = job.store.record(job.work.trainings[-1]).id
        record.write_text(record.read_text().replace(of_budget, '0' * 16))
    found = runner('again', known.get, target_sparsity=0.75).run()
    budget, = [r for r in found.controls if r['control'] == BUDGET]
    assert budget['trained_in'] == ''
