"""Studies, read into jobs that share what they can."""
import re
from pathlib import Path

import pytest
import toys
from conftest import ROOT

from mmlth.engine.config_files import load_config
from mmlth.settings.imp_config import IMPConfig
from mmlth.study.plan import read_study
from mmlth.study.study_job import StudyJob

LR = 'optim_wrapper.optimizer.lr'


@pytest.fixture
def config(tmp_path):
    """A config whose own ``imp`` block says scope='all', target_sparsity=0.75, rounds=2."""
    return str(toys.write_config(tmp_path))


@pytest.fixture
def read(tmp_path, config):
    """Read a study of one experiment with these entries; other keywords are the file's values."""
    def read(*jobs, only=(), override=None, others=None, fields=None, options=None, **top):
        one = dict(title='One', section='1', kind='curve', jobs=list(jobs), **(fields or {}))
        values = {'config': config, 'experiments': dict(one=one, **(others or {})), **top}
        path = tmp_path / 'study.py'
        path.write_text(''.join(f'{k} = {v!r}\n' for k, v in values.items() if v is not None))
        return read_study(load_config(str(path)), config=override, only=only, options=options)
    return read


def other(*jobs):
    return dict(title='Other', section='2', kind='bars', jobs=list(jobs))


def tickets(study):
    """The jobs that aren't a dense round alone."""
    return [job for job in study.jobs.values() if job.settings.get('rounds') != 0]


def dense(study):
    return [job for job in study.jobs.values() if job.settings.get('rounds') == 0]


def keys(job):
    """Round and control of every training of its own."""
    return [training.key for training in job.own_trainings]


@pytest.mark.parametrize('same', [
    pytest.param(dict(allocation='global'), id='the default, spelled out'),
    pytest.param(dict(scope='all', rounds=2), id='the imp block of the config, spelled out'),
    pytest.param(dict(include=()), id='an empty tuple'),
    pytest.param(dict(label='x', line='y'), id='other names'),
    pytest.param(dict(controls=('random', )), id='with a control')])
def test_equal_jobs_are_one_though_written_differently(read, same):
    study = read({}, same)
    job, = tickets(study)
    assert [p.job for p in study.points['one']] == [job.name] * 2


@pytest.mark.parametrize('different', [
    dict(rounds=1), dict(seed=1), dict(scope='backbone'), dict(allocation='layerwise'),
    dict(rewind=4),
    dict(early_bird=dict(fraction=0.5)), dict(cfg_options={LR: 0.2}),
    dict(cfg_options={'imp.scope': 'backbone'}), dict(transfer=dict(source={}))], ids=str)
def test_jobs_that_differ_in_anything_else_are_two(read, different):
    assert len(tickets(read({}, different))) == 2


def test_two_configs_that_differ_in_their_own_imp_block_are_told_apart(read, tmp_path):
    imp = dict(scope='backbone', target_sparsity=0.75, rounds=2)
    narrow = str(toys.write_config(tmp_path, 'narrow.py', imp=imp))
    first, second = tickets(read({}, dict(config=narrow)))
    assert (first.settings['scope'], second.settings['scope']) == ('all', 'backbone')
    assert first.name != second.name


def test_settings_of_an_entry_win_over_the_study_and_these_over_the_config(read):
    job, = tickets(read(dict(seed=2), imp=dict(seed=1, target_sparsity=0.5)))
    assert [job.settings[k] for k in ('seed', 'target_sparsity', 'rounds')] == [2, 0.5, 2]


def test_an_entry_without_a_config_takes_the_given_one_and_others_keep_theirs(
    read, config, tmp_path,
):
    given = str(toys.write_config(tmp_path, 'given.py'))
    study = read({}, dict(config=config), override=given)
    assert [job.config for job in tickets(study)] == [given, config]


def test_controls_of_equal_jobs_are_united(read):
    study = read(dict(controls=('random', 'shuffle')), dict(controls=('shuffle', 'reinit')), {})
    job, = tickets(study)
    assert job.settings['controls'] == ['random', 'shuffle', 'reinit']
    assert keys(job) == [(1, ''), (2, ''), (2, 'random'), (2, 'shuffle'), (2, 'reinit')]


def test_controls_of_another_experiment_count_too(read):
    study = read(dict(controls=('random', )), others=dict(two=other(dict(controls=('reinit', )))))
    assert [job.settings['controls'] for job in tickets(study)] == [['random', 'reinit']]


def test_one_dense_net_for_all_jobs_of_a_config_and_seed_keeps_every_rewind_point(read):
    study = read(dict(rewind=['init', '25%', 'lr', 4, 'epoch_1', '25.0%'], rounds=[1, 2]))
    net, = dense(study)
    assert set(net.capture) in ({'25%', 4, 'epoch_1'}, {'25.0%', 4, 'epoch_1'})
    assert all(job.dense == net.name and job.needs == (net.name, ) for job in tickets(study))
    assert keys(net) == [(0, '')] and keys(tickets(study)[0]) == [(1, '')]


