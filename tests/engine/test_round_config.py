"""The config of a round, and what of it others than mmlth can read."""
from mmlth.core.layout import Layout
from mmlth.engine import hooks
from mmlth.engine.config_parts import type_name
from mmlth.engine.round_config import plain_config, round_config
from mmlth.settings.imp_config import IMPConfig


def hooks_of(values):
    given = [*(values.get('custom_hooks') or []), *values['default_hooks'].values()]
    return {type_name(hook) for hook in given}


def test_imports_may_be_a_name():
    assert plain_config(dict(custom_imports=dict(imports='my_models'))) == dict(
        custom_imports=dict(imports=['my_models']))


def test_a_plain_config_names_no_hook_of_mmlth(toy_cfg, tmp_path):
    toy_cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='toy/mAP'))
    toy_cfg.custom_hooks = [dict(type='mmlth.ProgressHook'), dict(type='EMAHook')]
    _, ticket = IMPConfig(rounds=1, early_bird=dict()).trainings()
    values = round_config(toy_cfg, ticket, Layout(tmp_path)).to_dict()
    own = {'TicketHook', 'EvaluationStateHook', 'StepSeedHook', 'ProgressHook'}
    assert own <= hooks_of(values) & set(hooks.__all__)
    plain = plain_config(values)
    assert hooks_of(plain) == {'CheckpointHook', 'EMAHook'}
    assert 'mmlth' in values['custom_imports']['imports']
    assert 'mmlth' not in plain['custom_imports']['imports']
