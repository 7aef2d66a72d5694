"""Ticket and weights files: what is stored comes back, and fits the model it is loaded into."""
import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ticket_files import KINDS, MASKS, TICKET, WEIGHTS, write

from mmlth.core import ticket as T
from mmlth.core.masks import digest
from mmlth.core.ticket import Ticket, TicketError, load_ticket, save_ticket, save_weights


def test_a_ticket_comes_back_as_it_was(tmp_path):
    T.save_ticket(TICKET, tmp_path / 't')
    found = T.load_ticket(tmp_path / 't')
    assert list(found.masks) == list(MASKS)
    assert all(torch.equal(found.masks[name], m) for name, m in MASKS.items())
    assert dataclasses.replace(found, masks=MASKS) == TICKET


def test_the_files_written_by_hand_here_are_tickets(tmp_path):
    write(tmp_path / 't')
    assert digest(T.load_ticket(tmp_path / 't').masks) == digest(MASKS)


def test_a_ticket_of_80_percent_takes_less_than_a_bit_a_weight(tmp_path):
    masks = {'w': torch.from_numpy(np.random.default_rng(0).random(100_000) < 0.2)}
    T.save_ticket(dataclasses.replace(TICKET, masks=masks), tmp_path / 't')
    assert 8 * (tmp_path / 't').stat().st_size < 0.8 * 100_000


@pytest.mark.parametrize('tensor', [
    torch.tensor([1.5, -0., float('nan'), float('inf')]),
    torch.tensor([1.5, 2.5], dtype=torch.float16),
    torch.tensor([1.5], dtype=torch.bfloat16),
    torch.tensor(2**53 + 1),
    torch.tensor([True, False]),
    torch.zeros(0, 3),
    torch.arange(6.).reshape(2, 3).t(),
], ids=lambda t: f'{t.dtype} {tuple(t.shape)}')
def test_weights_come_back_bit_for_bit(tmp_path, tensor):
    stored = T.save_weights({'w': tensor}, tmp_path / 'w', step=0)
    found = T.load_weights(tmp_path / 'w')['w']
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert digest({'w': found}) == digest({'w': tensor}) == stored
    assert T.weights_digest(tmp_path / 'w') == stored


def test_later_training_does_not_change_what_is_stored(tmp_path):
    model = torch.nn.Linear(2, 1)
    shared = model.weight.detach()
    w_k = {name: w.clone() for name, w in model.state_dict().items()}
    T.save_weights({**model.state_dict(), 'again': shared}, tmp_path / 'w', step=0)
    with torch.no_grad():
        model.weight.add_(1)
    first = T.load_weights(tmp_path / 'w')
    assert torch.equal(first['weight'], w_k['weight'])
    assert torch.equal(first['again'], w_k['weight'])
    first['weight'].add_(1)  # nor does what a reader does
    assert torch.equal(T.load_weights(tmp_path / 'w')['weight'], w_k['weight'])


@pytest.fixture
def job(tmp_path):
    """A ticket in a round's folder beside the weights it was made with."""
    (tmp_path / 'round_01').mkdir()
    stored = T.save_weights(WEIGHTS, tmp_path / 'rewind.safetensors', step=0)
    path = tmp_path / 'round_01' / 'ticket.safetensors'
    T.save_ticket(dataclasses.replace(TICKET, rewind_digest=stored), path)
    return path


def test_rewind_weights_are_found_beside_the_round(job):
    assert digest(T.load_rewind_weights(T.load_ticket(job), job)) == digest(WEIGHTS)


def test_missing_rewind_weights_are_named_with_the_ticket(job):
    (job.parents[1] / 'rewind.safetensors').unlink()
    with pytest.raises(FileNotFoundError, match=r'ticket\.safetensors needs .*rewind\.safetensors'):
        T.load_rewind_weights(T.load_ticket(job), job)


def test_rewind_weights_of_another_job_are_refused(job):
    other = {**WEIGHTS, 'a.weight': WEIGHTS['a.weight'] + 1}
    T.save_weights(other, job.parents[1] / 'rewind.safetensors', step=0)
    with pytest.raises(TicketError, match='other weights .* Use the rewind file of its own job'):
        T.load_rewind_weights(T.load_ticket(job), job)


@pytest.mark.parametrize('state, message', [
    pytest.param({'a': (2, ), 'b': (1, )}, 'missing b, surplus none', id='missing'),
    pytest.param({}, 'missing none, surplus a', id='surplus'),
    pytest.param({'a': (3, )}, r"'a' has shape \(2,\), but the model has \(3,\)", id='other shape'),
    pytest.param({'a': (2, ), **{f'x{i}': (1, ) for i in range(7)}},
                 'missing x0, x1, x2, x3, x4 and 2 more', id='many'),
])
def test_weights_must_fit_the_model(state, message):
    model = {name: torch.zeros(shape) for name, shape in state.items()}
    with pytest.raises(TicketError, match=f'w.safetensors.*{message}'):
        T.check_weights({'a': torch.zeros(2)}, model, 'w.safetensors')


