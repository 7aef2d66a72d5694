"""Settings of a job: defaults, where they come from, and what is refused."""
import pytest

from mmlth.settings.imp_config import IMPConfig


def test_defaults_are_the_papers_method():
    found = IMPConfig().as_dict()
    expected = dict(
        target_sparsity=0.8, schedule='geometric', scope='paper', criterion='magnitude',
        allocation='global', rewind='init', optimizer='fresh', lr_schedule='restart',
        frozen='prune', min_kept=1)
    assert {name: found[name] for name in expected} == expected


def test_flags_override_the_block_and_none_does_not():
    config = IMPConfig.from_dicts(dict(rounds=3, seed=5), dict(rounds=2, seed=None))
    assert (config.rounds, config.seed) == (2, 5)


def test_densities_of_a_list_replace_target_and_rounds():
    assert IMPConfig(schedule=[0.5, 0.75]).densities() == (1.0, 0.5, 0.25)


@pytest.mark.parametrize('settings, message', [
    (dict(target_sparsity=1.0), r'target_sparsity=1.0 must be in \(0, 1\)'),
    (dict(target_sparsity=0), r'target_sparsity=0 must be in \(0, 1\)'),
    (dict(target_sparsity='much'), "target_sparsity='much' must be a number"),
    (dict(rounds=-1), 'rounds=-1 must be a whole number'),
    (dict(rounds=2.5), 'rounds=2.5 must be a whole number'),
    (dict(schedule='cubic'), "schedule='cubic': allowed are geometric, linear or a list"),
    (dict(schedule=[0.5, 0.4]), 'each round must be sparser'),
    (dict(schedule=[]), 'give at least one sparsity'),
    (dict(scope='neck and head'),
     "scope='neck and head': allowed are paper, all, backbone, or a list"),
    (dict(scope=['backbone', 'tail']), 'allowed are paper, all, backbone'),
    (dict(criterion='luck'), "criterion='luck': allowed are magnitude, .*random"),
    (dict(cost_exponent=-1), 'cost_exponent=-1 must be a number, at least 0'),
    (dict(allocation='fair'), "allocation='fair': allowed are global, .*layerwise, erk"),
    (dict(frozen='maybe'), "frozen='maybe': allowed are prune, keep"),
    (dict(rewind='later'), "rewind='later': allowed are init, lr, none, reinit, a number of steps"),
    (dict(rewind=True), 'rewind=True: allowed'),
    (dict(rewind='epoch_0'), "rewind='epoch_0': allowed"),
    (dict(optimizer='old'), "optimizer='old': allowed are fresh, rewound"),
    (dict(lr_schedule='go'), "lr_schedule='go': allowed are restart, continue"),
    (dict(lr_schedule='continue'),
     "lr_schedule='continue' needs the state of a step k, but rewind='init' has none"),
    (dict(optimizer='rewound', rewind='lr'), "optimizer='rewound' needs the state of a step k"),
    (dict(allocation='2:4'), 'Set schedule='),
    (dict(controls='luck'),
     r"controls=\['luck'\]: allowed are random, shuffle, shuffle_rms, init_magnitude, reinit"),
    (dict(controls='random', control_rounds=5),
     r'control_rounds=\(5,\): allowed are rounds 1 to 4'),
    (dict(rewind='reinit', controls=['shuffle', 'reinit', 'signs']),
     r"controls=\['reinit', 'signs'\] would be the ticket itself with rewind='reinit'"),
    (dict(rewind='lr', rounds=1, controls='init_magnitude'),
     r"controls=\['init_magnitude'\] would be the ticket itself .* criterion='magnitude'"),
    (dict(rewind=5, criterion='initial_magnitude', controls='init_magnitude'),
     "would be the ticket itself with rewind=5 and criterion='initial_magnitude'"),
    (dict(rewind='none', rounds=2, controls=['shuffle', 'dense']),
     r"controls=\['shuffle'\] after round 1 keep weights that .* Give control_rounds=1"),
    (dict(controls='dense'), r"controls=\['dense'\] would be the dense net itself.* order_seed"),
    (dict(controls='dense', order_seed=0), 'would be the dense net itself'),
    (dict(controls='dense', rewind='epoch_1', lr_schedule='continue', optimizer='rewound'),
     'would be the dense net itself'),
    (dict(rewind=-1), 'rewind=-1: allowed'),
    (dict(min_kept=-1), 'min_kept=-1 must be a whole number of weights, at least 0, or a share'),
    (dict(min_kept=1.0), 'min_kept=1.0 must be'),
    (dict(order_seed=-1), 'order_seed=-1 must be a whole number, at least 0'),
    (dict(max_keep_ckpts=1), 'max_keep_ckpts=1 must be a whole number, at least 2'),
    (dict(target_sparcity=0.8),
     r"unknown settings \['target_sparcity'\]; known are .*'target_sparsity'")])
def test_bad_settings_are_named_with_what_is_allowed(settings, message):
    with pytest.raises(ValueError, match=message):
        IMPConfig.from_dicts(settings)


@pytest.mark.parametrize('settings', [
    dict(controls='dense', order_seed=7),
    dict(controls='dense', rewind=5),
    dict(controls='dense', early_bird=dict()),
    dict(rewind='lr', rounds=3, controls='random', control_rounds=1),
    dict(rewind='lr', rounds=3, controls=['reinit', 'dense_budget']),
    dict(rewind='none', schedule=[0.25, 0.5], allocation='2:4', controls='init_magnitude'),
    dict(rewind='reinit', controls=['random', 'init_magnitude']),
    dict(criterion='initial_magnitude', rewind='lr', rounds=1, controls='init_magnitude')])
def test_controls_that_destroy_something_of_the_ticket_pass(settings):
    assert IMPConfig.from_dicts(settings).controls


def test_every_setting_is_described():
    text = IMPConfig.describe()
    for name in IMPConfig().as_dict():
        assert f'  {name} (default ' in text


def test_settings_survive_json():
    config = IMPConfig(scope=['backbone', 'neck'], include='fc_cls')
    assert IMPConfig.from_dicts(config.as_dict()) == config


def test_flags_replace_a_list_of_sparsities_in_the_block():
    config = IMPConfig.from_dicts(dict(schedule=[0.3]), dict(target_sparsity=0.75, rounds=2))
    assert config.densities() == (1.0, 0.5, 0.25)
    with pytest.raises(ValueError, match='one or the other'):
        IMPConfig.from_dicts({}, dict(schedule=[0.3], rounds=2))
