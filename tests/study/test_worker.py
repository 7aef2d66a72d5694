"""The process that runs one job of a study."""
import os
import subprocess
import sys

import pytest
import torch
import toys
from conftest import ROOT, tool_env
from stand_ins import write_study

from mmlth.core.checkpoints import load_checkpoint, save_checkpoint
from mmlth.core.ticket import load_ticket
from mmlth.engine.config_files import load_config
from mmlth.study import worker
from mmlth.study.carry import carry_ticket
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import read_study
from mmlth.study.tasks import list_tasks
from mmlth.study.worker import BUSY

BACKBONE = ['backbone.conv1.weight', 'backbone.conv2.weight']


@pytest.fixture
def folder(tmp_path):
    found = StudyFolder(tmp_path / 'work')
    found.make()
    return found


@pytest.fixture
def jobs_of(tmp_path, folder):
    """Write the jobs of an entry into the folder of the study; returns them."""
    def jobs_of(**entry):
        one = dict(title='One', section='1', kind='curve', jobs=[entry])
        config = toys.write_config(tmp_path)
        path = write_study(tmp_path / 'study.py', config, dict(one=one))
        study = read_study(load_config(str(path)))
        for task in list_tasks(study).values():
            folder.write_task(task, study.jobs[task.job])
        return list(study.jobs.values())
    return jobs_of


def arguments(folder, job):
    return [str(folder.work_dir), job.name, '--study', str(os.getpid())]


@pytest.fixture
def work(folder):
    """Run jobs in this process, one after the other; returns the last exit code."""
    def work(*jobs):
        return [worker.main(arguments(folder, job)) for job in jobs][-1]
    return work


def test_exit_codes_tell_done_busy_and_failed(folder, jobs_of, work, capsys):
    dense, job = jobs_of(rounds=1)
    with folder.store(dense.name).locked():
        assert work(dense) == BUSY == 75
    assert 'this process is working on' in capsys.readouterr().err
    assert work(job) == 1  # its dense net isn't there
    assert 'holds no finished dense round' in capsys.readouterr().err
    assert work(dense, job) == 0 and folder.is_done(job)


def test_a_ticket_is_not_carried_to_a_job_on_which_another_process_works(folder, jobs_of, work):
    *needed, job = jobs_of(scope='backbone', transfer=dict(source=dict(rounds=1)))
    assert work(*needed) == 0
    with folder.store(job.name).locked():
        assert work(job) == BUSY
    assert not folder.ticket(job.name).exists()
    assert work(job) == 0 and folder.is_done(job)


def test_what_is_carried_is_that_of_the_last_finished_round(folder, jobs_of, work):
    *needed, job = jobs_of(scope='backbone', transfer=dict(source=dict(rounds=1)))
    assert work(*needed) == 0
    source = folder.store(job.source)
    source.layout.round_dir(7).mkdir()  # of a job that was planned longer, say
    carry_ticket(job, job.read_config(), folder)
    carried = load_ticket(folder.ticket(job.name)).masks
    masks = load_ticket(source.layout.ticket(1)).masks
    assert list(carried) == BACKBONE
    assert all(torch.equal(mask, masks[name]) for name, mask in carried.items())


def test_what_is_ranked_is_the_checkpoint_that_the_dense_training_ended_with(folder, jobs_of, work):
    dense, job = jobs_of(scope='backbone', transfer=dict(
        source=dict(rounds=0), sparsity=0.5, groups=('backbone', )))
    assert work(dense) == 0
    trained = folder.store(dense.name).checkpoint(dense.trainings[0])
    content = load_checkpoint(trained)
    wrong = {name: torch.ones_like(w) for name, w in content['state_dict'].items()}
    later = trained.with_name('epoch_9.pth')  # somebody went on with it
    save_checkpoint({**content, 'state_dict': wrong}, later)
    carry_ticket(job, job.read_config(), folder)
    weights = {name: content['state_dict'][name].abs() for name in BACKBONE}
    least = torch.cat([w.flatten() for w in weights.values()]).median()
    carried = load_ticket(folder.ticket(job.name)).masks
    assert all(torch.equal(carried[name], w > least) for name, w in weights.items())


@pytest.mark.slow
def test_processes_that_train_together_end_with_the_code_of_the_one_that_failed(folder, jobs_of):
    dense, _ = jobs_of(rounds=1)
    command = [sys.executable, '-m', 'mmlth.study.worker', *arguments(folder, dense),
               '--processes', '2']

    def run():
        return subprocess.run(command, env=tool_env(), cwd=ROOT, capture_output=True, text=True,
                              timeout=300)
    with folder.store(dense.name).locked():
        done = run()
    assert done.returncode == BUSY, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f'ended with code {BUSY}, see above')
    done = run()
    assert done.returncode == 0 and folder.is_done(dense), done.stderr
