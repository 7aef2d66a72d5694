"""Jobs of a study, run several at once: first with stand-ins for the jobs, then with toy jobs that are stopped."""
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toys
from conftest import ROOT, tool_env

from mmlth.core.files import read_json
from mmlth.engine.settings import IMPConfig
from mmlth.study.jobs import Job
from mmlth.study.plan import Study
from mmlth.study.scheduler import Machine, run_jobs

# Stands in for Python: notes how it was called, does what the job's config is called, and leaves a file 'done'.
STAND_IN = '''#!/bin/sh
for word; do case $word in *.json) spec=$word;; esac; done
job=${spec%.json}
folder=$(dirname $spec)
mkdir -p $job
echo "start $(basename $job) | $OMP_NUM_THREADS | $CUDA_VISIBLE_DEVICES | $*" >> $folder/events
case $(basename $job) in
  fails_*) echo first; echo 'error: boom'; echo; exit 3;;
  silent_*) exit 0;;
  hangs_*) sh -c 'sleep 60; true' $job;;
  slow_*) sleep 0.6;;
esac
touch $job/done
echo "end $(basename $job)" >> $folder/events
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    path = tmp_path / 'python'
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(path))
    monkeypatch.setattr(Job, 'is_done', lambda self, work_dir: (work_dir / 'done').exists())


def processes_of(folder):
    """Return pid -> command line of every living process that names the folder."""
    found = {}
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b'\0', b' ').decode()
            if str(folder) in line and int(path.parent.name) != os.getpid():
                found[int(path.parent.name)] = line
    return found


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def job(name, dense='', source='', **settings):
    return Job(config=f'{name}.py', settings=IMPConfig(**settings).as_dict(), dense=dense, source=source)


@pytest.fixture
def run(stand_in, tmp_path):
    """Run jobs; returns what went wrong and the events, as lists of words."""
    def run(*jobs, **machine):
        found = run_jobs(Study(jobs={j.name: j for j in jobs}), tmp_path, Machine(**machine), {})
        events = tmp_path / 'jobs' / 'events'
        return found, [line.split(maxsplit=2) for line in events.read_text().splitlines()] if events.exists() else []
    return run


def starts(events):
    return [name for what, name, *_ in events if what == 'start']


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
    assert starts(run(done, open_job, job('last', dense=done.name))[1]) == [open_job.name, job('last').name]
    assert len(run(done, open_job)[1]) == 4  # nothing new


def test_a_failure_leaves_out_all_that_need_it_even_through_others(run, capsys, tmp_path):
    fails, well = job('fails'), job('well')
    second = job('second', dense=fails.name)
    third = job('third', dense=well.name, source=second.name)
    failed, events = run(fails, well, second, third, workers=2)
    assert set(starts(events)) == {fails.name, well.name}
    log = tmp_path / 'jobs' / f'{fails.name}.log'
    assert failed == {fails.name: f'error: boom (see {log})', second.name: f'left out: it needs {fails.name}',
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


def test_progress_tells_the_trainings_that_are_left(run, capsys):
    run(job('one', rounds=2), job('two', rounds=1, controls=['random']))
    first, second = capsys.readouterr().out.splitlines()
    assert ' one_' in first and '; 3 trainings left, about 0 min' in first
    assert '; 0 trainings left' in second


@pytest.mark.parametrize('gpus, threads, found, command', [
    pytest.param(0, 1, {'| 1 | |'}, '-m mmlth.study.job', id='without GPUs'),
    pytest.param(1, 3, {'| 3 | 0 |', '| 3 | 1 |'}, '-m mmlth.study.job', id='one each'),
    pytest.param(2, 1, {'| 1 | 0,1 |', '| 1 | 2,3 |'},
                 '-m torch.distributed.run --standalone --nproc_per_node=2 -m mmlth.study.job', id='two each')])
def test_gpus_and_threads_are_dealt_out(run, monkeypatch, gpus, threads, found, command):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    _, events = run(job('slow'), job('slow', seed=1), workers=2, gpus_per_job=gpus, threads=threads)
    told = [' '.join(rest) for what, _, *rest in events if what == 'start']
    assert {' '.join(t.split(' -m ')[0].split()) for t in told} == found
    assert all(f'{command} /' in t and f'--study {os.getpid()}' in t for t in told)
    assert all(t.endswith('--launcher pytorch') == (gpus > 1) for t in told)


def test_threads_may_be_left_to_torch(run, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    assert run(job('one'), threads=0)[1][0][2].startswith('| 7 |')


def test_a_job_reads_its_options_and_where_its_dense_net_lies(stand_in, tmp_path):
    dense = job('dense', rounds=0)
    one = Job(config='one.py', cfg_options=dict(a=1), settings=IMPConfig(seed=3).as_dict(), dense=dense.name)
    run_jobs(Study(jobs={dense.name: dense, one.name: one}), tmp_path, Machine(),
             dict(data_root='there'))
    spec = read_json(tmp_path / 'jobs' / f'{one.name}.json')
    assert (spec['cfg_options'], spec['data_root']) == (dict(a=1), 'there')
    assert (spec['dense_from'], spec['source']) == (str(tmp_path / 'jobs' / dense.name), '')
    assert spec['settings']['seed'] == 3 and spec['work_dir'] == str(tmp_path / 'jobs' / one.name)


def test_ctrl_c_ends_the_running_jobs(run, monkeypatch, tmp_path):
    end = time.monotonic() + 60

    def interrupted(seconds):
        if len(processes_of(tmp_path)) == 4 or time.monotonic() > end:  # two jobs, each with a process of its own
            raise KeyboardInterrupt
    monkeypatch.setattr('mmlth.study.scheduler.time.sleep', interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(job('hangs'), job('hangs', seed=1), workers=2)
    assert time.monotonic() < end and not processes_of(tmp_path)


@pytest.mark.parametrize('wrong, text', [
    (dict(workers=0), '--workers 0: must be at least 1'), (dict(gpus_per_job=-1), '--gpus-per-job -1: .* 0'),
    (dict(threads=-1), '--threads -1: must be at least 0')], ids=str)
def test_refuses_a_machine_without_workers(wrong, text):
    with pytest.raises(ValueError, match=text):
        Machine(**wrong)


def test_stopped_and_killed_it_leaves_no_process_and_ends_the_same(run_imp, toy_cfg, tmp_path):
    config = toys.write_config(tmp_path, model=dict(type='ToyNet', seconds_per_step=0.3))
    experiment = dict(title='One', section='1', kind='curve', jobs=[dict(rounds=1)])
    path = tmp_path / 'study.py'
    path.write_text(f'config = {str(config)!r}\nexperiments = {dict(one=experiment)!r}\n')
    command = [sys.executable, ROOT / 'tools' / 'run_study.py', path, '--work-dir', tmp_path / 'work']
    jobs = tmp_path / 'work' / 'jobs'

    def start():
        return subprocess.Popen(list(map(str, command)), env=tool_env(), cwd=ROOT, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    study = start()
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_1.pth')) or study.poll() is not None)
    assert len(processes_of(tmp_path)) == 2
    with pytest.raises(BlockingIOError, match=f'process {study.pid} is working on .*work; wait for it'):
        run_jobs(Study(), tmp_path / 'work', Machine(), {})
    study.send_signal(signal.SIGINT)
    _, err = study.communicate(timeout=120)
    assert study.returncode == 130 and 'same command again' in err and not processes_of(tmp_path)

    study = start()
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_2.pth')) or study.poll() is not None)
    assert len(processes_of(tmp_path)) == 2
    time.sleep(random.Random(0).uniform(0, 1))
    study.kill()
    study.communicate()
    wait_until(lambda: not processes_of(tmp_path), seconds=30)

    study = start()
    out, err = study.communicate(timeout=300)
    assert study.returncode == 0, out + err
    alone = [(r['digests'], r['metrics']) for r in run_imp(toy_cfg, tmp_path / 'alone', rounds=1).rounds]
    found = [[(r['digests'], r['metrics']) for r in read_json(p)['rounds']] for p in jobs.glob('*/summary.json')]
    assert alone in found and len(found) == 2  # and the dense net, whose mask covers the default scope
