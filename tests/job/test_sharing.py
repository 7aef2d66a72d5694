"""A dense round that several jobs share, and a ticket that is given."""

import copy
import shutil
from pathlib import Path

import pytest
import torch

from mmlth.core.checkpoints import latest_checkpoint, load_state
from mmlth.core.files import read_json, write_json
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import Ticket, load_ticket, load_weights, save_ticket, weights_step
from mmlth.job import rank_0
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig


@pytest.fixture
def job(toy_cfg, run_imp, tmp_path):
    """Run a job of one pruning to 75%, unless told otherwise; returns summary and layout."""

    def run(name, *, steps=None, **settings):
        cfg = copy.deepcopy(toy_cfg)
        if steps:
            cfg.train_cfg.max_epochs = steps // 4
        if 'ticket' not in settings and 'rounds' not in settings:
            settings = dict(settings, rounds=1, target_sparsity=0.75)
        return run_imp(cfg, tmp_path / name, **settings), Layout(tmp_path / name)

    return run


@pytest.fixture
def dense(job, tmp_path):
    """A dense round alone that keeps weights after 3 (a quarter), 4 and 8 steps of 12."""
    job('dense', rounds=0, capture=['25%', 'epoch_2'], capture_states=['epoch_1'])
    return str(tmp_path / 'dense')


def digests(summary):
    return [r['digests'] for r in summary.rounds]


def test_the_dense_net_alone(job):
    summary, layout = job('dense', rounds=0)
    assert [r['round'] for r in summary.rounds] == [0] and summary.rounds[0]['sparsity'] == 0
    assert not layout.record(1).exists()


def test_captured_weights_are_those_that_a_job_of_its_own_rewinds_to(dense, job):
    for rewind, step, name in ((3, 3, 'share_0.25'), (4, 4, 'epoch_1')):
        _, layout = job(f'own_{rewind}', rewind=rewind)
        kept = Layout(layout.work_dir.parent / 'dense').captured(name)
        assert weights_step(kept) == step == weights_step(layout.rewind)
        assert digest(load_weights(kept)) == digest(load_weights(layout.rewind))


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(rewind='25%'),
        dict(rewind='epoch_1', rounds=2, target_sparsity=0.5),
        dict(rewind='lr'),
        dict(rewind='none'),
        dict(rewind='reinit'),
        dict(rewind='epoch_1', lr_schedule='continue'),
        dict(rewind='epoch_1', optimizer='rewound', rounds=2, target_sparsity=0.5),
        dict(allocation='layerwise', controls=['random', 'dense'], order_seed=7),
    ],
)
def test_a_job_that_shares_the_dense_round_ends_as_one_that_trains_it(dense, job, settings):
    own, _ = job('own', **settings)
    shared, layout = job('shared', dense_from=dense, **settings)
    assert digests(shared) == digests(own)
    assert [r['metrics'] for r in shared.rounds] == [r['metrics'] for r in own.rounds]
    assert [r['digests'] for r in shared.controls] == [r['digests'] for r in own.controls]
    assert shared.rounds[0]['trained_in'] == '../dense' and not shared.rounds[1]['trained_in']
    assert not list(layout.round_dir(0).glob('*/*.log'))  # nothing was trained there


def test_a_shared_round_costs_no_seconds_and_survives_its_source(dense, job):
    _, layout = job('shared', dense_from=dense)
    shutil.rmtree(dense)
    again, _ = job('shared', dense_from=dense)
    assert again.seconds == pytest.approx(sum(r['seconds'] for r in again.rounds[1:]))
    assert load_state(latest_checkpoint(layout.round_dir(0)))


def test_who_trained_it_is_told_however_often_a_round_is_taken_over(dense, job, tmp_path):
    job('second', dense_from=dense)
    third, _ = job('third', dense_from=str(tmp_path / 'second'))
    assert third.rounds[0]['trained_in'] == '../dense'


