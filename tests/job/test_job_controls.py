"""Controls from one switch: what they keep, where they start, whom they belong to."""

import copy

import pytest
import torch
import toys
from conftest import run_job

from mmlth.analysis.report import write_report
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, count_kept, digest, kept
from mmlth.core.overlap import overlap
from mmlth.core.ticket import load_rewind_weights, load_ticket, load_weights
from mmlth.engine.train import train
from mmlth.job import imp_runner

ALL = ['random', 'shuffle', 'reinit', 'dense', 'reverse']


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    """A job of two prunings and all controls, which no test changes: summary and layout."""
    folder = tmp_path_factory.mktemp('controls')
    cfg = toys.read_config(folder)
    summary = run_job(cfg, folder / 'job', controls=ALL, order_seed=7)
    return summary, Layout(folder / 'job')


def masks(layout, control=''):
    return load_ticket(layout.ticket(2, control)).masks


def test_each_control_is_a_training_with_a_record_that_names_its_ticket(job):
    summary, layout = job
    assert [(r['round'], r['control']) for r in summary.controls] == [(2, name) for name in ALL]
    for record in summary.controls:
        assert record['parent'] == summary.rounds[2]['digests']['masks'] == digest(masks(layout))
        assert record['steps'] == 12 and set(record['metrics']) == {'toy/mAP'}
        assert (layout.work_dir / record['checkpoint']).exists()
    assert summary.rounds[2]['parent'] == summary.rounds[1]['digests']['masks']
    assert [r['control'] for r in summary.rounds] == ['', '', '']


def test_the_dense_control_is_another_training_than_the_dense_net(job):
    summary, _ = job
    (dense, ) = [r for r in summary.controls if r['control'] == 'dense']
    assert dense['digests']['trained'] != summary.rounds[0]['digests']['trained']


def test_counts(job):
    summary, layout = job
    by_name = {r['control']: r for r in summary.controls}
    size = by_name['dense']['scope_size']
    assert {name: by_name[name]['kept'] for name in ALL} == dict(
        random=size // 4, shuffle=size // 4, reinit=size // 4, reverse=size // 4, dense=size
    )
    ticket, shuffled, random = (masks(layout, c) for c in ('', 'shuffle', 'random'))
    assert all(count_kept(shuffled[n]) == count_kept(m) for n, m in ticket.items())
    assert any(count_kept(random[n]) != count_kept(m) for n, m in ticket.items())
    assert digest(masks(layout, 'reinit')) == digest(ticket)
    assert kept(random) == kept(ticket) and digest(random) != digest(ticket)


def test_reverse_keeps_what_the_ticket_would_prune_first(job):
    _, layout = job
    ticket, reverse = masks(layout), masks(layout, 'reverse')
    before = load_ticket(layout.ticket(1)).masks
    for name in ticket:  # half of what round 1 kept, each
        assert not (ticket[name] & reverse[name]).any()
        assert ((ticket[name] | reverse[name]) == before[name]).all()


def test_all_start_from_w_0_but_reinit(job):
    summary, layout = job
    w_0 = load_weights(layout.rewind)
    for record in summary.controls:
        control = record['control']
        path = layout.ticket(2, control)
        start = load_rewind_weights(load_ticket(path), path)
        same = torch.equal(start['backbone.conv2.weight'], w_0['backbone.conv2.weight'])
        assert same == (control != 'reinit')
        assert record['digests']['start'] == digest(apply(masks(layout, control), start))


def test_the_report_shows_them(job):
    _, layout = job
    text = write_report(layout.work_dir)
    assert [line.split()[:2] for line in text.splitlines()[4:]] == [['2', name] for name in ALL]
    assert len((layout.work_dir / 'summary.csv').read_text().splitlines()) == 1 + 3 + 5


def test_a_killed_control_is_gone_on_with(toy_cfg, tmp_path, monkeypatch):
    settings = dict(rounds=1, controls=['random', 'shuffle'])
    expected = run_job(copy.deepcopy(toy_cfg), tmp_path / 'a', **settings)
    trained = []

    def stop(cfg, progress):
        if cfg.work_dir.endswith('shuffle'):
            raise KeyboardInterrupt
        return train(cfg, progress)

    def note(cfg, progress):
        trained.append(cfg.work_dir.rpartition('/')[2])
        return train(cfg, progress)
    monkeypatch.setattr(imp_runner, 'train', stop)
    with pytest.raises(KeyboardInterrupt):
        run_job(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    monkeypatch.setattr(imp_runner, 'train', note)
    found = run_job(copy.deepcopy(toy_cfg), tmp_path / 'b', **settings)
    assert trained == ['round_01_shuffle']
    assert [r['digests'] for r in found.controls] == [r['digests'] for r in expected.controls]


def test_a_dense_control_is_trained_once(toy_cfg, run_imp, tmp_path):
    summary = run_imp(
        toy_cfg, tmp_path / 'job', controls=['dense', 'shuffle'], control_rounds=[1, 2],
        order_seed=7)
    # In the order of mmlth.core.controls.CONTROLS.
    expected = [(1, 'shuffle'), (1, 'dense'), (2, 'shuffle')]
    assert [(r['round'], r['control']) for r in summary.controls] == expected


def test_a_dense_control_depends_on_no_ticket_unless_it_starts_from_its_weights(
        toy_cfg, run_imp, tmp_path):
    ids = []
    for allocation in ('global', 'layerwise'):
        settings = dict(allocation=allocation, controls=['dense'], order_seed=7)
        summary = run_imp(copy.deepcopy(toy_cfg), tmp_path / allocation, **settings)
        ids.append(summary.controls[0]['id'])
    assert ids[0] == ids[1]
    trained = run_imp(toy_cfg, tmp_path / 'lr', rewind='lr', controls=['dense'],
                      control_rounds=[1, 2]).controls
    assert [(r['round'], r['control']) for r in trained] == [(1, 'dense'), (2, 'dense')]
    assert trained[0]['digests'] != trained[1]['digests']


def test_random_masks_overlap_the_ticket_as_chance_has_it(job):
    _, layout = job
    found = overlap(masks(layout), masks(layout, 'random'))
    assert abs(found['iou'] - found['chance_iou']) < 0.05
