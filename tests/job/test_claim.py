"""Whose work directory is it: what may change on a resume, what is somebody's work."""
import copy
import json
import shutil

import pytest
import toys
from conftest import run_job

from mmlth.core.layout import Layout
from mmlth.core.records import load_summary
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A finished job of one pruning, which no test changes: config, folder, summary."""
    folder = tmp_path_factory.mktemp('finished')
    cfg = toys.read_config(folder)
    summary = run_job(copy.deepcopy(cfg), folder / 'job', **SETTINGS)
    return cfg, folder / 'job', summary


@pytest.fixture
def job(finished, tmp_path):
    """A copy of it, for tests that change it."""
    cfg, work_dir, summary = finished
    shutil.copytree(work_dir, tmp_path / 'job')
    return copy.deepcopy(cfg), tmp_path / 'job', summary


def forbid_training(monkeypatch):
    def fail(*args):
        pytest.fail('trained again')
    monkeypatch.setattr('mmlth.job.imp_runner.train', fail)


def content(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


def test_a_job_whose_data_and_evaluation_moved_goes_on(tmp_path, monkeypatch):
    def cfg(root, workers):
        (tmp_path / root).mkdir()
        ann_file = tmp_path / root / 'a.json'
        ann_file.write_text('{}')
        values = toys.toy_config()
        values['val_dataloader']['num_workers'] = workers
        values['train_dataloader']['dataset'] = dict(type='ToyData', ann_file=str(ann_file))
        return toys.read_config(tmp_path, **values)
    first = run_job(cfg('job1', 0), tmp_path / 'work', **SETTINGS)
    forbid_training(monkeypatch)
    assert run_job(cfg('job2', 1), tmp_path / 'work', **SETTINGS).rounds == first.rounds


def test_other_settings_are_refused_by_name(finished):
    cfg, work_dir, _ = finished
    before = content(work_dir)
    for change, named in (
            (dict(seed=3), 'imp.seed: 0 there, 3 now'),
            (dict(target_sparsity=0.5), 'imp.sparsity.1: 0.75 there, 0.5 now')):
        with pytest.raises(FileExistsError, match=named):
            run_job(copy.deepcopy(cfg), work_dir, **{**SETTINGS, **change})
    other = copy.deepcopy(cfg)
    other.optim_wrapper.optimizer.lr = 0.05
    with pytest.raises(FileExistsError, match='optim_wrapper.optimizer.lr: 0.1 there, 0.05 now'):
        run_job(other, work_dir, **SETTINGS)
    assert content(work_dir) == before


def test_a_change_can_be_accepted_on_purpose_and_is_remembered(job):
    cfg, work_dir, _ = job
    (work_dir / 'round_01' / 'record.json').unlink()
    cfg.val_dataloader.batch_size = 4

    def runner(*accept):
        return IMPRunner(cfg, IMPConfig(**SETTINGS), work_dir, accept=accept)
    message = (
        'val_dataloader.batch_size: 8 there, 4 now.*'
        '--accept-change val_dataloader.batch_size')
    with pytest.raises(FileExistsError, match=message):
        runner().run()
    assert len(runner('val_dataloader').run().rounds) == 2
    known = json.loads((work_dir / 'imp.json').read_text())
    assert known['changes'] == [{'val_dataloader.batch_size': '8 there, 4 now'}]
    assert len(runner().run().rounds) == 2  # it's this job now
    with pytest.raises(ValueError, match='--accept-change model: nothing of that name differs'):
        runner('model').run()


@pytest.mark.parametrize('change, key', [
    (dict(scope='backbone'), 'imp.scope'), (dict(rewind='epoch_1'), 'imp.rewind'),
    (dict(rewind='epoch_1', optimizer='rewound'), 'imp.optimizer')])
def test_what_was_settled_with_the_dense_net_cannot_be_accepted(finished, change, key):
    cfg, work_dir, _ = finished
    before = content(work_dir)
    runner = IMPRunner(copy.deepcopy(cfg), IMPConfig(**{**SETTINGS, **change}), work_dir,
                       accept=('imp', ))
    with pytest.raises(FileExistsError, match=f'{key}.*dense net .* cannot be changed') as error:
        runner.run()
    assert '--accept-change' not in str(error.value) and content(work_dir) == before


def test_a_later_start_that_needs_no_weights_of_a_step_can_be_accepted(job):
    cfg, work_dir, _ = job
    shutil.rmtree(work_dir / 'round_01')
    runner = IMPRunner(cfg, IMPConfig(**SETTINGS, rewind='lr'), work_dir, accept=('imp.rewind', ))
    assert runner.run().rounds[1]['policies']['rewind'] == 'lr'


@pytest.mark.parametrize('left, other', [
    ('record.json', 'ticket.safetensors'), ('ticket.safetensors', 'record.json')])
def test_records_and_tickets_are_work_even_where_checkpoints_were_deleted(job, left, other):
    cfg, work_dir, _ = job
    gone = [*work_dir.rglob('*.pth'), *work_dir.rglob(other)]
    for path in [*gone, work_dir / 'rewind.safetensors', work_dir / 'summary.json']:
        path.unlink()
    kept = sorted(work_dir.rglob(left))
    with pytest.raises(FileExistsError, match='imp.seed: 0 there, 1 now'):
        run_job(cfg, work_dir, seed=1, **SETTINGS)
    assert len(kept) == 2 and sorted(work_dir.rglob(left)) == kept


def test_a_job_of_an_older_mmlth_is_refused_with_one_clear_line(job):
    cfg, work_dir, first = job
    path = work_dir / 'imp.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'version': 1}))
    message = (
        'is of version 1, but this mmlth goes on with version 3: '
        'finish the job with the mmlth that started it, or choose a new')
    with pytest.raises(FileExistsError, match=message) as caught:
        run_job(copy.deepcopy(cfg), work_dir, **SETTINGS)
    assert '\n' not in str(caught.value)
    assert load_summary(Layout(work_dir).summary).rounds == first.rounds  # still read
    again = IMPRunner(cfg, IMPConfig(**SETTINGS), work_dir).run(overwrite=True)
    assert [r['digests'] for r in again.rounds] == [r['digests'] for r in first.rounds]


# overwriting


def test_overwrite_is_the_way_out_of_another_job(job):
    cfg, work_dir, _ = job
    cfg.optim_wrapper.optimizer.lr = 0.05
    settings = IMPConfig(scope='all', schedule=[0.5])
    summary = IMPRunner(cfg, settings, work_dir).run(overwrite=True)
    assert [r['sparsity'] for r in summary.rounds] == [0, 0.5]


def test_overwrite_goes_on_with_the_same_job(finished, monkeypatch):
    forbid_training(monkeypatch)
    cfg, work_dir, first = finished
    runner = IMPRunner(copy.deepcopy(cfg), IMPConfig(**SETTINGS), work_dir)
    assert runner.run(overwrite=True) == first


def test_overwrite_deletes_nothing_if_the_new_job_is_wrong(finished):
    cfg, work_dir, _ = finished
    before = content(work_dir)
    bad = IMPConfig(scope='all', rounds=1, include=['no such tensor'])
    with pytest.raises(ValueError, match='matches no weight'):
        IMPRunner(copy.deepcopy(cfg), bad, work_dir).run(overwrite=True)
    assert content(work_dir) == before


def test_a_dry_run_never_touches_a_job(finished):
    cfg, work_dir, _ = finished
    before = content(work_dir)
    other = IMPRunner(copy.deepcopy(cfg), IMPConfig(scope='all', rounds=3), work_dir)
    other.preflight(dry_run=True, overwrite=True)
    assert content(work_dir) == before


def test_a_foreign_folder_is_refused_and_kept(toy_cfg, tmp_path):
    (tmp_path / 'job').mkdir()
    (tmp_path / 'job' / 'thesis.tex').write_text('precious')
    with pytest.raises(FileExistsError, match='not an IMP job'):
        run_job(toy_cfg, tmp_path / 'job')
    with pytest.raises(FileExistsError, match='--overwrite'):
        IMPRunner(toy_cfg, IMPConfig(), tmp_path / 'job').run(overwrite=True)
    assert [path.name for path in (tmp_path / 'job').iterdir()] == ['thesis.tex']


def test_a_folder_with_names_like_ours_is_still_foreign(toy_cfg, tmp_path):
    thesis = tmp_path / 'job' / 'report' / 'thesis.pdf'
    thesis.parent.mkdir(parents=True)
    thesis.write_text('precious')
    with pytest.raises(FileExistsError, match='report.*never deletes'):
        run_job(toy_cfg, tmp_path / 'job')
    assert thesis.read_text() == 'precious'
