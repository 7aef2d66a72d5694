"""Controls that ask why a ticket wins: its scale, its signs, its largest weights, its budget."""
import pytest
import torch
import toys
from conftest import run_job

from mmlth.core.checkpoints import load_state
from mmlth.core.layout import Layout
from mmlth.core.masks import count_each
from mmlth.core.ticket import load_rewind_weights, load_ticket

NEW = ['shuffle', 'shuffle_rms', 'init_magnitude', 'reinit', 'reinit_rms', 'signs', 'magnitudes',
       'dense_budget', 'dense_restart']


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    """A job of two prunings with tied weights and these controls, which no test changes."""
    folder = tmp_path_factory.mktemp('controls')
    cfg = toys.read_config(folder, model=dict(type='TiedConvNet'))
    return run_job(cfg, folder / 'job', controls=NEW), Layout(folder / 'job')


def ticket_and_start(layout, control=''):
    path = layout.ticket(2, control)
    ticket = load_ticket(path)
    return ticket, load_rewind_weights(ticket, path)


def record_of(summary, control):
    (found, ) = (record for record in summary.controls if record['control'] == control)
    return found


def rms(ticket, start):
    return {name: float(start[name][mask].double().square().mean().sqrt())
            for name, mask in ticket.masks.items()}


def test_every_control_is_trained_and_recorded(job):
    summary, _ = job
    assert {record['control'] for record in summary.controls} == set(NEW)
    assert all(record['metrics'] for record in summary.controls)


@pytest.mark.parametrize('control, plain', [('shuffle_rms', 'shuffle'), ('reinit_rms', 'reinit')])
def test_rms_controls_have_the_scale_of_the_ticket_and_the_masks_of_the_plain_ones(
        job, control, plain):
    _, layout = job
    wanted = rms(*ticket_and_start(layout))
    ticket, start = ticket_and_start(layout, control)
    same, unscaled = ticket_and_start(layout, plain)
    assert rms(ticket, start) == pytest.approx(wanted, rel=1e-5)
    assert rms(same, unscaled) != pytest.approx(wanted, rel=1e-3)
    for name, mask in ticket.masks.items():
        assert torch.equal(mask, same.masks[name])
        assert torch.equal(start[name].sign(), unscaled[name].sign())


def test_init_magnitude_keeps_the_largest_of_the_start_layer_by_layer(job):
    _, layout = job
    ticket, start = ticket_and_start(layout)
    control, same = ticket_and_start(layout, 'init_magnitude')
    assert count_each(control.masks) == count_each(ticket.masks)
    for name, mask in control.masks.items():
        assert torch.equal(same[name], start[name])
        assert start[name][mask].abs().min() >= start[name][~mask].abs().max()


def test_signs_and_magnitudes_split_the_start(job):
    _, layout = job
    ticket, start = ticket_and_start(layout)
    for control, kept, lost in (('signs', torch.sign, torch.abs),
                                ('magnitudes', torch.abs, torch.sign)):
        same, changed = ticket_and_start(layout, control)
        for name, mask in ticket.masks.items():
            assert torch.equal(same.masks[name], mask)
            assert torch.equal(kept(changed[name]), kept(start[name]))
            assert not torch.equal(lost(changed[name]), lost(start[name]))
    assert torch.equal(changed['head.fc.bias'], start['head.fc.bias'])


def test_dense_of_the_tickets_budget_trains_as_many_steps_as_all_rounds(job):
    summary, layout = job
    record = record_of(summary, 'dense_budget')
    assert record['steps'] == sum(each['steps'] for each in summary.rounds) == 36
    assert record['kept'] == record['scope_size']
    _, start = ticket_and_start(layout, 'dense_budget')
    assert torch.equal(start['head.fc.weight'], ticket_and_start(layout)[1]['head.fc.weight'])


def test_dense_restart_goes_on_from_the_dense_net(job):
    summary, layout = job
    record = record_of(summary, 'dense_restart')
    _, start = ticket_and_start(layout, 'dense_restart')
    dense = load_state(layout.work_dir / summary.rounds[0]['checkpoint'])
    assert record['steps'] == 12 and record['kept'] == record['scope_size']
    assert all(torch.equal(start[name], dense[name]) for name in start)
