"""Numbers that are known after a training, in the backends of its config."""
import math

import pytest
from mmengine.config import Config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmlth.engine.scalars import add_scalars

BACKENDS = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]


@pytest.mark.parametrize('cfg', [
    dict(visualizer=dict(vis_backends=BACKENDS)), dict(vis_backends=BACKENDS)])
def test_tensorboard_gets_each_value_at_its_step(cfg, tmp_path):
    cfg = Config(dict(cfg, default_scope='mmengine'))
    before = cfg.pretty_text
    scalars = {5: {'barrier/loss': 0.25}, 0: {'barrier/loss': 1.0, 'low': -math.inf}}
    assert add_scalars(cfg, tmp_path, 'barrier', scalars)
    assert cfg.pretty_text == before
    assert not list(tmp_path.rglob('*.json'))  # MMEngine's own files get nothing
    (events, ) = tmp_path.rglob('events*')
    shown = EventAccumulator(str(events)).Reload()
    found = [(each.step, each.value) for each in shown.Scalars('barrier/loss')]
    assert found == [(0, 1.0), (5, 0.25)]
    assert shown.Tags()['scalars'] == ['barrier/loss']


@pytest.mark.parametrize('cfg', [
    dict(), dict(visualizer=None), dict(visualizer=dict(vis_backends=BACKENDS[:1]))])
def test_without_another_backend_nothing_is_written(cfg, tmp_path):
    assert not add_scalars(Config(cfg), tmp_path / 'out', 'barrier', {0: {'a': 1.0}})
    assert not (tmp_path / 'out').exists()