def test_jobs_that_go_back_to_a_state_share_the_dense_net_too(read):
    study = read(
        dict(rewind=['init', 4], lr_schedule=['restart']), dict(rewind=4, lr_schedule='continue'),
        dict(rewind='epoch_2', optimizer='rewound'))
    net, = dense(study)
    assert net.capture == ('epoch_2', 4) == net.capture_states
    jobs = tickets(study)
    assert len(jobs) == 4 and all(job.dense == net.name for job in jobs)


def test_other_configs_options_and_seeds_have_dense_nets_of_their_own(read, tmp_path):
    second = str(toys.write_config(tmp_path, 'second.py'))
    faster = {LR: 0.2}
    study = read(dict(seed=[0, 1]), dict(config=second), dict(cfg_options=faster),
                 dict(scope='backbone', rounds=1))
    assert len(dense(study)) == 4 and len({job.dense for job in tickets(study)}) == 4
    for job in tickets(study):
        net = study.jobs[job.dense]
        assert (net.config, net.cfg_options) == (job.config, job.cfg_options)
        assert net.settings['seed'] == job.settings['seed']


def test_an_early_bird_trains_a_dense_net_of_its_own(read):
    study = read(dict(rounds=1, early_bird=dict(fraction=0.5)))
    job, = study.jobs.values()
    assert job.needs == () and keys(job) == [(0, ''), (1, '')]
    assert study.dense_of(job) == job.name


def test_an_early_bird_is_compared_with_the_dense_net_of_the_study(read):
    study = read(dict(early_bird=dict(fraction=0.5)), {})
    early, whole = tickets(study)
    assert not early.dense and study.dense_of(early) == whole.dense == dense(study)[0].name


def test_what_a_job_needs_comes_before_it(read):
    ticket = dict(source=dict(seed=1, rewind='25%'))
    ranked = dict(source=dict(rounds=0), sparsity=0.5, scope='backbone')
    study = read(dict(scope='backbone', transfer=ticket), dict(rounds=1), dict(transfer=ranked))
    names = list(study.jobs)
    needs = [(need, name) for name, job in study.jobs.items() for need in job.needs]
    assert len(needs) == 5 and all(names.index(need) < names.index(name) for need, name in needs)


def test_the_source_of_a_transfer_becomes_a_job(read):
    study = read(dict(scope='backbone', transfer=dict(source=dict(seed=1), values='trained')))
    source, job = tickets(study)
    assert source.settings['seed'] == 1 and source.settings['scope'] == 'all'
    assert job.source == source.name and set(job.needs) == {job.dense, source.name}
    assert job.transfer == dict(values='trained') and keys(job) == [(1, '')]
    assert [p.job for p in study.points['one']] == [job.name]


def test_a_source_that_another_entry_asks_for_is_one_with_it(read):
    assert len(tickets(read({}, dict(scope='backbone', transfer=dict(source={}))))) == 2


def test_a_dense_source_is_the_shared_dense_net(read):
    ranked = dict(source=dict(rounds=0), sparsity=0.5, scope='backbone')
    study = read(dict(scope='backbone', transfer=ranked))
    net, = dense(study)
    job, = tickets(study)
    assert job.source == job.dense == net.name and job.needs == (net.name, )


def test_experiments_left_out_now_have_their_rewind_points_kept(read):
    later = dict(later=other(dict(rewind='50%'), dict(seed=1)))
    part = read(dict(rounds=1), only=('one', ), others=later)
    whole = read(dict(rounds=1), others=later)
    assert list(part.experiments) == ['one'] and len(part.jobs) == 2
    assert dense(part)[0].capture == ('50%', ) and set(part.jobs) < set(whole.jobs)


def test_an_experiment_that_is_left_out_may_be_unreadable_here(read):
    assert read({}, only=('one', ), others=dict(later=other(dict(config='not/here.py')))).jobs


def test_names_are_stable(read):
    settings = IMPConfig(rounds=2, scope='all', controls=['random']).as_dict()
    job = StudyJob(config='configs/toy.py', settings=settings)
    # Finished jobs are found by it.
    assert job.name == 'toy_target_sparsity-0.8_rounds-2_scope-all_seed-0_7db016'


def test_names_do_not_change_with_the_order_or_the_controls(read):
    a, b = tickets(read(dict(seed=1, rounds=1), dict(rounds=2)))
    d, c = tickets(read(dict(rounds=2, controls=('shuffle', )), dict(rounds=1, seed=1)))
    assert (a.name, b.name) == (c.name, d.name)


