"""The files of a study."""
from dataclasses import replace

import pytest

from mmlth.settings.imp_config import IMPConfig
from mmlth.study.folder import StudyFolder
from mmlth.study.study_job import StudyJob
from mmlth.study.tasks import Task


@pytest.fixture
def folder(tmp_path):
    return StudyFolder(tmp_path)


def test_a_task_is_read_as_it_was_written(folder):
    job = StudyJob(
        config='configs/toy.py', cfg_options={'model.type': 'Net'}, capture=('25%', 4),
        settings=IMPConfig(rounds=1, include=('conv', )).as_dict(), source='a_1', source_key='k',
        transfer=dict(groups=['backbone']), dense='b_2')
    task = Task(name='it', job=job.name, trainings=job.imp_settings().trainings())
    folder.make()
    folder.fail('it', 'boom')
    assert folder.failure('it') == 'boom'
    folder.write_task(task, job)
    assert folder.failure('it') == ''
    found, keys = folder.read_task('it')
    assert found == job and found.name == job.name and keys == ((0, ''), (1, ''))
    folder.write_task(task, replace(job, predictions=True))
    folder.write_task(task, job)  # another call, which asks for less
    assert folder.read_task('it')[0].predictions


def test_the_job_that_notes_a_training_first_is_found_by_its_id(folder):
    assert folder.find('abc') is None
    folder.note('one', 'abc')
    folder.note('two', 'abc')
    assert folder.find('abc') == folder.store('one').work_dir


@pytest.mark.parametrize('text, found', [
    ('first\nerror: boom\n\n', 'error: boom'),
    ('\n \n', 'it printed nothing'),
    ('', 'it printed nothing')])
def test_the_last_line_of_a_log_is_the_last_that_says_something(folder, text, found):
    folder.make()
    folder.log('job').write_text(text)
    assert folder.last_line('job') == found


def test_a_job_is_done_when_all_its_trainings_have_a_record_and_its_summary_holds_them(
    run_imp, toy_cfg, folder,
):
    plain, controlled = (
        StudyJob(config='toy.py', settings=IMPConfig(rounds=1, controls=names).as_dict())
        for names in ((), ('random', )))
    assert plain.name == controlled.name
    store = folder.store(plain.name)
    assert not folder.is_done(plain)
    run_imp(toy_cfg, store.work_dir, rounds=1)
    assert folder.is_done(plain) and not folder.is_done(controlled)
    assert folder.has_rounds(controlled) and not folder.summary(controlled).controls
    before = store.layout.summary.read_text()
    run_imp(toy_cfg, store.work_dir, rounds=1, controls=['random'])
    assert folder.is_done(controlled)
    store.layout.summary.write_text(before)  # killed before the last summary
    assert len(folder.summary(controlled).controls) == 1
    store.layout.summary.unlink()
    assert len(folder.summary(controlled).controls) == 1
    store.layout.record(1).unlink()
    assert not folder.is_done(plain)
