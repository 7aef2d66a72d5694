"""A ticket that was given to a job, and controls that it can have."""
import pytest
import torch
import toys

from mmlth.core.masks import apply
from mmlth.core.ticket import Ticket, save_ticket, save_weights
from mmlth.job.given_ticket import check_ticket
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


def check(path, *controls):
    settings = IMPConfig.from_config({}, dict(ticket=path, scope='all', controls=controls))
    shapes = {name: tuple(toys.ToyNet().state_dict()[name].shape) for name in toys.NAMES}
    return check_ticket(settings, shapes)


@pytest.mark.parametrize('control', ['random', 'shuffle', 'shuffle_rms', 'init_magnitude'])
def test_controls_that_would_start_at_zero_are_refused(ticket, control):
    with pytest.raises(ValueError, match=f'{control}.* starts at zero.*--values initial, or ask'):
        check(ticket(trained=True), control, 'reinit')
    assert check(ticket(trained=True), 'reinit', 'dense_budget')


def test_one_with_initial_values_may_have_them(ticket):
    assert list(check(ticket(trained=False), 'random', 'shuffle')) == list(toys.NAMES)
