"""Checkpoints and tickets of a job that were damaged, swapped or made to run code."""
import copy
import shutil

import pytest
import torch
import toys
from conftest import run_job

from mmlth.core import checkpoints
from mmlth.core.mask_coding import pack, unpack
from mmlth.core.store import Store
from mmlth.core.training import Training

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A finished job, which no test changes, and its config."""
    folder = tmp_path_factory.mktemp('finished')
    cfg = toys.read_config(folder)
    run_job(copy.deepcopy(cfg), folder / 'job', keep='all', **SETTINGS)
    return cfg, folder / 'job'


@pytest.fixture
def job(finished, tmp_path):
    """A copy of it whose round 1 isn't finished: config, folder, digest that it must end with."""
    cfg, work_dir = finished
    shutil.copytree(work_dir, tmp_path / 'job')
    wanted = Store(work_dir).record(Training(number=1)).digests
    (tmp_path / 'job/round_01/record.json').unlink()
    return copy.deepcopy(cfg), tmp_path / 'job', wanted


def flip_weight(path):
    """Flip a bit in the stored weights of a checkpoint."""
    data = bytearray(path.read_bytes())
    weight = checkpoints.load_state(path)['backbone.conv2.weight'].numpy().tobytes()
    data[data.index(weight) + 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_in_a_checkpoint_to_resume_from_is_passed_over(job, caplog):
    cfg, work_dir, wanted = job
    flip_weight(work_dir / 'round_01/epoch_3.pth')
    found = run_job(cfg, work_dir, keep='all', **SETTINGS)
    assert found.rounds[1]['digests'] == wanted
    assert 'epoch_3.pth is damaged' in caplog.text


@pytest.mark.parametrize('damage', [
    pytest.param(lambda path: flip_weight(path), id='flipped bit'),
    pytest.param(lambda path: shutil.copy(path.with_name('epoch_2.pth'), path), id='swapped')])
def test_weights_that_are_not_those_of_the_record_are_never_ranked(job, damage):
    cfg, work_dir, _ = job
    shutil.rmtree(work_dir / 'round_01')
    damage(work_dir / 'round_00/epoch_3.pth')
    with pytest.raises(ValueError, match='epoch_3.pth: holds other weights .*damaged or swapped'):
        run_job(cfg, work_dir, keep='all', **SETTINGS)
    assert not (work_dir / 'round_01/ticket.safetensors').exists()


def test_a_checkpoint_that_no_training_wrote_is_named(tmp_path):
    torch.save(dict(state_dict={}), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth was not written by an MMEngine training'):
        checkpoints.iterations_of(tmp_path / 'a.pth')


def test_a_mask_of_a_small_stream_cannot_fill_the_memory():
    stream = pack(torch.ones(1 << 20, dtype=torch.bool).logical_not().index_fill(
        0, torch.arange(0, 1 << 20, 2), True))
    with pytest.raises(ValueError, match='more bytes than shape .3,. has weights'):
        unpack(stream, (3, ))


@pytest.mark.parametrize('swapped', [
    ['round_01/ticket.safetensors'],
    ['rewind.safetensors'],
    ['round_01/ticket.safetensors', 'rewind.safetensors']], ids='+'.join)
def test_a_whole_ticket_of_another_job_is_named(job, tmp_path, swapped):
    cfg, work_dir, wanted = job
    run_job(copy.deepcopy(cfg), tmp_path / 'other', **SETTINGS, seed=5)
    for path in (work_dir / 'round_01').glob('*.pth'):
        path.unlink()
    own = {name: (work_dir / name).read_bytes() for name in swapped}
    for name in swapped:
        shutil.copy(tmp_path / 'other' / name, work_dir / name)
    with pytest.raises(ValueError, match=r'job/.*\.safetensors.* (another|its own) job'):
        run_job(copy.deepcopy(cfg), work_dir, keep='all', **SETTINGS)
    for name in swapped:
        (work_dir / name).write_bytes(own[name])
    assert run_job(cfg, work_dir, keep='all', **SETTINGS).rounds[1]['digests'] == wanted
