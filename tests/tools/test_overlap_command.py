"""The command on two seeds of a toy job, and what it says to wrong arguments."""
import json

import pytest
import toys
from conftest import run_job

from mmlth.cli.main import main


@pytest.fixture(scope='module')
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('jobs')
    found = [folder / 'seed_0', folder / 'seed_1']
    for seed, work_dir in enumerate(found):
        run_job(toys.read_config(folder), work_dir, rounds=1, seed=seed)
    return found


def test_two_seeds_are_compared(jobs, tmp_path, capsys):
    out = tmp_path / 'new' / 'out'
    assert main(['overlap', *map(str, jobs), '--out', str(out)]) == 0
    found = json.loads((out / 'overlap.json').read_text())
    assert [each['name'] for each in found['tickets']] == ['seed_0', 'seed_1']
    (pair, ) = found['pairs']
    assert 0 < pair['iou'] < 1 and pair['end_signs'] and pair['start_signs']
    assert all(each['signs_kept'] for each in found['tickets'])
    assert (out / 'overlap.png').stat().st_size > 1000
    assert 'signs of w_k kept' in capsys.readouterr().out


def test_a_ticket_alone_and_names_twice_are_refused(jobs, tmp_path, capsys):
    for args in ([jobs[0]], [*jobs, '--names', 'a', 'a'], [*jobs, '--names', 'a']):
        with pytest.raises(SystemExit) as ended:
            main(['overlap', *map(str, args), '--out', str(tmp_path / 'out')])
        assert ended.value.code == 2
    assert 'a name of its own' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