def test_names_are_unique_and_file_safe(read):
    odd = {'a.b': '../../x y*', 'c': ['/', {'k:': '\n'}]}
    study = read(dict(seed=[0, 1], rounds=[1, 2], rewind=['init', '25%', 'epoch_1']),
                 dict(early_bird=dict(fraction=0.5)), dict(transfer=dict(source=dict(seed=1))),
                 dict(cfg_options={f'key_{i}': 0 for i in range(50)}))
    strange = StudyJob(config='x/y.py', cfg_options=odd, settings=IMPConfig().as_dict())
    names = [*study.jobs, strange.name]
    different = {job.key + str(job.capture) for job in study.jobs.values()}
    assert len(different) == len(study.jobs) == 12 + 2 + 1 + 1 + 2
    assert all(re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]{0,119}', name) for name in names)
    assert len({name.lower() for name in names}) == len(names)


def test_labels_and_lines_may_name_settings(read):
    study = read(dict(target_sparsity=0.5, label='{rounds} rounds', line='{target_sparsity:.0%}'),
                 dict(transfer=dict(source=dict(seed=3)), label='of seed {source_seed}', seed=1))
    first, second = study.points['one']
    assert (first.label, first.line, first.seed) == ('2 rounds', '50%', 0)
    assert (second.label, second.line, second.seed) == ('of seed 3', '', 1)


@pytest.mark.parametrize('entry, text', [
    (dict(rouns=1), 'unknown settings .*rouns.*known are.*rounds'),
    (dict(rounds=-1), r'rounds'),
    (dict(scope='nek'), "scope='nek': allowed are"),
    (dict(transfer=dict(source={}, vales='none')),
     r"transfer has unknown settings \['vales'\]; known are source, val"),
    (dict(transfer=dict(source={}, values='some')),
     "transfer: values='some'; allowed are initial, trained, none"),
    (dict(transfer=dict(source={}, sparsity=1.5)),
     r'transfer: sparsity=1.5 must be a number in \(0, 1\)'),
    (dict(transfer=dict(source={}, sparsity=0.5, values='none')), 'goes without values'),
    (dict(transfer=dict(source={}, groups=('nek', ))), 'nek.*allowed are'),
    (dict(transfer=dict(values='none')), r'names no source=dict'),
    (dict(transfer=dict(source=dict(rounds=0))), 'the source has rounds=0.*sparsity'),
    (dict(transfer=dict(source=dict(rouns=0))), 'rouns'),
    (dict(transfer=dict(source={}), controls=('reverse', )), 'leave .*the control "reverse" out'),
    (dict(transfer=dict(source={}), early_bird={}), 'leave rewind, early_bird, .* out'),
    (dict(config='not/here.py'), "not/here.py' does not exist"),
    (dict(label='{round}'), r"label='\{round\}'.*Known.*rounds"),
    (dict(line='{rounds'), r"line='\{rounds'"),
    (dict(dense_from='x'), r"\['dense_from'\] are set by the study"),
    (dict(capture=('25%', )), r"\['capture'\] are set by the study"),
    (dict(ticket='x'), r"\['ticket'\] are set by the study"),
    (dict(control_rounds=(1, )), r"\['control_rounds'\] are set by the study"),
    (dict(cfg_options={'imp.capture': ['25%']}),
     r"\['capture'\] are set by the study itself; .*toy\.py")], ids=str)
def test_an_entry_that_is_wrong_is_named_with_its_experiment(read, entry, text):
    with pytest.raises((ValueError, OSError), match=f"(?s)experiment 'one': .*{text}"):
        read(entry)


@pytest.mark.parametrize('fields, text', [
    (dict(x='seed'), "x='seed'; allowed are sparsity, multiply_adds, rounds, rewind, early_bird"),
    (dict(kind='pie'), "kind='pie': allowed are curve"),
    (dict(titel='x'), 'titel'),
    (dict(jobs=[]), r'has no jobs=\[dict'),
    (dict(jobs=1), r'has no jobs=\[dict')], ids=str)
def test_an_experiment_that_is_wrong_is_named(read, fields, text):
    with pytest.raises(ValueError, match=f"experiment 'two'.*{text}"):
        read({}, others=dict(two={**other({}), **fields}))


def test_refuses_a_study_without_config_or_experiments_and_unknown_names(read):
    with pytest.raises(ValueError, match="experiment 'one': no config.*--config"):
        read({}, config=None)
    with pytest.raises(ValueError, match='study.py is no study: it has no experiments'):
        read(experiments=None)
    with pytest.raises(ValueError, match='study.py is no study'):
        read(experiments={})
    with pytest.raises(ValueError, match='--only tow: the experiments of .*study.py are one, two'):
        read({}, only=('one', 'tow'), others=dict(two=other({})))


