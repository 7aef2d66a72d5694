"""What a store takes over from another job, and what it leaves of it."""
import pytest
import torch

from mmlth.core.checkpoints import load_checkpoint, save_checkpoint
from mmlth.core.store import Store, find_ticket
from mmlth.core.ticket import save_weights
from mmlth.core.training import Training

DENSE = Training(number=0)


@pytest.fixture
def other(tmp_path):
    """A job whose dense net is trained, write-protected."""
    store = Store(tmp_path / 'other')
    folder = store.layout.round_dir(0)
    folder.mkdir(parents=True)
    weights = {'w': torch.ones(2)}
    optimizer = {'state': {0: torch.ones(2)}, 'param_groups': []}
    checkpoint = {'state_dict': weights, 'optimizer': optimizer, 'meta': {'iter': 4}}
    save_checkpoint(checkpoint, folder / 'epoch_1.pth')
    save_weights(weights, store.layout.rewind, step=0)
    store.claim(dict(identity={}, moment='step_0', captured=['epoch_1']))
    for path in (folder / 'epoch_1.pth', store.layout.rewind):
        path.chmod(0o444)
    return store


def test_what_is_taken_over_is_reduced_here_alone(other, tmp_path):
    store = Store(tmp_path / 'job')
    store.adopt(other, DENSE)
    source = other.checkpoint(DENSE)
    before = source.read_bytes()
    assert store.checkpoint(DENSE).samefile(source)
    store.reduce(DENSE)
    assert source.read_bytes() == before
    assert source.stat().st_mode & 0o777 == 0o444
    assert load_checkpoint(store.checkpoint(DENSE))['optimizer']['state'] == {}
    assert store.w_k().keys() == other.w_k().keys()


def test_weights_that_were_planned_but_not_kept_are_not_named(other):
    with pytest.raises(FileNotFoundError, match='keeps weights of step_0, but epoch_1 is'):
        other.captured.weights('epoch_1')


def round_of(store, number, finished=True):
    """Give a job a round with a ticket file; returns its path."""
    path = store.layout.ticket(number)
    path.parent.mkdir(parents=True)
    path.touch()
    if finished:
        store.layout.record(number).touch()
    return path


def test_a_ticket_is_found_by_itself_its_round_or_its_job(tmp_path):
    store = Store(tmp_path)
    store.claim(dict(identity={}))
    tickets = [round_of(store, 0), round_of(store, 1), round_of(store, 2, finished=False)]
    for path in tickets:
        assert find_ticket(path) == find_ticket(path.parent) == path
    assert find_ticket(tmp_path) == tickets[1]


def test_a_folder_without_a_ticket_is_refused(tmp_path):
    store = Store(tmp_path)
    round_of(store, 1)  # of nobody's job
    with pytest.raises(FileNotFoundError, match='holds no ticket.safetensors and no finished'):
        find_ticket(tmp_path)
    store.claim(dict(identity={}))
    with pytest.raises(FileNotFoundError, match='Give a ticket, the folder of its round'):
        find_ticket(tmp_path / 'round_01' / '..' / '..')
