"""Tasks of a study, run several at once, with stand-ins for the tasks."""
import os
import subprocess
import sys
import time

import pytest
from stand_ins import PYTHON, job, processes_of, wait_until

from mmlth.settings.imp_config import IMPConfig
from mmlth.study.folder import StudyFolder
from mmlth.study.local import _Queue, run_tasks
from mmlth.study.machine import Machine
from mmlth.study.plan import Study
from mmlth.study.study_job import StudyJob
from mmlth.study.tasks import list_tasks

PYTHON_OF_TESTS = sys.executable  # which the stand-in takes the place of
HOLD = """
import fcntl, sys
with open(sys.argv[1], 'w') as handle:
    fcntl.lockf(handle, fcntl.LOCK_EX)
    print('held', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    path = tmp_path / 'python'
    path.write_text(PYTHON)
    path.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(path))
    monkeypatch.setattr('mmlth.study.local.LOOK_AGAIN', 0.1)
    monkeypatch.setattr(
        StudyFolder, 'is_done',
        lambda self, task: (self.store(task.name).work_dir / 'done').exists())


@pytest.fixture
def run(stand_in, tmp_path):
    """Run jobs; returns what went wrong and the events, as lists of words."""
    def run(*jobs, data_root=None, **machine):
        study = Study(jobs={job.name: job for job in jobs})
        found = run_tasks(
            study, list_tasks(study), StudyFolder(tmp_path), Machine(**machine), data_root)
        events = tmp_path / 'jobs' / 'events'
        lines = events.read_text().splitlines() if events.exists() else []
        return found, [line.split(maxsplit=2) for line in lines]
    return run


def starts(events):
    return [name for what, name, *_ in events if what == 'start']


def starts_so_far(folder):
    events = folder / 'jobs' / 'events'
    return events.read_text().count('start') if events.exists() else 0


def most_at_once(events):
    running = [0]
    for what, *_ in events:
        running.append(running[-1] + (1 if what == 'start' else -1))
    return max(running)


@pytest.mark.parametrize('workers', [1, 2, 3])
def test_runs_as_many_at_once_as_there_are_workers(run, workers):
    failed, events = run(*(job('slow', seed=seed) for seed in range(4)), workers=workers)
    assert failed == {} and len(starts(events)) == 4 and most_at_once(events) == workers


def test_a_job_waits_for_what_it_needs_while_others_go_on(run):
    first, free = job('slow'), job('free')
    needs = job('needs', dense=first.name)
    failed, events = run(first, needs, free, workers=2)
    assert failed == {} and set(starts(events)[:2]) == {first.name, free.name}
    order = [(what, name) for what, name, *_ in events]
    assert order.index(('end', first.name)) < order.index(('start', needs.name))


def test_jobs_that_are_done_are_not_started_again(run, tmp_path):
    done, open_job = job('done'), job('open')
    (tmp_path / 'jobs' / done.name).mkdir(parents=True)
    (tmp_path / 'jobs' / done.name / 'done').touch()
    last = job('last', dense=done.name)
    assert starts(run(done, open_job, last)[1]) == [open_job.name, last.name]
    assert len(run(done, open_job)[1]) == 4  # nothing new


def test_a_failure_leaves_out_all_that_need_it_even_through_others(run, capsys, tmp_path):
    fails, well = job('fails'), job('well')
    second = job('second', dense=fails.name)
    third = job('third', dense=well.name, source=second.name)
    failed, events = run(fails, well, second, third, workers=2)
    assert set(starts(events)) == {fails.name, well.name}
    log = tmp_path / 'jobs' / f'{fails.name}.log'
    assert failed == {
        fails.name: f'error: boom (see {log})',
        second.name: f'left out: it needs {fails.name}',
        third.name: f'left out: it needs {second.name}'}
    assert log.read_text() == 'first\nerror: boom\n\n'
    out = capsys.readouterr().out
    assert f'{fails.name}: FAILED: error: boom' in out and f'{well.name}: done' in out


def test_a_failed_job_is_tried_again_by_the_next_call_and_its_log_kept(run, tmp_path):
    fails = job('fails')
    run(fails)
    failed, events = run(fails)
    assert list(failed) == [fails.name] and len(starts(events)) == 2
    assert (tmp_path / 'jobs' / f'{fails.name}.log').read_text().count('boom') == 2


def test_a_job_that_ends_well_without_its_records_has_failed(run):
    silent = job('silent')
    assert run(silent)[0][silent.name].startswith('it printed nothing (see ')


def test_a_job_that_becomes_free_is_tried_again_after_others(run, capsys):
    busy, other = job('busy'), job('other')
    failed, events = run(busy, other)
    assert failed == {} and starts(events) == [busy.name, other.name, busy.name]
    out = capsys.readouterr().out
    assert out.count(f'{busy.name}: another process works on it, waiting for that') == 1
    assert f'{busy.name}: done in' in out


def test_no_worker_is_started_for_a_training_that_another_process_holds(
    run, tmp_path, monkeypatch, capsys,
):
    held = job('held')
    lock = StudyFolder(tmp_path).store(held.name).layout.training_lock(0)
    lock.parent.mkdir(parents=True)
    with subprocess.Popen(
            [PYTHON_OF_TESTS, '-c', HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        looked = []

        def wait_for(queue, task):
            looked.append(starts_so_far(tmp_path))
            other.stdin.close()  # which ends it
            other.wait()
            waits(queue, task)

        waits = _Queue._wait_for
        monkeypatch.setattr(_Queue, '_wait_for', wait_for)
        failed, events = run(held)
    assert failed == {} and looked == [0] and starts(events) == [held.name]
    assert 'another process works on it' in capsys.readouterr().out


def test_what_another_process_does_is_not_done_again_and_what_needs_it_follows(run, monkeypatch):
    monkeypatch.setattr('mmlth.study.local.LOOK_AGAIN', 0.6)
    elsewhere = job('elsewhere')
    needs = job('needs', dense=elsewhere.name)
    failed, events = run(elsewhere, needs)
    assert failed == {} and starts(events) == [elsewhere.name, needs.name]


def test_progress_tells_the_trainings_that_are_left(run, capsys):
    run(job('one', rounds=2), job('two', rounds=1, controls=['random']))
    first, second, third = capsys.readouterr().out.splitlines()
    assert ' one_' in first and '; 3 trainings left, about 0 min' in first
    assert ' two_' in second and '; 1 trainings left' in second
    assert '__round_01_random: done' in third and '; 0 trainings left' in third


def test_controls_run_at_once_after_the_tickets_of_their_job(run):
    controls = ['random', 'shuffle', 'reinit']
    slow = job('slow', rounds=1, controls=controls)
    _, events = run(slow, workers=3)
    ticket, *others = starts(events)
    assert ticket == slow.name and most_at_once(events) == 3
    assert sorted(others) == sorted(f'{slow.name}__round_01_{name}' for name in controls)


@pytest.mark.parametrize('gpus, threads, seen, options', [
    pytest.param(0, 1, {'| 1 |  |'}, '', id='without GPUs'),
    pytest.param(1, 3, {'| 3 | 0 |', '| 3 | 1 |'}, '', id='one each'),
    pytest.param(2, 1, {'| 1 | 0,1 |', '| 1 | 2,3 |'}, ' --processes 2', id='two each')])
def test_a_worker_is_told_its_job_gpus_and_threads(
    run, monkeypatch, tmp_path, gpus, threads, seen, options,
):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    jobs = job('slow'), job('slow', seed=1)
    _, events = run(*jobs, workers=2, gpus_per_job=gpus, threads=threads)
    told = [' '.join(rest) for what, _, *rest in events if what == 'start']
    parts = [text.partition(f' -m mmlth.study.worker {tmp_path} ') for text in told]
    assert {before for before, _, _ in parts} == seen
    ends = {f'{each.name} --study {os.getpid()}{options}' for each in jobs}
    assert {after for _, _, after in parts} == ends


def test_a_worker_is_told_where_the_data_lies(run):
    _, events = run(job('one'), data_root='there')
    assert ' '.join(events[0]).endswith(f'--study {os.getpid()} --data-root there')


def test_a_task_reads_what_the_study_wrote(stand_in, tmp_path):
    dense = job('dense', rounds=0)
    one = StudyJob(config='one.py', cfg_options=dict(a=1), settings=IMPConfig(seed=3).as_dict(),
                   dense=dense.name, capture=('25%', 4))
    folder = StudyFolder(tmp_path)
    study = Study(jobs={dense.name: dense, one.name: one})
    run_tasks(study, list_tasks(study), folder, Machine())
    found, keys = folder.read_task(one.name)
    assert found == one and found.name == one.name
    assert keys == tuple(training.key for training in one.trainings)


def test_ctrl_c_ends_the_running_jobs(run, monkeypatch, tmp_path):
    end = time.monotonic() + 60
    pressed = []

    def interrupted(seconds):
        # Two jobs, each with a process of its own. Once: to wait for their ends is to sleep too.
        there = processes_of(tmp_path)
        if not pressed and (len(there) >= 4 or time.monotonic() > end):
            pressed.append(there)
            raise KeyboardInterrupt
    monkeypatch.setattr('mmlth.study.local.time.sleep', interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(job('hangs'), job('hangs', seed=1), workers=2)
    monkeypatch.undo()
    assert len(pressed[0]) >= 4, pressed
    wait_until(lambda: not processes_of(tmp_path), 20)  # their children are told, and end