def test_refuses_a_dense_round_of_other_data(dense, job, monkeypatch):
    monkeypatch.setattr(rank_0, 'data_digests', lambda cfg: {'data.train.ann_file': 'b' * 64})
    there = read_json(Path(dense) / 'imp.json')
    there['data'] = {'data.train.ann_file': 'a' * 64}
    write_json(Path(dense) / 'imp.json', there)
    with pytest.raises(ValueError, match="other data: .*ann_file: 'a{12}' there, 'b{12}' here"):
        job('other', dense_from=dense)


def test_a_dense_round_that_accumulates_gradients_can_be_shared(toy_cfg, run_imp, tmp_path):
    toy_cfg.optim_wrapper.accumulative_counts = 2
    settings = dict(rounds=1, target_sparsity=0.75)
    dense = tmp_path / 'dense'
    alone = run_imp(copy.deepcopy(toy_cfg), dense, **settings)
    shared = run_imp(toy_cfg, tmp_path / 'job', **settings, dense_from=str(dense))
    assert digests(shared) == digests(alone)
    assert shared.rounds[0]['steps'] == alone.rounds[0]['steps'] == 6


def test_refuses_a_dense_round_that_is_not_the_same(dense, job, tmp_path):
    with pytest.raises(ValueError, match=r'imp\.seed: 0 there, 1 here'):
        job('other', dense_from=dense, seed=1)
    with pytest.raises(ValueError, match=r'train_cfg\.max_epochs: 3 there, 2 here'):
        job('other', dense_from=dense, steps=8)
    with pytest.raises(
        FileNotFoundError,
        match='keeps weights of share_0.25, epoch_2, epoch_1, step_0.*step_7 is needed',
    ):
        job('other', dense_from=dense, rewind=7)
    with pytest.raises(FileNotFoundError, match='keeps the whole state of epoch_1, but epoch_2'):
        job('other', dense_from=dense, rewind='epoch_2', lr_schedule='continue')
    with pytest.raises(FileNotFoundError, match='holds no finished dense round'):
        job('other', dense_from=str(tmp_path / 'nothing'))
    job('early', early_bird=dict(fraction=0.5))
    with pytest.raises(ValueError, match='was trained with early_bird'):
        job('other', dense_from=str(tmp_path / 'early'))
    assert not (tmp_path / 'other' / 'imp.json').exists()


def test_refuses_to_share_a_dense_round_that_may_end_early():
    with pytest.raises(ValueError, match="dense_from.*early_bird=.*this job's own"):
        IMPConfig(dense_from='somewhere', early_bird={})


def test_refuses_the_state_of_no_step():
    with pytest.raises(ValueError, match="capture_states='init': no optimizer state exists"):
        IMPConfig(rounds=0, capture_states=('init', ))


def test_an_equal_dense_round_is_taken_over_with_all_that_is_asked_of_it(dense, toy_cfg, tmp_path):
    def run(name, **settings):
        settings = IMPConfig(rounds=0, **settings)
        runner = IMPRunner(toy_cfg, settings, tmp_path / name, finder=lambda _: Path(dense))
        return runner.run().rounds[0]['trained_in'], Layout(tmp_path / name)

    there = Layout(Path(dense))
    origin, here = run('equal', capture=('25%', ), capture_states=('epoch_1', ))
    assert origin == '../dense'
    assert here.captured('share_0.25').samefile(there.captured('share_0.25'))
    assert here.captured_state('epoch_1').samefile(there.captured_state('epoch_1'))
    origin, here = run('more', capture=('50%', ))  # which the other hasn't kept
    assert not origin and here.captured('share_0.5').exists()


def test_refuses_controls_and_early_birds_without_a_ticket():
    with pytest.raises(ValueError, match='rounds=0 finds none'):
        IMPConfig(rounds=0, controls=['random'])
    with pytest.raises(ValueError, match='rounds=0 has none'):
        IMPConfig(rounds=0, early_bird=dict(fraction=1.0))
    with pytest.raises(ValueError, match='capture=.*-3: allowed are'):
        IMPConfig(capture=[-3])


def test_controls_may_be_added_to_a_finished_job_and_are_not_forgotten(job):
    before, _ = job('job')
    after, _ = job('job', controls=['random'])
    assert digests(after) == digests(before) and [r['control'] for r in after.controls] == [
        'random'
    ]
    without, _ = job('job')
    assert [r['control'] for r in without.controls] == ['random']


