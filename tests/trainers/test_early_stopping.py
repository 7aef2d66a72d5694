"""A training that EarlyStoppingHook ends: saved, recorded, pruned from, and resumed alike."""
import pytest
from conftest import run_job
from toy_training import StopOnce

from mmlth.core.checkpoints import checkpoints_in, iterations_of

# No accuracy improves by 2: the second evaluation in a row without is the third of all.
STOP = dict(type='EarlyStoppingHook', monitor='toy/mAP', rule='greater', min_delta=2, patience=2)


@pytest.fixture
def stopping(toy_cfg):
    """A toy that would train six epochs of four steps and stops after three, saved every other."""
    toy_cfg.train_cfg.max_epochs = 6
    toy_cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=2))
    toy_cfg.custom_hooks = [STOP]
    return toy_cfg


def test_the_record_is_that_of_the_last_step_and_the_ticket_comes_from_it(stopping, tmp_path):
    summary = run_job(stopping, tmp_path / 'job', rounds=1, target_sparsity=0.5)
    assert [r['steps'] for r in summary.rounds] == [12, 12]
    assert [r['saved_steps'] for r in summary.rounds] == [12, 12]
    for number in (0, 1):
        left = checkpoints_in(tmp_path / 'job' / f'round_0{number}')
        assert [iterations_of(path) for path in left] == [12]
        assert summary.rounds[number]['metrics'].keys() == {'toy/mAP'}


@pytest.mark.parametrize('step', [6, 10, 11])
def test_a_killed_one_stops_at_the_same_step_with_the_same_weights(stopping, tmp_path, step):
    stopping.default_hooks.checkpoint.interval = 1
    stopping.default_hooks.checkpoint.update(save_best='toy/mAP', rule='greater')
    settings = dict(rounds=1, target_sparsity=0.5)
    whole = run_job(stopping, tmp_path / 'whole', **settings)
    stopping.custom_hooks = [STOP, dict(type='StopOnce')]
    StopOnce.armed[:] = [('killed/round_01', step)]
    with pytest.raises(KeyboardInterrupt):
        run_job(stopping, tmp_path / 'killed', **settings)
    again = run_job(stopping, tmp_path / 'killed', **settings)
    assert [r['digests'] for r in again.rounds] == [r['digests'] for r in whole.rounds]
    assert [r['metrics'] for r in again.rounds] == [r['metrics'] for r in whole.rounds]
    best = [sorted(path.name for path in (tmp_path / job / 'round_01').glob('best*'))
            for job in ('whole', 'killed')]
    assert best[0] == best[1] and len(best[0]) == 1


def test_a_rate_that_waits_for_evaluations_falls_at_the_same_step(toy_cfg, tmp_path):
    toy_cfg.param_scheduler = dict(type='ReduceOnPlateauLR', monitor='toy/mAP', rule='greater',
                                   patience=0, threshold=2, factor=0.5)
    settings = dict(rounds=1, target_sparsity=0.5)
    whole = run_job(toy_cfg, tmp_path / 'whole', **settings)
    toy_cfg.custom_hooks = [dict(type='StopOnce')]
    StopOnce.armed[:] = [('killed/round_00', 10)]
    with pytest.raises(KeyboardInterrupt):
        run_job(toy_cfg, tmp_path / 'killed', **settings)
    again = run_job(toy_cfg, tmp_path / 'killed', **settings)
    assert [r['digests'] for r in again.rounds] == [r['digests'] for r in whole.rounds]


def test_w_k_that_the_training_may_not_reach_is_refused_before_its_first_step(stopping, tmp_path):
    with pytest.raises(ValueError, match='EarlyStoppingHook may end the training at 12'):
        run_job(stopping, tmp_path / 'job', rewind='epoch_4')
    assert not checkpoints_in(tmp_path / 'job' / 'round_00')
