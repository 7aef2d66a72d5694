"""Jobs that nothing waits for any more are left out of what is run."""
import pytest
import toys
from stand_ins import write_study

from mmlth.core.training import Training
from mmlth.engine.config_files import load_config
from mmlth.study.folder import StudyFolder
from mmlth.study.idle import without_idle
from mmlth.study.plan import read_study


@pytest.fixture
def folder(tmp_path):
    return StudyFolder(tmp_path / 'work')


@pytest.fixture
def read(tmp_path):
    """Return a study of one experiment with these entries."""
    def read(*jobs):
        one = dict(title='One', section='1', kind='curve', jobs=list(jobs))
        path = write_study(tmp_path / 'study.py', toys.write_config(tmp_path), dict(one=one))
        return read_study(load_config(str(path)))
    return read


def finish(folder, job, trainings):
    for training in trainings:
        path = folder.store(job.name).layout.record(*training.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{}')


def test_a_new_study_is_run_whole(read, folder):
    given = dict(transfer=dict(source=dict(rounds=1)), scope='all')
    study = read(dict(rewind=['init', '25%']), given)
    assert without_idle(study, folder) == study


def test_a_dense_net_is_left_out_once_every_job_has_one(read, folder):
    study = read(dict(rewind=['init', '25%']))
    dense, first, second = study.jobs.values()
    finish(folder, first, [Training(number=0)])
    assert without_idle(study, folder).jobs == study.jobs  # the second waits for it
    finish(folder, second, [Training(number=0)])
    assert list(without_idle(study, folder).jobs) == [first.name, second.name]
    finish(folder, dense, [Training(number=0)])
    assert without_idle(study, folder).jobs == study.jobs  # it is done, as people want to see


def test_a_dense_net_that_is_shown_or_ranked_stays(read, folder):
    ranked = dict(source=dict(rounds=0), sparsity=0.5, scope='backbone')
    study = read(dict(rounds=0), dict(scope='backbone', transfer=ranked))
    dense, job = study.jobs.values()
    finish(folder, job, [Training(number=0)])
    assert list(without_idle(study, folder).jobs) == [dense.name, job.name]
    unshown = read(dict(scope='backbone', transfer=ranked))
    assert list(without_idle(unshown, folder).jobs) == list(unshown.jobs)  # the job isn't done
    finish(folder, job, job.trainings)
    assert list(without_idle(unshown, folder).jobs) == [job.name]
