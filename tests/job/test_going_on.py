"""Whether a job may go on in a folder: accepted changes, and what another process did meanwhile."""
import copy

import pytest
import toys
from mmengine.config import Config

from mmlth.core.store import Store
from mmlth.job.claim import THIS, claimed, whose
from mmlth.job.identity import config_identity, differences, identity
from mmlth.job.imp_runner import IMPRunner
from mmlth.job.rank_0 import Job
from mmlth.settings.imp_config import IMPConfig

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


def test_more_rounds_and_fewer_leave_finished_ones_alone(toy_cfg, run_imp, tmp_path):
    def run(*sparsities, **settings):
        return run_imp(copy.deepcopy(toy_cfg), tmp_path / 'job', schedule=sparsities, **settings)

    one = run(0.5)
    three = run(0.5, 0.75, 0.8, controls=['random'])
    assert three.rounds[:2] == one.rounds
    found = [record['sparsity'] for record in three.rounds[2:]]
    assert found == pytest.approx([0.75, 0.8], abs=1e-3)
    assert run(0.5).rounds == three.rounds
    with pytest.raises(FileExistsError, match='imp.sparsity.2: 0.75 there, 0.7.* now'):
        run(0.5, 0.7)


def test_more_rounds_equal_a_job_that_had_them_from_the_start(toy_cfg, run_imp, tmp_path):
    def run(folder, *sparsities):
        return run_imp(copy.deepcopy(toy_cfg), tmp_path / folder, schedule=sparsities)

    run('later', 0.5)
    found = [[record['digests'] for record in run(folder, 0.5, 0.75).rounds]
             for folder in ('later', 'at once')]
    assert found[0] == found[1]


def test_a_round_that_is_watched_for_the_next_mask_depends_on_it(toy_cfg):
    def of(*sparsities):
        return identity(toy_cfg, IMPConfig(schedule=sparsities, early_bird=dict(interval=1)))

    assert differences(of(0.5), of(0.5, 0.75)) == {'imp.sparsity.1.watched': 'None there, 0.75 now'}
    assert differences(of(0.5, 0.75), of(0.5, 0.75)) == {}


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


def test_a_mended_evaluator_goes_on_with_a_dense_net_that_was_trained(
        toy_cfg, run_imp, tmp_path, monkeypatch):
    def fail(self, results):
        if len(results) > 2:  # not on the first batch
            raise KeyError('segm')
        return {}
    with monkeypatch.context() as patch:
        patch.setattr(toys.ToyAccuracy, 'compute_metrics', fail)
        with pytest.raises(KeyError):
            run_imp(toy_cfg, tmp_path / 'job', rounds=1)
    store = Store(tmp_path / 'job')
    other = store.job()['identity'] | {'val_evaluator.prefix': 'new', 'imp.seed': 1}
    with pytest.raises(FileExistsError, match='settings: imp.seed: 0 there, 1 now. Choose'):
        whose(store, dict(identity=other))
    facts = store.job()
    mended = dict(facts, data={'data.val_evaluator.ann_file': 'other'})
    assert whose(store, mended) == THIS  # nothing was measured with it
    toy_cfg.val_evaluator.prefix = 'new'
    assert len(run_imp(toy_cfg, tmp_path / 'job', rounds=1).rounds) == 2
    toy_cfg.val_evaluator.prefix = 'newer'  # now its numbers would not compare
    with pytest.raises(FileExistsError, match='val_evaluator.prefix: .*--accept-change val_eval'):
        run_imp(toy_cfg, tmp_path / 'job', rounds=1)


def test_a_state_that_the_dense_net_has_not_kept_cannot_be_gone_back_to(toy_cfg, run_imp, tmp_path):
    run_imp(toy_cfg, tmp_path / 'job', rounds=1, rewind='epoch_1')
    store = Store(tmp_path / 'job')
    known = store.job()
    facts = dict(known, identity={**known['identity'], 'imp.optimizer': 'rewound'},
                 settings={**known['settings'], 'optimizer': 'rewound'})
    with pytest.raises(FileExistsError, match='imp.optimizer.* dense net .* cannot be changed'):
        whose(store, facts, accept=('imp.optimizer', ))
