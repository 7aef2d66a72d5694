"""A ticket that was given to a job, and controls that it can have."""
import copy
import dataclasses
import shutil

import pytest
import torch
import toys

from mmlth.core.masks import apply
from mmlth.core.ticket import Ticket, TicketError, load_ticket, save_ticket, save_weights
from mmlth.job.given_ticket import check_ticket
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig


@pytest.fixture
def ticket(tmp_path):
    """Write a ticket of about half the toy's weights; ``trained`` starts from zeros elsewhere."""
    def ticket(trained):
        torch.manual_seed(7)
        weights = toys.ToyNet().state_dict()
        masks = {name: torch.rand(weights[name].shape) > 0.5 for name in toys.NAMES}
        start = apply(masks, weights) if trained else weights
        digest = save_weights(start, tmp_path / 'rewind.safetensors', step=0)
        save_ticket(Ticket(masks=masks, rewind_file='rewind.safetensors', rewind_digest=digest),
                    tmp_path / 'ticket.safetensors')
        return str(tmp_path / 'ticket.safetensors')
    return ticket


def check(path, *controls, net=None):
    settings = IMPConfig.from_config({}, dict(ticket=path, scope='all', controls=controls))
    state = (net or toys.ToyNet()).state_dict()
    shapes = {name: tuple(toys.ToyNet().state_dict()[name].shape) for name in toys.NAMES}
    return check_ticket(settings, shapes, state)


@pytest.mark.parametrize('control', ['random', 'shuffle', 'shuffle_rms', 'init_magnitude'])
def test_controls_that_would_start_at_zero_are_refused(ticket, control):
    with pytest.raises(ValueError, match=f'{control}.* starts at zero.*--values initial, or ask'):
        check(ticket(trained=True), control, 'reinit')
    assert check(ticket(trained=True), 'reinit', 'dense_budget')


def test_one_with_initial_values_may_have_them(ticket):
    assert list(check(ticket(trained=False), 'random', 'shuffle')) == list(toys.NAMES)


def test_a_ticket_without_its_start_is_refused_before_anything_is_trained(ticket, tmp_path):
    path = ticket(trained=False)
    (tmp_path / 'rewind.safetensors').unlink()
    with pytest.raises(FileNotFoundError, match='needs its initial weights'):
        check(path)


def test_a_start_of_another_head_is_refused_though_the_masks_fit(ticket):
    net = toys.ToyNet()
    net.another_head = torch.nn.Linear(2, 3)
    with pytest.raises(TicketError, match=r'the start of ticket=.* missing another_head'):
        check(ticket(trained=False), net=net)


@pytest.fixture
def go_on(toy_cfg, tmp_path):
    """Run a job of one pruning, or go on with it as if it had been killed in round 1."""
    def go_on(accept=(), **settings):
        (tmp_path / 'job' / 'round_01' / 'record.json').unlink(missing_ok=True)
        given = IMPConfig.from_config({}, dict(scope='all', **settings))
        IMPRunner(copy.deepcopy(toy_cfg), given, tmp_path / 'job', accept=accept).run()
    return go_on


def test_a_round_is_not_gone_on_with_under_other_settings(go_on):
    go_on(rounds=1, target_sparsity=0.75)
    with pytest.raises(ValueError, match=(
            r"round_01/ticket.safetensors was made with other settings \(rewind='init'\)\. Put "
            'that back, or remove .*round_01 to have round 1 made and trained again')):
        go_on(('imp.rewind', ), rounds=1, target_sparsity=0.75, rewind='lr')


def test_a_given_ticket_that_was_made_anew_is_noticed(ticket, go_on):
    path = ticket(trained=False)
    go_on(ticket=path)
    old = load_ticket(path)
    first = next(iter(old.masks))
    masks = {**old.masks, first: old.masks[first].flip(0)}  # as many, at other places
    save_ticket(dataclasses.replace(old, masks=masks), path)
    with pytest.raises(ValueError, match='made from another ticket than .* is now. Put that back'):
        go_on(ticket=path)


def test_a_round_goes_on_where_its_ticket_has_moved(ticket, go_on, tmp_path):
    path = ticket(trained=False)
    go_on(ticket=path, controls=('reinit', ))
    moved = shutil.copytree(tmp_path, tmp_path.parent / 'moved') / 'ticket.safetensors'
    go_on(('imp.ticket', ), ticket=str(moved), controls=('reinit', ))
    assert (tmp_path / 'job' / 'round_01' / 'record.json').exists()
