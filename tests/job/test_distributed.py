"""Two gloo processes on the CPU end with one ticket and a summary like that of one process."""
import json

import pytest
import toys
from conftest import run_job, run_on_two_ranks
from rank_digests import what_ranks_hold

from mmlth.core.mask_history import read_looks
from mmlth.core.masks import kept
from mmlth.core.ticket import load_ticket

IMPORTS = dict(imports=['toys', 'rank_digests', 'mmlth.engine.hooks.early_bird_hook'])
DIGESTS = dict(type='RankDigests')


def rounds_of(work_dir):
    return json.loads((work_dir / 'summary.json').read_text())['rounds']


@pytest.fixture(scope='module')
def on_two_ranks(tmp_path_factory):
    """A finished job of two ranks: config and work directory."""
    folder = tmp_path_factory.mktemp('two')
    config = toys.write_config(
        folder, custom_hooks=[DIGESTS], custom_imports=IMPORTS,
        model_wrapper_cfg=dict(type='MMDistributedDataParallel'))
    run_on_two_ranks(config, folder / 'job')
    return config, folder / 'job'


def test_two_ranks_prune_the_same(on_two_ranks, toy_cfg, tmp_path):
    _, work_dir = on_two_ranks
    two, one = rounds_of(work_dir), run_job(toy_cfg, tmp_path / 'one').rounds
    for key in ('kept', 'sparsity', 'network_sparsity', 'scope_size', 'parameters'):
        assert [r[key] for r in two] == [r[key] for r in one]
    assert [set(r['metrics']) for r in two] == [{'toy/mAP'}] * 3
    assert [r['steps'] for r in two] == [6, 6, 6]
    assert [r['steps'] for r in one] == [12, 12, 12]
    for number in (1, 2):
        folder = work_dir / f'round_{number:02d}'
        first, second = what_ranks_hold(folder)
        masks = load_ticket(folder / 'ticket.safetensors').masks
        assert first == second
        assert first['pruned_nonzero'] == 0 and first['zeros'] == toys.SIZE - kept(masks)


@pytest.mark.slow
def test_two_ranks_go_on_after_a_finished_job(on_two_ranks):
    before = rounds_of(on_two_ranks[1])
    assert 'mAP' in run_on_two_ranks(*on_two_ranks).stdout
    assert rounds_of(on_two_ranks[1]) == before


@pytest.mark.slow
def test_two_ranks_end_early_at_the_same_step(tmp_path):
    hook = dict(
        type='EarlyBirdHook', folder=str(tmp_path / 'eb'), density=0.5, names=toys.NAMES,
        fraction=0.5, interval=1)
    config = toys.write_config(
        tmp_path, custom_hooks=[hook, DIGESTS], custom_imports=IMPORTS,
        imp=dict(scope='all', target_sparsity=0.5, rounds=1))
    run_on_two_ranks(config, tmp_path / 'two')
    # Of 6 steps, in the middle of an epoch of 2.
    assert [r['steps'] for r in rounds_of(tmp_path / 'two')] == [3, 3]
    first, second = what_ranks_hold(tmp_path / 'two' / 'round_01')
    assert first == second
    looks = read_looks(tmp_path / 'eb')
    assert [look['step'] for look in looks] == [0, 1, 2, 3]  # rank 0 alone writes