def test_options_of_the_study_make_other_jobs_and_an_entrys_own_come_first(read):
    plain, lower = read({}), read({}, options={LR: 0.2})
    assert not set(plain.jobs) & set(lower.jobs)
    own = read(dict(cfg_options={LR: 0.3}), options={LR: 0.2})
    assert {job.cfg_options[LR] for job in own.jobs.values()} == {0.3}


def test_more_rewinds_leave_the_names_of_transfers_as_they_are(read):
    carried = dict(transfer=dict(source=dict(rounds=0), sparsity=0.5))
    before, after = read(carried), read(carried, dict(rewind='25%'))
    assert before.points['one'][0].job == after.points['one'][0].job
    assert set(before.jobs) - set(after.jobs)  # the dense net has to keep more


def test_the_studies_of_the_repository_can_be_planned(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = ('rounds', 'direct_pruning')
    embedded = read_study(load_config('configs/studies/winning.py'), only=names)
    recorded = {path.stem for path in Path('docs/experiments/winning/records').glob('*.json')}
    shown = {point.job for name in names for point in embedded.points[name]}
    assert recorded & shown  # their folders are found by these names
    paper = read_study(
        load_config('configs/studies/paper.py'), only=('rounds', 'late_resetting', 'modules'))
    assert len(paper.points['modules']) == 15 * 5  # every choice of four modules, five seeds
    assert {job.settings['rounds'] for job in tickets(paper)} == {1, 2, 3, 4, 5, 6}
    assert len(dense(paper)) == 5  # one for each seed


def test_different_tickets_are_not_averaged_as_seeds(read):
    different = dict(allocation=['global', 'layerwise'], seed=[0, 1], controls=('random', ))
    for line in (dict(), dict(line='{allocation}')):
        points = read({**different, **line}).points['one']
        tickets_of = {point.line: {other.ticket for other in points if other.line == point.line}
                      for point in points}
        assert [len(found) for found in tickets_of.values()] == [1, 1]  # seeds are one ticket
        assert {point.controls for point in points} == {('random', )}
        named = ['global', 'layerwise']
        assert list(tickets_of) == (named if line else [f'allocation={each}' for each in named])


def test_configs_of_one_file_name_are_told_apart(read, tmp_path):
    (tmp_path / 'other').mkdir()
    second = str(toys.write_config(tmp_path / 'other'))
    first, other_one = read({}, dict(config=second)).points['one']
    assert first.line.startswith('config=') and other_one.line == f'config={second}'


@pytest.mark.parametrize('axis, entry', [
    ('rounds', dict(rounds=[1, 2])), ('rewind', dict(rewind=['init', '50%'])),
    ('sparsity', dict(target_sparsity=[0.5, 0.8])),
    ('sparsity', dict(target_sparsity=[0.5, 0.8], controls=('shuffle', 'dense_budget'))),
    ('sparsity', dict(transfer=dict(source=dict(rounds=0), sparsity=[0.5, 0.8]))),
    ('sparsity', dict(transfer=dict(source=dict(target_sparsity=[0.5, 0.8]))))], ids=str)
def test_points_of_a_curve_are_told_apart_by_x(read, axis, entry):
    points = read(entry, fields=dict(x=axis)).points['one']
    assert [point.line for point in points] == ['', '']


def test_rewinds_to_one_step_are_not_one_point(read):
    points = read(dict(rewind=['init', 'lr'], rounds=1), fields=dict(x='rewind')).points['one']
    assert [point.line for point in points] == ['rewind=init', 'rewind=lr']


def test_early_birds_are_placed_beside_their_whole_training(read):
    early = dict(early_bird=dict(fraction=[0.25, 0.5]), rounds=1)
    assert len(read(dict(rounds=1), early, fields=dict(x='early_bird')).points['one']) == 3


@pytest.mark.parametrize('axis, source', [
    ('rounds', dict(rounds=[1, 2])), ('rewind', dict(rewind=['init', '50%'])),
    ('early_bird', dict(early_bird=dict(fraction=[0.25, 0.5])))], ids=str)
def test_carried_tickets_that_stand_at_one_place_are_told_apart(read, axis, source):
    """What is drawn along x is the target's own, which is the same for all of them."""
    key, = source
    points = read(dict(transfer=dict(source=source)), fields=dict(x=axis)).points['one']
    assert len({point.line for point in points}) == 2
    assert all(point.line.startswith(f'source {key}=') for point in points)


def test_an_experiment_shows_the_controls_that_it_asks_for(read):
    study = read({}, others=dict(more=other(dict(controls=('shuffle', )))))
    assert study.points['one'][0].job == study.points['more'][0].job
    assert [study.points[name][0].controls for name in ('one', 'more')] == [(), ('shuffle', )]