def test_a_given_ticket_is_trained_beside_the_dense_net(dense, job):
    found, layout = job('found', dense_from=dense)
    path = layout.ticket(1)
    given, own = job('given', ticket=str(path), dense_from=dense, controls=['random', 'dense'])
    assert given.rounds[1]['digests']['trained'] == found.rounds[1]['digests']['trained']
    assert given.rounds[1]['sparsity'] == found.rounds[1]['sparsity']
    assert given.rounds[1]['policies']['rewind'] == 'of the ticket'
    assert given.rounds[1]['parent'] == found.rounds[1]['digests']['masks']
    start = apply(load_ticket(path).masks, load_weights(layout.rewind))
    assert given.rounds[1]['digests']['start'] == digest(start)
    assert load_ticket(own.ticket(1)).rewind_file == '../rewind.safetensors'  # which are the same
    assert {r['control'] for r in given.controls} == {'random', 'dense'}


def test_a_ticket_starts_from_its_own_weights_not_from_w_0(dense, job, tmp_path):
    _, layout = job('late', dense_from=dense, rewind='25%')
    _, own = job('given', ticket=str(layout.ticket(1)), dense_from=dense)
    assert weights_step(own.rewind) == 0
    assert (
        digest(load_weights(own.start(1)))
        == digest(load_weights(layout.rewind))
        != digest(load_weights(own.rewind))
    )


def test_refuses_a_ticket_that_does_not_fit(dense, job, tmp_path):
    _, layout = job('found', dense_from=dense)
    ticket = load_ticket(layout.ticket(1))
    name = next(iter(ticket.masks))
    other = {**ticket.masks, name: torch.ones(1, 1, dtype=torch.bool)}
    path = layout.round_dir(1) / 'other.safetensors'
    for masks, text in (
        (other, 'of another shape'),
        ({k: v for k, v in other.items() if k != name}, 'missing'),
        ({**ticket.masks, 'x.weight': other[name]}, 'surplus .*x.weight'),
    ):
        save_ticket(
            Ticket(masks=masks, rewind_file=ticket.rewind_file, rewind_digest=ticket.rewind_digest),
            path,
        )
        with pytest.raises(ValueError, match=text):
            job('bad', ticket=str(path), dense_from=dense)
    assert not (tmp_path / 'bad' / 'imp.json').exists()


def test_refuses_settings_that_a_ticket_brings(dense, job):
    _, layout = job('found', dense_from=dense)
    path = str(layout.ticket(1))
    for flags in (dict(rounds=2), dict(target_sparsity=0.5), dict(schedule=[0.5]), dict(rewind=3)):
        with pytest.raises(ValueError, match=f'says what .*{next(iter(flags))}'):
            IMPConfig.from_dicts({}, dict(ticket=path, **flags))
    for block in (dict(controls=['reverse']), dict(early_bird={})):
        with pytest.raises(ValueError, match='leave rewind, early_bird, rounds and the control'):
            IMPConfig.from_dicts(block, dict(ticket=path))
    dense_ticket = str(Layout(layout.work_dir.parent / 'dense').ticket(0))
    with pytest.raises(ValueError, match='prunes nothing'):
        IMPConfig.from_dicts({}, dict(ticket=dense_ticket))


def test_a_share_of_the_training_must_be_one():
    for rewind in ('0%', '101%', '%', '-5%'):
        with pytest.raises(ValueError, match='P% of the training'):
            IMPConfig(rewind=rewind)


def test_a_dense_round_is_found_by_what_decides_its_numbers(job, tmp_path):
    own, _ = job('dense', rounds=0, exact_resume=True, capture=['25%'])  # as by default, on a CPU
    shared, _ = job('shared', dense_from=str(tmp_path / 'dense'), rewind='25%')
    assert shared.rounds[0]['id'] == own.rounds[0]['id'] != shared.rounds[1]['id']
    with pytest.raises(ValueError, match='exact_resume: True there, False here'):
        job('other', dense_from=str(tmp_path / 'dense'), exact_resume=False)
