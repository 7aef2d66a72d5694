"""What a ticket's training ended with, and how it is evaluated."""
import copy
import shutil

import pytest

from mmlth.core.layout import Layout
from mmlth.core.ticket import load_ticket
from mmlth.trained.evaluate import config_beside, evaluate_ticket, leave_test_alone
from mmlth.trained.export import trained_checkpoint


@pytest.fixture
def job(toy_cfg, run_imp, tmp_path):
    summary = run_imp(toy_cfg, tmp_path / 'job', rounds=1, controls=['shuffle'])
    return Layout(tmp_path / 'job'), tmp_path / 'job' / summary.rounds[1]['checkpoint']


def find(layout):
    return trained_checkpoint(load_ticket(layout.ticket(1)), layout.ticket(1))


def test_it_is_what_the_record_names(job):
    layout, recorded = job
    shutil.copy(recorded, recorded.with_name('epoch_9.pth'))
    assert find(layout) == recorded


def test_a_training_that_has_not_ended_has_none(job):
    layout, _ = job
    layout.record(1).unlink()
    with pytest.raises(FileNotFoundError, match='round 1 of .*job has not ended'):
        find(layout)


def test_other_weights_in_its_place_are_refused(job):
    layout, recorded = job
    recorded.unlink()
    shutil.copy(next(layout.round_dir(0).glob('epoch_*.pth')), recorded)
    with pytest.raises(ValueError, match='holds other weights'):
        find(layout)


def test_a_control_without_a_config_of_its_own_has_that_of_a_round(job):
    layout, _ = job
    folder = layout.round_dir(1, 'shuffle')
    for path in folder.glob('*.py'):
        path.unlink()
    found = config_beside(layout.ticket(1, 'shuffle'))
    assert found == str(next(layout.round_dir(0).glob('*.py')))


def test_predictions_of_another_checkpoint_are_not_laid_beside_a_ticket(job):
    layout, recorded = job
    with pytest.raises(ValueError, match='--dump --checkpoint .*Leave one of the two out'):
        evaluate_ticket(layout.ticket(1), checkpoint=recorded, dump=True)


def test_a_test_builds_no_hook_of_a_training(toy_cfg):
    cfg = copy.deepcopy(toy_cfg)
    cfg.default_hooks = dict(
        checkpoint=dict(type='CheckpointHook'), ticket=dict(type='mmlth.TicketHook', ticket='gone'))
    leave_test_alone(cfg)
    assert list(cfg.default_hooks) == ['checkpoint']
