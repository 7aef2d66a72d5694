"""Rounds of a job that end early, by themselves or at a fraction, and what their records say."""

import copy
import json

import pytest

from mmlth.analysis.report import write_report
from mmlth.core.layout import Layout
from mmlth.core.mask_history import read_final, read_looks
from mmlth.core.masks import density
from mmlth.core.ticket import load_ticket
from mmlth.settings.imp_config import IMPConfig


def test_rounds_before_the_last_end_at_a_fraction(toy_cfg, run_imp, tmp_path):
    summary = run_imp(toy_cfg, tmp_path / 'job', early_bird=dict(interval=2, fraction=0.5))
    assert [(r['steps'], r['saved_steps']) for r in summary.rounds] == [(6, 6), (6, 6), (12, 0)]
    layout = Layout(tmp_path / 'job')
    for number in (0, 1):
        looks = read_looks(layout.early_bird(number))
        assert [look['step'] for look in looks] == [0, 2, 4, 6]
        final = read_final(layout.early_bird(number))['looks']
        assert final[-1]['step'] == 6 and final[-1]['iou'] == 1.0  # pruned exactly as looked at
        assert density(load_ticket(layout.ticket(number + 1)).masks) == 0.5 ** (number + 1)
    assert not layout.early_bird(2).exists()
    write_report(layout.work_dir)
    assert (layout.report / 'early_bird.png').stat().st_size > 1000


def test_watching_changes_nothing(toy_cfg, run_imp, tmp_path):
    watched = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'a', early_bird=dict(fraction=1.0))
    plain = run_imp(copy.deepcopy(toy_cfg), tmp_path / 'b')
    assert [r['digests'] for r in watched.rounds] == [r['digests'] for r in plain.rounds]
    assert [r['saved_steps'] for r in watched.rounds] == [0, 0, 0]
    assert (
        len(read_looks(Layout(tmp_path / 'a').early_bird(0))) == 13
    )  # every step of 12, and before


def test_no_look_before_w_k_of_an_epoch_is_captured(toy_cfg, run_imp, tmp_path):
    run_imp(
        toy_cfg,
        tmp_path / 'job',
        rewind='epoch_1',
        criterion='magnitude_increase',
        early_bird=dict(interval=1, fraction=0.5),
    )
    layout = Layout(tmp_path / 'job')
    assert [look['step'] for look in read_looks(layout.early_bird(0))] == [4, 5, 6]


@pytest.mark.parametrize(
    'early_bird, message',
    [
        (dict(interval=0), 'early_bird: interval=0'),
        (dict(fraction=2), 'early_bird: fraction=2'),
        (dict(speed=1), r"early_bird: unknown settings \['speed'\]; known are"),
    ],
)
def test_bad_settings_are_refused_at_once(early_bird, message):
    with pytest.raises(ValueError, match=message):
        IMPConfig(early_bird=early_bird)


def test_settings_of_a_config_survive_json(toy_cfg):
    toy_cfg.merge_from_dict({'imp.early_bird.fraction': 0.5})
    settings = IMPConfig.from_dicts(toy_cfg.imp)
    assert IMPConfig.from_dicts(json.loads(json.dumps(settings.as_dict()))) == settings
    assert settings.early_bird == dict(fraction=0.5) and type(settings.early_bird) is dict


def test_more_steps_than_there_are_is_refused_before_training(toy_cfg, run_imp, tmp_path):
    with pytest.raises(
        ValueError, match='interval=13 is longer than the training, which has 12 steps'
    ):
        run_imp(toy_cfg, tmp_path / 'job', early_bird=dict(interval=13))
    assert not list((tmp_path / 'job').glob('round_*/*.pth'))
