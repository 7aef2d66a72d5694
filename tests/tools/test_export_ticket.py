"""An export is masked under every name of a tensor, and is what the job recorded."""
import json
import shutil

import pytest
import torch
import toys
from torch import nn

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.masks import digest
from mmlth.core.ticket import Ticket, save_ticket, save_weights


class Tied(nn.Module):
    """Two linear layers with one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.again.weight = self.first.weight


MASK = torch.tensor([[True, False], [False, True]])
VALUE = torch.tensor([[1., 2.], [3., 4.]])


@pytest.fixture
def ticket(tmp_path):
    """A ticket of that net, whose header says that the second name shares the first's mask."""
    weights = {'first.weight': VALUE, 'again.weight': VALUE}
    rewind = save_weights(weights, tmp_path / 'w.safetensors', step=0)
    found = Ticket(masks={'first.weight': MASK}, shared={'again.weight': 'first.weight'},
                   rewind_file='w.safetensors', rewind_digest=rewind)
    save_ticket(found, tmp_path / 't.safetensors')
    return tmp_path / 't.safetensors'


def test_initial_weights_are_zero_under_every_name(call_tool, ticket, tmp_path):
    out = call_tool('export_ticket.py', ticket, tmp_path / 'o.pth', '--weights', 'initial').stdout
    assert '2 pruned weights are exactly 0.0' in out  # of one tensor, whatever it is called
    net = Tied()
    net.load_state_dict(load_checkpoint(tmp_path / 'o.pth')['state_dict'])  # the last name wins
    assert net.first.weight.tolist() == [[1, 0], [0, 4]]


def test_a_checkpoint_that_is_not_zero_under_one_name_is_refused(call_tool, ticket, tmp_path):
    state = {'first.weight': VALUE * MASK, 'again.weight': VALUE}
    torch.save(dict(state_dict=state), tmp_path / 'epoch_1.pth')
    error = call_tool('export_ticket.py', ticket, tmp_path / 'o.pth', code=1).stderr
    assert "pruned weights of 'again.weight' are not zero" in error
    assert not (tmp_path / 'o.pth').exists()


@pytest.fixture
def job(run_imp, tmp_path):
    run_imp(toys.read_config(tmp_path), tmp_path / 'job', rounds=1, controls=['random'])
    return tmp_path / 'job'


@pytest.mark.parametrize('folder', ['round_01', 'controls/round_01_random'])
def test_the_checkpoint_is_the_one_that_the_job_recorded(call_tool, job, tmp_path, folder):
    """A later one beside it, of somebody who trained on, isn't that of the record."""
    found = job / folder
    shutil.copy(job / 'round_00' / 'epoch_3.pth', found / 'epoch_9.pth')
    call_tool('export_ticket.py', found / 'ticket.safetensors', tmp_path / 'o.pth')
    exported = load_checkpoint(tmp_path / 'o.pth')['state_dict']
    assert digest(exported) == json.loads((found / 'record.json').read_text())['digests']['trained']


@pytest.mark.parametrize('folder', ['copy', 'job/copy'])
def test_of_a_copy_it_is_the_newest_beside(call_tool, job, tmp_path, folder):
    """What somebody trained with a copy is theirs, be it in the folder of the job."""
    copy = tmp_path / folder
    shutil.copytree(job / 'round_01', copy)
    checkpoint = load_checkpoint(copy / 'epoch_3.pth')
    checkpoint['state_dict']['head.fc.bias'] = torch.ones(4)
    torch.save(checkpoint, copy / 'epoch_9.pth')
    call_tool('export_ticket.py', copy / 'ticket.safetensors', tmp_path / 'o.pth')
    assert load_checkpoint(tmp_path / 'o.pth')['state_dict']['head.fc.bias'].tolist() == [1] * 4


@pytest.mark.parametrize('folder', ['copy', 'job/round_01'])
def test_where_there_is_none_the_flag_is_named(call_tool, job, tmp_path, folder):
    if folder == 'copy':
        shutil.copytree(job / 'round_01', tmp_path / 'copy')
    (tmp_path / folder / 'epoch_3.pth').unlink()
    args = ('export_ticket.py', tmp_path / folder / 'ticket.safetensors', tmp_path / 'o.pth')
    assert 'no trained checkpoint lies beside' in call_tool(*args, code=1).stderr
