"""Studies in processes of their own: stopped, killed, and two of one study at once."""
import random
import signal
import subprocess
import sys
import time

import pytest
import toys
from conftest import ROOT, tool_env
from stand_ins import processes_of, wait_until, write_study

from mmlth.core.files import read_json
from mmlth.engine.config_files import load_config
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import read_study

ONE = dict(one=dict(title='One', section='1', kind='curve', jobs=[dict(rounds=1)]))


@pytest.fixture
def start(tmp_path):
    """Start the study in a process of its own, which prints to a file; returns it and the file."""
    files = []

    def start(path, *options):
        out = tmp_path / f'out_{len(files)}.txt'
        files.append(out)
        command = [sys.executable, ROOT / 'tools' / 'run_study.py', 'run', path, '--work-dir',
                   tmp_path / 'work', *options]
        with open(out, 'w') as file:
            study = subprocess.Popen(
                [str(word) for word in command], env=tool_env(), cwd=ROOT, stdout=file,
                stderr=subprocess.STDOUT)
        return study, out
    return start


def toy_study(tmp_path, **model):
    config = toys.write_config(tmp_path, model=dict(type='ToyNet', **model))
    return write_study(tmp_path / 'study.py', config, ONE)


def outcomes(rounds):
    return [(record['digests'], record['metrics']) for record in rounds]


def found_in(jobs):
    return [outcomes(read_json(path)['rounds']) for path in jobs.glob('*/summary.json')]


@pytest.mark.slow
def test_stopped_and_killed_it_leaves_no_process_and_ends_the_same(
    run_imp, toy_cfg, tmp_path, start,
):
    path, jobs = toy_study(tmp_path, seconds_per_step=0.3), tmp_path / 'work' / 'jobs'

    study, out = start(path)
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_1.pth')) or study.poll() is not None)
    assert len(processes_of(tmp_path)) == 2
    study.send_signal(signal.SIGINT)
    assert study.wait(120) == 130 and 'same command again' in out.read_text()
    assert not processes_of(tmp_path)

    study, _ = start(path)
    wait_until(lambda: list(jobs.glob('*/round_00/epoch_2.pth')) or study.poll() is not None)
    assert len(processes_of(tmp_path)) == 2
    time.sleep(random.Random(0).uniform(0, 1))
    study.kill()
    study.wait()
    wait_until(lambda: not processes_of(tmp_path), seconds=30)

    study, out = start(path)
    assert study.wait(300) == 0, out.read_text()
    alone = outcomes(run_imp(toy_cfg, tmp_path / 'alone', rounds=1).rounds)
    found = found_in(jobs)
    assert alone in found and len(found) == 2  # and the dense net, whose scope is the default


@pytest.mark.slow
def test_two_drivers_of_one_study_do_every_training_once_and_both_end_well(
    run_imp, toy_cfg, tmp_path, start,
):
    path, folder = toy_study(tmp_path), StudyFolder(tmp_path / 'work')
    dense, job = read_study(load_config(str(path))).jobs.values()
    with folder.store(dense.name).locked():  # so that both find it taken
        drivers = [start(path), start(path)]
        wait_until(lambda: all('waiting for that' in out.read_text() for _, out in drivers))
    assert [driver.wait(300) for driver, _ in drivers] == [0, 0]
    for _, out in drivers:
        assert f'{dense.name}: another process works on it' in out.read_text()
    for name, number in ((dense.name, 0), (job.name, 1)):  # every start of a Runner has a log
        round_dir = folder.store(name).layout.round_dir(number)
        assert len(list(round_dir.glob('*/*.log'))) == 1
    alone = outcomes(run_imp(toy_cfg, tmp_path / 'alone', rounds=1).rounds)
    assert outcomes(folder.store(job.name).summary().rounds) == alone
