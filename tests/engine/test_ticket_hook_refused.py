"""Tickets that a training refuses: damaged, of another model, or not those of its checkpoint."""
import pytest
import torch
import toys
from torch import nn
from toy_training import half_ticket, toy_runner

from mmlth.core.masks import dense_masks
from mmlth.core.ticket import Ticket, TicketError, load_weights, save_ticket, save_weights
from mmlth.engine.hooks import TicketHook


@pytest.fixture
def ticket(tmp_path):
    return half_ticket(tmp_path)


def remove(ticket):
    ticket.unlink()


def truncate(ticket):
    ticket.write_bytes(ticket.read_bytes()[:100])


def remove_weights(ticket):
    (ticket.parents[1] / 'rewind.safetensors').unlink()


@pytest.mark.parametrize('spoil, error, message', [
    (remove, FileNotFoundError, 'ticket.safetensors does not exist'),
    (truncate, TicketError, 'truncated'),
    (remove_weights, FileNotFoundError, 'initial weights')])
def test_a_bad_ticket_is_refused_when_the_runner_is_built(
        toy_cfg, ticket, tmp_path, spoil, error, message):
    spoil(ticket)
    hooks = [dict(type='TicketHook', ticket=str(ticket))]
    with pytest.raises(error, match=message):
        toy_runner(toy_cfg, tmp_path / 'a', custom_hooks=hooks)


def test_a_ticket_of_another_model_is_refused_before_the_first_step(toy_cfg, tmp_path):
    other = nn.Linear(3, 2)
    rewind = save_weights(other.state_dict(), tmp_path / 'w', step=0)
    masks = dense_masks({'weight': other.weight})
    save_ticket(Ticket(masks=masks, rewind_file='w', rewind_digest=rewind), tmp_path / 't')
    runner = toy_runner(toy_cfg, tmp_path / 'a', TicketHook(tmp_path / 't'))
    with pytest.raises(TicketError, match='does not fit the model: missing .*backbone'):
        runner.train()


def test_w_k_of_another_shape_is_named(toy_cfg, ticket, tmp_path):
    path = tmp_path / 'rewind.safetensors'
    masks = TicketHook(ticket).ticket.masks
    weights = {**load_weights(path), 'head.fc.bias': torch.zeros(5)}
    rewind = save_weights(weights, path, step=0)
    other = Ticket(masks=masks, rewind_file='../rewind.safetensors', rewind_digest=rewind)
    save_ticket(other, ticket)
    message = r"'head.fc.bias' has shape \(5,\), but the model has \(4,\)"
    runner = toy_runner(toy_cfg, tmp_path / 'a', TicketHook(ticket))
    with pytest.raises(TicketError, match=message):
        runner.train()


def test_a_checkpoint_of_another_ticket_cannot_be_resumed(toy_cfg, ticket, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a').train()
    where = dict(resume=True, load_from=str(tmp_path / 'a' / 'epoch_2.pth'))
    runner = toy_runner(toy_cfg, tmp_path / 'b', TicketHook(ticket), **where)
    with pytest.raises(ValueError, match='not zero in the checkpoint resumed from'):
        runner.train()


def test_a_rewind_that_did_not_take_stops_the_training(toy_cfg, ticket, tmp_path, monkeypatch):
    monkeypatch.setattr(toys.ToyNet, 'load_state_dict', lambda self, state, strict: None)
    with pytest.raises(RuntimeError, match='the rewind to .* failed'):
        toy_runner(toy_cfg, tmp_path / 'a', TicketHook(ticket)).train()