def test_weights_that_fit_pass():
    T.check_weights(WEIGHTS, {name: torch.zeros_like(w) for name, w in WEIGHTS.items()}, 'w')


@KINDS
@pytest.mark.parametrize('call', ['replace', 'fsync'])
def test_a_disk_that_fills_up_at_the_end_leaves_the_old_file(
        tmp_path, monkeypatch, load, save, call):
    def fail(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    path = tmp_path / 'file'
    path.write_bytes(b'old')
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match='cannot write .*file: No space left'):
        save(path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [('file', b'old')]


FULL_DISK = """
import resource, signal, sys
sys.modules.update(dict.fromkeys(('mmengine', 'mmcv', 'mmdet')))  # not needed here: starts faster
import torch
from mmlth.core.ticket import Ticket, save_ticket, save_weights
weights = dict(w=torch.rand(100_000))
ticket = Ticket(masks=dict(w=weights['w'] > 0.5), rewind_file='r', rewind_digest='d')
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for name, save in dict(ticket=lambda: save_ticket(ticket, 'ticket'),
                       weights=lambda: save_weights(weights, 'weights', step=0)).items():
    try:
        save()
    except OSError as error:
        print(error)
"""


def test_a_disk_that_is_really_full_leaves_the_old_files(tmp_path):
    for name in ('ticket', 'weights'):
        (tmp_path / name).write_text(f'old {name}')
    root = str(Path(T.__file__).parents[2])
    done = subprocess.run([sys.executable, '-c', FULL_DISK], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, 'PYTHONPATH': root}, timeout=120)
    assert done.returncode == 0, done.stderr
    ticket, weights = done.stdout.splitlines()
    assert 'cannot write ticket: ' in ticket and 'File too large' in ticket
    assert 'cannot write weights: ' in weights and 'File too large' in weights
    assert sorted(path.name for path in tmp_path.iterdir()) == ['ticket', 'weights']
    assert (tmp_path / 'ticket').read_text() == 'old ticket'
    assert (tmp_path / 'weights').read_text() == 'old weights'


def test_equal_tickets_are_equal_files_whatever_the_order_of_keys(tmp_path):
    masks = {'b': torch.tensor([True, False]), 'a': torch.tensor([[True], [False]])}

    def write(name, keys):
        facts = {key: dict(x=1, y=2) if key == 'settings' else key for key in keys}
        if name != 'first':
            facts['settings'] = dict(y=2, x=1)
        ticket = Ticket(
            masks=masks, rewind_file='w', rewind_digest='d', provenance=facts,
            shared=dict.fromkeys(keys, 'a'), groups=dict.fromkeys(keys, 'neck'))
        save_ticket(ticket, tmp_path / name)
        return (tmp_path / name).read_bytes()
    first = write('first', ['round', 'settings', 'config'])
    for i in range(8):  # the library orders metadata at random
        assert write(f'again{i}', ['config', 'settings', 'round']) == first
    assert list(load_ticket(tmp_path / 'first').masks) == ['b', 'a']  # in the order of the model


def test_weights_files_of_equal_tensors_are_equal(tmp_path):
    weights = {'b': torch.arange(3.), 'a': torch.zeros(2, 2)}
    save_weights(weights, tmp_path / '0', step=3)
    for i in range(1, 8):
        save_weights(weights, tmp_path / str(i), step=3)
        assert (tmp_path / str(i)).read_bytes() == (tmp_path / '0').read_bytes()


def test_a_ticket_masks_a_state_under_all_names(tmp_path):
    ticket = Ticket(masks={'a': torch.tensor([True, False])}, rewind_file='w', rewind_digest='d',
                    shared={'tied.a': 'a', 'teacher.a': 'a'}, groups={'a': 'backbone'})
    save_ticket(ticket, tmp_path / 't')
    found = load_ticket(tmp_path / 't')
    assert (found.shared, found.groups) == (ticket.shared, ticket.groups)
    names = ('a', 'tied.a', 'teacher.a', 'b')
    start = found.start({name: torch.tensor([1., 2.]) for name in names})
    assert {name: t.tolist() for name, t in start.items()} == {
        'a': [1, 0], 'tied.a': [1, 0], 'teacher.a': [1, 0], 'b': [1, 2]}
