"""Whether a job may go on in a folder: accepted changes, and what another process did meanwhile."""
import copy

import pytest
from mmengine.config import Config

from mmlth.core.store import Store
from mmlth.engine.claim import THIS, claimed, whose
from mmlth.engine.identity import config_identity
from mmlth.engine.imp_runner import IMPRunner
from mmlth.engine.job import Job
from mmlth.engine.settings import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)


def test_the_same_command_goes_on_after_a_change_was_accepted(tmp_path):
    store = Store(tmp_path / 'job')
    facts = dict(identity={'model.depth': 18})
    store.work_dir.mkdir()
    store.claim(dict(facts, changes=[{'model.depth': '50 there, 18 now'}]))
    assert whose(store, facts, accept=('model', )) == THIS


def test_what_was_accepted_before_anything_was_trained_holds(toy_cfg, tmp_path):
    store = Store(tmp_path / 'job')

    def claim(rewind, accept=()):
        settings = IMPConfig(**SETTINGS, rewind=rewind)
        runner = IMPRunner(copy.deepcopy(toy_cfg), settings, store.work_dir, accept=accept)
        runner.preflight()
        with claimed(runner.work, accept=accept):
            return store.job()['moment']

    assert claim('init') == 'step_0'
    assert claim(3, accept=('imp.rewind', )) == 'step_3'


def test_what_another_process_did_before_the_lock_is_kept(toy_cfg, tmp_path, monkeypatch):
    runner = IMPRunner(toy_cfg, IMPConfig(**SETTINGS), tmp_path / 'job')
    runner.preflight()

    def work_there(job):
        record = job.store.layout.record(0)
        record.parent.mkdir(parents=True)
        record.write_text('{}')
        job.store.claim(dict(job.facts(), identity={}, changes=[]))

    monkeypatch.setattr(Job, 'check_disk', work_there)
    with pytest.raises(FileExistsError, match='holds another job'), claimed(runner.work):
        pass
    assert runner.store.layout.record(0).exists()


def test_parts_that_a_config_leaves_to_mmengine_are_no_error():
    found = config_identity(Config(dict(default_hooks=None, val_dataloader=None)))
    assert found['default_hooks'] is None
    assert found['val_dataloader'] is None
