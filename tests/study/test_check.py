"""What is wrong with a study is said before anything is written."""
import gc
import weakref

import pytest
import toys
from stand_ins import write_study

from mmlth.engine import net as nets
from mmlth.engine.config_files import load_config
from mmlth.job import preflight
from mmlth.study.check import check_jobs
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import read_study

WEIGHTS = 4 * ((24 * 9 + 8) + (8 + 8) + (128 * 9 + 16) + (64 + 4))  # bytes of the toy net's
MISSING = {'train_dataloader.dataset.ann_file': 'not/here.json'}


@pytest.fixture
def read(tmp_path):
    """Read a study of these entries."""
    config = toys.write_config(tmp_path)

    def read(*jobs, options=None):
        one = dict(title='One', section='1', kind='curve', jobs=list(jobs))
        path = write_study(tmp_path / 'study.py', config, dict(one=one))
        return read_study(load_config(str(path)), options=options)
    return read


@pytest.fixture
def check(tmp_path, read):
    """Check the jobs of a study of these entries, and that nothing is written."""
    def check(*jobs, done_in=None, options=None, **how):
        new = tmp_path / 'new'
        try:
            folder = StudyFolder(done_in or new / 'work')
            return check_jobs(read(*jobs, options=options), folder, **how)
        finally:
            assert not new.exists()
    return check


@pytest.fixture
def counted(monkeypatch):
    """Count how often nets are built and jobs planned; nets are followed weakly."""
    found = dict(nets=[], plans=0)

    def read_net(*args, **kwargs):
        gc.collect()
        assert not any(model() for model in found['nets']), 'an earlier net is still there'
        net = nets.read_net(*args, **kwargs)
        found['nets'].append(weakref.ref(net.model))
        return net

    def plan(net, settings, plan=preflight.plan):
        found['plans'] += 1
        return plan(net, settings)
    monkeypatch.setattr('mmlth.study.check.read_net', read_net)
    monkeypatch.setattr('mmlth.study.check.preflight.plan', plan)
    return found


def test_fine_tuning_at_next_to_no_learning_rate_is_refused_with_its_job(check, tmp_path):
    cosine = dict(type='CosineAnnealingLR', T_max=3, convert_to_iter_based=True)
    config = str(toys.write_config(tmp_path, 'cosine.py', param_scheduler=cosine))
    check(dict(config=config, rewind='lr'))
    with pytest.raises(ValueError, match=r"^job .*rewind-none.*: rewind='none' trains at the last"):
        check(dict(config=config, rewind='lr'), dict(config=config, rewind='none'))


def test_a_state_within_an_epoch_is_refused(check):
    with pytest.raises(ValueError, match=r"^job .*rewind-40.*: rewind='40%' with a state .*epoch_"):
        check(dict(rewind='40%'), dict(rewind='40%', lr_schedule='continue'))


def test_passes_a_study_that_is_well(check):
    found = check(dict(rounds=[1, 2]), dict(scope='backbone', transfer=dict(source={})))
    assert (found.jobs, found.nets) == (4, 1)  # dense, 1 and 2 rounds (the source), the given one
    assert str(found).startswith('checked 4 jobs (nets built: 1) in ')


def test_jobs_of_one_config_share_a_net_whatever_their_seeds_and_settings(check, counted):
    entry = dict(rounds=[1, 2], seed=[0, 1], rewind=['init', '25%'])
    found = check(entry, dict(rounds=1, controls=('random', )))
    assert found.jobs == 2 + 8  # a dense net for each seed
    assert len(counted['nets']) == found.nets == 1
    assert counted['plans'] == 3  # 0, 1 and 2 rounds


def test_a_net_is_dropped_when_no_further_job_needs_it(check, counted):
    faster = {'optim_wrapper.optimizer.lr': 0.2}
    check({}, dict(cfg_options=faster), dict(rounds=1), dict(cfg_options=faster, rounds=1))
    assert len(counted['nets']) == 2


