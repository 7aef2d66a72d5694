"""What is wrong with a study is said before anything is written."""
import pytest
import toys

from mmlth.engine.config_files import load_config
from mmlth.study.check import check_jobs
from mmlth.study.plan import read_study


@pytest.fixture
def check(tmp_path):
    """Plan a study of these entries and check its jobs; nothing may be written. Returns the study."""
    work_dir, config = tmp_path / 'new' / 'work', str(toys.write_config(tmp_path))

    def check(*jobs, need_data=True, done_in=None, options=None, **common):
        experiment = dict(title='One', section='1', kind='curve', jobs=list(jobs))
        path = tmp_path / 'study.py'
        path.write_text(f'config = {config!r}\nexperiments = {dict(one=experiment)!r}\n')
        study = read_study(load_config(str(path)), options=options)
        try:
            check_jobs(study, done_in or work_dir, common, need_data=need_data)
        finally:
            assert not work_dir.parent.exists()
        return study
    return check


MISSING = {'train_dataloader.dataset.ann_file': 'not/here.json'}


def test_passes_a_study_that_is_well(check):
    assert check(dict(rounds=[1, 2]), dict(scope='backbone', transfer=dict(source={}))).jobs


def test_names_the_job_whose_annotation_file_is_missing(check):
    with pytest.raises(FileNotFoundError, match=r"job toy_.*rounds-1.*train_dataloader\.dataset\.ann_file = "
                                                r"'not/here\.json' does not exist"):
        check({}, dict(rounds=1, seed=3, early_bird={}, cfg_options=MISSING))


def test_a_dry_run_does_without_the_data(check):
    assert check(dict(cfg_options=MISSING), need_data=False).jobs


def test_options_of_the_study_are_checked_too(check):
    with pytest.raises(FileNotFoundError, match='job toy_.*not/here.json'):
        check({}, options=MISSING)
    with pytest.raises(ValueError, match='job toy_.*--data-root.*has no data_root'):
        check({}, data_root='somewhere')


def test_names_the_job_whose_scope_holds_nothing_in_its_model(check):
    with pytest.raises(ValueError, match="job toy_.*scope-neck.*: scope=.*neck.* holds no prunable tensor"):
        check({}, dict(scope='neck'))


def test_a_job_that_differs_in_the_scope_alone_is_checked_for_itself(check):
    with pytest.raises(ValueError, match='job toy_.*exclude.*matches no weight'):
        check(dict(exclude=[('conv1', ), ('conv9', )]))


def test_names_the_job_whose_transfer_would_match_nothing(check):
    with pytest.raises(ValueError, match='job toy_.*scope-predictors.*_of-toy_.*: no tensor of its scope has the '
                                         'name and shape of one of its source'):
        check(dict(scope='predictors', transfer=dict(source=dict(scope='backbone'))))


def test_a_source_that_is_done_is_compared_all_the_same(check, run_imp, toy_cfg, tmp_path):
    entry = dict(scope='backbone', transfer=dict(source=dict(scope='backbone', early_bird={})))
    study = check(entry)
    job = next(job for job in study.jobs.values() if job.source)
    run_imp(toy_cfg, tmp_path / 'done' / 'jobs' / job.source, scope='backbone', early_bird={})
    assert study.jobs[job.source].is_done(tmp_path / 'done' / 'jobs' / job.source)
    check(entry, done_in=tmp_path / 'done')
    with pytest.raises(ValueError, match='would match nothing'):
        check({**entry, 'scope': 'predictors'}, done_in=tmp_path / 'done')


def test_refuses_a_disk_that_is_too_small_for_all_trainings(check, monkeypatch):
    # 16 bytes a parameter in two checkpoints of weights and momentum, for each training of its own.
    parameters = (24 * 9 + 8) + (8 + 8) + (128 * 9 + 16) + (64 + 4)
    needed = 2 * (2 * parameters * 4) * (1 + 2 + 1)  # dense; two rounds; one round
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: needed)
    check(dict(rounds=[1, 2]))
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: needed - 1)
    with pytest.raises(OSError, match='the disk of .*work has .* GiB free, but the study needs about .* --work-dir'):
        check(dict(rounds=[1, 2]))


def test_jobs_that_are_done_need_no_disk(check, run_imp, toy_cfg, tmp_path, monkeypatch):
    name, = check(dict(rounds=1, early_bird={})).jobs
    run_imp(toy_cfg, tmp_path / 'done' / 'jobs' / name, rounds=1, early_bird={})
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: 0)
    assert check(dict(rounds=1, early_bird={}), done_in=tmp_path / 'done')
