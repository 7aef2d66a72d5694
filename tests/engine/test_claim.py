"""Whose work directory is it: what may change on a resume, what is somebody's work, and locks."""
import copy
import errno
import fcntl
import json
import logging

import pytest
import toys
from mmengine.config import Config

from mmlth.core.files import locked_folder
from mmlth.core.layout import Layout
from mmlth.core.records import load_summary
from mmlth.engine.identity import config_identity, differences
from mmlth.engine.imp_runner import IMPRunner
from mmlth.engine.settings import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)


def coco(root='/scratch/1/coco/', **parts):
    """A config as MMDet's, whose root stands in every part of it."""
    def loader(**keywords):
        dataset = dict(type='CocoDataset', data_root=root, ann_file='annotations/a.json',
                       data_prefix=dict(img='train2017/'), pipeline=[dict(type='LoadImageFromFile', backend_args=None)])
        return dict(batch_size=2, num_workers=2, persistent_workers=True, dataset=dataset, **keywords)
    evaluator = dict(type='CocoMetric', ann_file=f'{root}annotations/v.json')
    return Config(dict(dict(
        model=dict(type='Net'), data_root=root, train_dataloader=loader(), val_dataloader=loader(),
        test_dataloader=loader(), val_evaluator=evaluator, test_evaluator=evaluator,
        train_cfg=dict(max_epochs=2), optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1))), **parts))


def changed(cfg, key, value):
    other = copy.deepcopy(cfg)
    other.merge_from_dict({key: value})
    return list(differences(config_identity(cfg), config_identity(other)))


def test_data_may_move_and_evaluation_may_be_served_otherwise():
    assert config_identity(coco('/scratch/1/coco/')) == config_identity(coco('data/coco'  '/'))
    for key, value in {
            'data_root': '/elsewhere/', 'val_dataloader.num_workers': 8, 'val_dataloader.persistent_workers': False,
            'train_dataloader.persistent_workers': False, 'train_dataloader.pin_memory': True,
            'test_dataloader.batch_size': 8, 'test_evaluator.ann_file': 'other.json', 'work_dir': 'x',
            'log_level': 'DEBUG', 'default_hooks.checkpoint.interval': 5, 'default_hooks.logger.interval': 1,
            'train_dataloader.dataset.backend_args': dict(backend='petrel'), 'env_cfg.cudnn_benchmark': True,
            'val_evaluator.outfile_prefix': '/scratch/2/x', 'val_evaluator.format_only': False}.items():
        assert changed(coco(), key, value) == [], key


def test_what_may_change_numbers_is_named():
    for key, value in {
            'train_dataloader.num_workers': 4, 'train_dataloader.batch_size': 4, 'val_dataloader.batch_size': 4,
            'train_dataloader.dataset.ann_file': 'annotations/b.json', 'optim_wrapper.optimizer.lr': 0.2,
            'train_cfg.max_epochs': 3, 'val_evaluator.ann_file': '/scratch/1/coco/annotations/w.json',
            'model.depth': 50, 'default_hooks.param_scheduler.type': 'X', 'custom_hooks.0.type': 'EMAHook'}.items():
        cfg = coco(default_hooks=dict(param_scheduler=dict(type='A')), custom_hooks=[dict(type='B')])
        assert changed(cfg, key, value) == [key], key


def test_a_job_whose_data_and_evaluation_moved_goes_on(tmp_path, run_imp, monkeypatch):
    def cfg(root, workers):
        (tmp_path / root).mkdir()
        (tmp_path / root / 'a.json').write_text('{}')
        values = toys.toy_config()
        values['val_dataloader'] = dict(values['val_dataloader'], num_workers=workers)
        values['train_dataloader']['dataset'] = dict(type='ToyData', ann_file=str(tmp_path / root / 'a.json'))
        return Config.fromfile(str(toys.write_config(tmp_path, **values)))
    first = run_imp(cfg('job1', 0), tmp_path / 'work', **SETTINGS)
    monkeypatch.setattr('mmlth.engine.imp_runner.train', lambda *a: pytest.fail('trained again'))
    assert run_imp(cfg('job2', 1), tmp_path / 'work', **SETTINGS).rounds == first.rounds


