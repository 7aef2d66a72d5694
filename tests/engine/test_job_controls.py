"""Controls from one switch: what they keep, where they start, whom they belong to."""

import copy

import pytest
import torch

from mmlth.analysis.report import write_report
from mmlth.core.layout import Layout
from mmlth.core.masks import apply, count_kept, digest, kept
from mmlth.core.overlap import overlap
from mmlth.core.ticket import load_rewind_weights, load_ticket, load_weights

ALL = ['random', 'shuffle', 'reinit', 'dense', 'reverse']


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    import toys
    from mmengine.config import Config

    from mmlth.engine.imp_runner import IMPRunner
    from mmlth.engine.settings import IMPConfig

    folder = tmp_path_factory.mktemp('controls')
    cfg = Config.fromfile(str(toys.write_config(folder)))
    settings = IMPConfig.from_dicts(cfg.imp, dict(controls=ALL))
    return IMPRunner(cfg, settings, folder / 'job').run(), Layout(folder / 'job')


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
    ticket, reverse, before = (
        masks(layout),
        masks(layout, 'reverse'),
        load_ticket(layout.ticket(1)).masks,
    )
    assert not any(
        (ticket[n] & reverse[n]).any() for n in ticket
    )  # half of what round 1 kept, each
    assert all(((ticket[n] | reverse[n]) == before[n]).all() for n in ticket)


def test_all_start_from_w_0_but_reinit(job):
    summary, layout = job
    w_0 = load_weights(layout.rewind)
    for record in summary.controls:
        control = record['control']
        start = load_rewind_weights(
            load_ticket(layout.ticket(2, control)), layout.ticket(2, control)
        )
        same = torch.equal(start['backbone.conv2.weight'], w_0['backbone.conv2.weight'])
        assert same == (control != 'reinit')
        assert record['digests']['start'] == digest(apply(masks(layout, control), start))


def test_the_report_shows_them(job):
    _, layout = job
    text = write_report(layout.work_dir)
    assert [line.split()[:2] for line in text.splitlines()[4:]] == [['2', name] for name in ALL]
    assert len((layout.work_dir / 'summary.csv').read_text().splitlines()) == 1 + 3 + 5


def test_a_killed_control_is_gone_on_with(toy_cfg, run_imp, tmp_path, monkeypatch):
    expected = run_imp(
        copy.deepcopy(toy_cfg), tmp_path / 'a', rounds=1, controls=['random', 'shuffle']
    )
    from mmlth.engine import imp_runner

    train = imp_runner.train

    def stop(cfg, progress):
        if cfg.work_dir.endswith('shuffle'):
            raise KeyboardInterrupt
        return train(cfg, progress)

    monkeypatch.setattr(imp_runner, 'train', stop)
    with pytest.raises(KeyboardInterrupt):
        run_imp(copy.deepcopy(toy_cfg), tmp_path / 'b', rounds=1, controls=['random', 'shuffle'])
    trained = []
    monkeypatch.setattr(imp_runner, 'train', lambda c, p: trained.append(c.work_dir) or train(c, p))
    found = run_imp(
        copy.deepcopy(toy_cfg), tmp_path / 'b', rounds=1, controls=['random', 'shuffle']
    )
    assert [t.rpartition('/')[2] for t in trained] == ['round_01_shuffle']
    assert [r['digests'] for r in found.controls] == [r['digests'] for r in expected.controls]


def test_a_dense_control_is_trained_once(toy_cfg, run_imp, tmp_path):
    summary = run_imp(
        toy_cfg, tmp_path / 'job', controls=['dense', 'shuffle'], control_rounds=[1, 2]
    )
    assert [(r['round'], r['control']) for r in summary.controls] == [
        (1, 'shuffle'),
        (1, 'dense'),
        (2, 'shuffle'),
    ]  # in the order of mmlth.core.controls.CONTROLS


def test_random_masks_overlap_the_ticket_as_chance_has_it(job):
    _, layout = job
    found = overlap(masks(layout), masks(layout, 'random'))
    assert abs(found['iou'] - found['chance_iou']) < 0.05
