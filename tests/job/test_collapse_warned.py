"""A layer that is all but emptied is said before training, after its pruning and at the end."""
import json
import logging

import pytest
import toys

from mmlth.analysis.report import write_report
from mmlth.core.store import Store


@pytest.fixture
def small_head(monkeypatch):
    """Let the head's weights be far smaller than all others, as fresh heads are."""
    def init_weights(self):
        self.head.fc.weight.data.mul_(1e-4)
    monkeypatch.setattr(toys.ToyNet, 'init_weights', init_weights)


def test_a_collapse_is_warned_of_three_times_and_recorded(
        small_head, toy_cfg, run_imp, tmp_path, caplog, capsys):
    toy_cfg.optim_wrapper.optimizer.lr = 1e-8
    toy_cfg.log_level = 'WARNING'
    with caplog.at_level(logging.WARNING):
        run_imp(toy_cfg, tmp_path / 'job', rounds=1, min_kept=0)
    before = json.loads((tmp_path / 'job' / 'preflight.json').read_text())
    assert before['collapsed'] == {'head.fc.weight': 0.0}
    text = '1 tensor keeps less than 1% of its fair share: head.fc.weight (nothing)'
    assert f'warning: if ranked now, {text}' in (tmp_path / 'job' / 'preflight.txt').read_text()
    assert f'round 1: {text}' in capsys.readouterr().out
    store = Store(tmp_path / 'job')
    dense, ticket = store.summary().rounds
    assert (dense['collapsed'], ticket['collapsed']) == ({}, {'head.fc.weight': 0.0})
    assert f'round 1: {text}' in write_report(tmp_path / 'job')