def test_names_the_job_whose_annotation_file_is_missing(check):
    wrong = dict(rounds=1, seed=3, early_bird={}, cfg_options=MISSING)
    with pytest.raises(FileNotFoundError, match=(
            r"job toy_.*rounds-1.*train_dataloader\.dataset\.ann_file = 'not/here\.json' does not "
            'exist')):
        check({}, wrong)


def test_a_dry_run_does_without_the_data(check):
    assert check(dict(cfg_options=MISSING), need_data=False).jobs


def test_options_of_the_study_are_checked_too(check):
    with pytest.raises(FileNotFoundError, match='job toy_.*not/here.json'):
        check({}, options=MISSING)
    with pytest.raises(ValueError, match='job toy_.*--data-root.*has no data_root'):
        check({}, data_root='somewhere')


def test_names_the_job_whose_scope_holds_nothing_in_its_model(check):
    with pytest.raises(ValueError, match='job toy_.*scope-neck.*: scope=.*neck.* holds no '):
        check({}, dict(scope='neck'))


def test_a_job_that_differs_in_the_scope_alone_is_checked_for_itself(check):
    with pytest.raises(ValueError, match='job toy_.*exclude.*matches no weight'):
        check(dict(exclude=[('conv1', ), ('conv9', )]))


def test_names_the_job_whose_transfer_would_match_nothing(check):
    with pytest.raises(ValueError, match=(
            'job toy_.*scope-predictors.*_of-toy_.*: no tensor of its scope has the name and shape '
            'of one of its source')):
        check(dict(scope='predictors', transfer=dict(source=dict(scope='backbone'))))


def test_a_source_that_is_done_is_compared_all_the_same(check, read, run_imp, toy_cfg, tmp_path):
    entry = dict(scope='backbone', transfer=dict(source=dict(scope='backbone', early_bird={})))
    jobs = read(entry).jobs
    source = next(jobs[job.source] for job in jobs.values() if job.source)
    folder = StudyFolder(tmp_path / 'done')
    run_imp(toy_cfg, folder.store(source.name).work_dir, scope='backbone', early_bird={})
    assert folder.is_done(source)
    check(entry, done_in=tmp_path / 'done')
    with pytest.raises(ValueError, match='would match nothing'):
        check({**entry, 'scope': 'predictors'}, done_in=tmp_path / 'done')


# A finished training leaves its weights once, a job w_k too. One that runs has two checkpoints
# with momentum, so three times the weights besides.
@pytest.mark.parametrize('workers, entry, needed', [
    pytest.param(1, dict(rounds=[1, 2]), (2 + 2 + 3) + 3, id='dense, one round, two rounds'),
    pytest.param(2, dict(rounds=[1, 2]), (2 + 2 + 3) + 2 * 3, id='two at once'),
    pytest.param(1, dict(rounds=[1, 2], seed=[0, 1]), 2 * (2 + 2 + 3) + 3, id='more jobs'),
    pytest.param(1, dict(rounds=1, rewind=['init', '25%']), (3 + 2 + 2) + 3, id='captured weights'),
    pytest.param(1, dict(rounds=1, keep='all'), (4 + 1) + (4 + 1), id='all checkpoints kept')])
def test_refuses_a_disk_that_is_too_small(check, monkeypatch, workers, entry, needed):
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: needed * WEIGHTS)
    assert check(entry, workers=workers).needed == needed * WEIGHTS
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: needed * WEIGHTS - 1)
    with pytest.raises(OSError, match=(
            'the disk of .*work has .* GiB free, but the study needs about .* --work-dir')):
        check(entry, workers=workers)


def test_what_is_done_needs_no_disk(check, read, run_imp, toy_cfg, tmp_path, monkeypatch):
    entry = dict(rounds=1, early_bird={})
    name, = read(entry).jobs
    folder = StudyFolder(tmp_path / 'done')
    run_imp(toy_cfg, folder.store(name).work_dir, rounds=1, early_bird={})
    monkeypatch.setattr('mmlth.study.check.free_bytes', lambda folder: 0)
    assert check(entry, done_in=tmp_path / 'done').needed == 0
    folder.store(name).layout.record(1).unlink()  # its dense training is still done
    with pytest.raises(OSError, match='the study needs about'):
        check(entry, done_in=tmp_path / 'done')
