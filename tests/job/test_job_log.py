"""The lines in which a job says what became of it, on the console and in imp.log."""
import re

import pytest
import toys
from conftest import run_job

LOUD = dict(log_level='INFO')


@pytest.fixture
def cfg(tmp_path):
    return toys.read_config(tmp_path, **LOUD)


def console(capsys):
    """Return the job's own lines on the console since the last call."""
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix('[mmlth] ') for line in lines if line.startswith('[mmlth] ')]


def without_time(path):
    return [re.sub(r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ', '', line)
            for line in path.read_text().splitlines()]


def test_a_job_says_two_lines_a_training_and_writes_them_down(cfg, tmp_path, capsys):
    summary = run_job(cfg, tmp_path / 'job')
    said = console(capsys)
    assert said == without_time(tmp_path / 'job' / 'imp.log')
    assert said[0] == f'{tmp_path}/job: begins; finished are 0 of 3 trainings'
    assert [line.split(',')[0] for line in said[1::2]] == ['round 0/2', 'round 1/2', 'round 2/2']
    for record, line in zip(summary.rounds, said[2::2], strict=True):
        expected = (f'round {record["round"]} done: sparsity {record["sparsity"]:.2%} '
                    f'(network {record["network_sparsity"]:.2%}), '
                    f'mAP {record["metrics"]["toy/mAP"]:.3f}, {record["seconds"]:.0f} s')
        assert line == expected


def test_a_finished_job_says_so_in_one_line(cfg, tmp_path, capsys):
    run_job(cfg, tmp_path / 'job')
    console(capsys)
    run_job(cfg, tmp_path / 'job')
    assert console(capsys) == [f'already done: all 3 trainings are finished in {tmp_path}/job']


def test_a_job_that_goes_on_says_where_it_stands(cfg, tmp_path, capsys):
    run_job(cfg, tmp_path / 'job', keep='all')
    last = tmp_path / 'job' / 'round_02'
    (last / 'record.json').unlink()
    (last / 'epoch_3.pth').unlink()  # as if it had been killed after two of three epochs
    console(capsys)
    run_job(cfg, tmp_path / 'job', keep='all')
    begin, resumed, _ = console(capsys)
    assert begin == f'{tmp_path}/job: goes on in round 2; finished are 2 of 3 trainings'
    assert resumed.endswith('goes on, 67% of its iterations are done')


def test_a_quiet_config_keeps_the_console_quiet_and_the_file_whole(tmp_path, capsys):
    run_job(toys.read_config(tmp_path), tmp_path / 'job')
    assert console(capsys) == []
    assert len(without_time(tmp_path / 'job' / 'imp.log')) == 7
