"""Whole states are kept at ends of epochs, which is known before training."""
import pytest
import toys

from mmlth.core.moment import Moment
from mmlth.engine.state_moments import check_state_moments


def check(cfg, *moments):
    check_state_moments(cfg, map(Moment.parse, moments))


def test_shares_must_end_an_epoch(tmp_path):
    cfg = toys.read_config(tmp_path)
    cfg.train_cfg.max_epochs = 48
    check(cfg, '25%', '6.25%', 'epoch_1', 7)
    with pytest.raises(ValueError, match=r"rewind='90%' .*lies after 43.2 of 48: .*\"epoch_43\""):
        check(cfg, '25%', '90%')
    with pytest.raises(ValueError, match='epoch_1"'):
        check(cfg, '0.1%')


def test_trainings_by_iterations_go_on_from_any(tmp_path):
    cfg = toys.read_config(tmp_path, train_cfg=dict(by_epoch=False, max_iters=10, val_interval=10))
    check(cfg, '33%')