def test_a_change_can_be_accepted_on_purpose_and_is_remembered(toy_cfg, run_imp, tmp_path):
    run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', **{**SETTINGS, 'rounds': 1})
    (tmp_path / 'job' / 'round_01' / 'record.json').unlink()
    toy_cfg.val_dataloader.batch_size = 4
    settings = IMPConfig(**SETTINGS)
    with pytest.raises(FileExistsError, match='val_dataloader.batch_size: 8 there, 4 now.*'
                       '--accept-change val_dataloader.batch_size'):
        IMPRunner(toy_cfg, settings, tmp_path / 'job').run()
    summary = IMPRunner(toy_cfg, settings, tmp_path / 'job', accept=('val_dataloader', )).run()
    assert len(summary.rounds) == 2
    known = json.loads((tmp_path / 'job' / 'imp.json').read_text())
    assert known['changes'] == [{'val_dataloader.batch_size': '8 there, 4 now'}]
    assert len(IMPRunner(toy_cfg, settings, tmp_path / 'job').run().rounds) == 2  # it's this job now
    with pytest.raises(ValueError, match='--accept-change model: nothing of that name differs'):
        IMPRunner(toy_cfg, settings, tmp_path / 'job', accept=('model', )).run()


@pytest.mark.parametrize('left', ['record.json', 'ticket.safetensors'])
def test_records_and_tickets_are_work_even_where_checkpoints_were_deleted(toy_cfg, run_imp, tmp_path, left):
    run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', **SETTINGS)
    folder = tmp_path / 'job'
    for path in [*folder.rglob('*.pth'), folder / 'rewind.safetensors', folder / 'summary.json']:
        path.unlink()
    for name in {'record.json', 'ticket.safetensors'} - {left}:
        for path in folder.rglob(name):
            path.unlink()
    kept = sorted(folder.rglob(left))
    with pytest.raises(FileExistsError, match='imp.seed: 0 there, 1 now'):
        run_imp(toy_cfg, folder, seed=1, **SETTINGS)
    assert len(kept) == 2 and sorted(folder.rglob(left)) == kept


def test_a_job_of_an_older_mmlth_is_refused_with_one_clear_line(toy_cfg, run_imp, tmp_path):
    first = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', **SETTINGS)
    path = tmp_path / 'job' / 'imp.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'version': 1}))
    with pytest.raises(FileExistsError, match='is of version 1, but this mmlth goes on with version 2: '
                       'finish the job with the mmlth that started it, or choose a new') as caught:
        run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', **SETTINGS)
    assert '\n' not in str(caught.value)
    assert load_summary(Layout(tmp_path / 'job').summary).rounds == first.rounds  # still read
    again = IMPRunner(toy_cfg, IMPConfig(**SETTINGS), tmp_path / 'job').run(overwrite=True)
    assert [r['digests'] for r in again.rounds] == [r['digests'] for r in first.rounds]


# locks


@pytest.mark.parametrize('code', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning_not_another_process(tmp_path, monkeypatch, caplog, code):
    def fail(*args):
        raise OSError(code, 'no locks here')
    monkeypatch.setattr(fcntl, 'lockf', fail)
    with caplog.at_level(logging.WARNING), locked_folder(tmp_path / '.lock'):
        assert 'has no locks (no locks here)' in caplog.text


def test_a_second_claim_in_one_process_is_refused_and_does_not_free_the_first(tmp_path):
    import subprocess
    import sys
    other = ('import sys; from mmlth.core.files import locked_folder\n'
             'try:\n    with locked_folder(sys.argv[1]): print("free")\n'
             'except BlockingIOError as error: print(error.strerror)')

    def from_outside():
        command = [sys.executable, '-c', other, str(tmp_path / '.lock')]
        return subprocess.run(command, capture_output=True, text=True).stdout
    with locked_folder(tmp_path / '.lock'):
        with pytest.raises(BlockingIOError, match='this process is working on'), locked_folder(tmp_path / '.lock'):
            pass
        assert 'is working on' in from_outside()
    assert from_outside() == 'free\n'


def test_two_runs_one_after_the_other_hold_and_free_the_folder(toy_cfg, tmp_path):
    runner = IMPRunner(toy_cfg, IMPConfig(**SETTINGS), tmp_path / 'job')
    assert runner.run() == runner.run()
    with locked_folder(tmp_path / 'job' / '.lock'), pytest.raises(BlockingIOError):
        runner.run()
