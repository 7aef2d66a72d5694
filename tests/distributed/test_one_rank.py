"""Two ranks end with the tickets of one that was given the same gradients, bit for bit."""
import as_two_ranks
import pytest
import toys
from conftest import run_job, run_on_two_ranks
from mmengine.config import Config

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import digest

BUFFERS = ('running_mean', 'running_var', 'num_batches_tracked')


def parameters(work_dir, number):
    """Return the digest of the weights that a round ended with, without BN's buffers."""
    (path, ) = (work_dir / f'round_{number:02d}').glob('epoch_*.pth')
    return digest({n: w for n, w in load_state(path).items() if not n.endswith(BUFFERS)})


@pytest.mark.slow
@pytest.mark.parametrize('clip', [{}, dict(clip_grad=dict(max_norm=0.01))], ids=['', 'clipped'])
def test_two_ranks_find_the_tickets_of_one(tmp_path, clip):
    loader = dict(toys.toy_loader(shuffle=True, augment=False), drop_last=True)
    path = toys.write_config(
        tmp_path, model=dict(type='ToyNet', dropout=0.0), train_dataloader=loader,
        optim_wrapper={**toys.toy_config()['optim_wrapper'], **clip})
    run_on_two_ranks(path, tmp_path / 'two')
    one = run_job(as_two_ranks.as_two_ranks(Config.fromfile(path)), tmp_path / 'one')
    assert [r['steps'] for r in one.rounds] == [6, 6, 6]  # as those of two ranks
    found = as_two_ranks.tickets(tmp_path / 'two')
    assert len({masks for masks, _ in found}) == 3
    assert found == as_two_ranks.tickets(tmp_path / 'one')
    for number in range(3):
        assert parameters(tmp_path / 'two', number) == parameters(tmp_path / 'one', number)
