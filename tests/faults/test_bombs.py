"""A pickle that runs code when it is read, given to every command and at every place of a job."""
import shutil

import pytest
import torch
import toys
from conftest import run_job

from mmlth.cli.main import main
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture(autouse=True)
def bomb(tmp_path):
    """A checkpoint with a bomb in it, which must not have gone off at the end of the test."""
    path = tmp_path / 'bomb.pth'
    state = toys.ToyNet().state_dict()
    torch.save(dict(meta=dict(iter=12), state_dict=state, bomb=Bomb(tmp_path / 'boom')), path)
    yield path
    assert not (tmp_path / 'boom').exists()


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A finished job, which no test changes."""
    folder = tmp_path_factory.mktemp('finished')
    run_job(toys.read_config(folder), folder / 'job', keep='all', **SETTINGS)
    return folder / 'job'


def test_the_bomb_is_one(bomb, tmp_path):
    torch.load(bomb, weights_only=False)
    assert (tmp_path / 'boom').exists()
    (tmp_path / 'boom').unlink()


@pytest.mark.parametrize('command', [
    'inspect BOMB',
    'inspect TICKET --compare BOMB',
    'test BOMB',
    'export BOMB OUT.pth',
    'plot BOMB',
    'study BOMB',
    'train BOMB --work-dir OUT',
    'train CONFIG --ticket BOMB --work-dir OUT',
    'train CONFIG --init-from BOMB --work-dir OUT',
    'train CONFIG --work-dir OUT --cfg-options load_from=BOMB',
    'dry-run CONFIG --init-from BOMB',
    'transfer BOMB CONFIG OUT.safetensors',
    'transfer BOMB CONFIG OUT.safetensors --sparsity 0.5'])
def test_no_command_runs_it(command, bomb, finished, tmp_path, capsys):
    places = dict(BOMB=bomb, OUT=tmp_path / 'out', CONFIG=toys.write_config(tmp_path),
                  TICKET=finished / 'round_01/ticket.safetensors')
    for word, path in places.items():
        command = command.replace(word, str(path))
    try:
        code = main(command.split())
    except SystemExit as exit_:
        code = exit_.code
    assert code in (1, 2)
    assert 'bomb.pth' in capsys.readouterr().err
    assert not list((tmp_path / 'out').glob('round_*'))


@pytest.mark.parametrize('place', [
    'round_00/epoch_3.pth', 'round_00/ticket.safetensors', 'round_01/ticket.safetensors',
    'round_01/epoch_3.pth', 'rewind.safetensors', 'imp.json', 'round_00/record.json',
    'preflight.json', 'summary.json', 'round_01/last_checkpoint'])
@pytest.mark.parametrize('unfinished', ['round_01', 'train again'])
def test_no_place_of_a_job_runs_it(place, unfinished, bomb, finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'job')
    target = tmp_path / 'job' / place
    assert target.exists()
    if unfinished == 'round_01':
        (tmp_path / 'job/round_01/record.json').unlink()
    else:
        shutil.rmtree(tmp_path / 'job/round_01')
        target.parent.mkdir(exist_ok=True)
    shutil.copy(bomb, target)
    try:
        IMPRunner(toys.read_config(tmp_path), IMPConfig(**SETTINGS, keep='all'),
                  tmp_path / 'job').run()
    except (ValueError, OSError) as error:
        assert target.name in str(error)
