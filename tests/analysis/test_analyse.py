"""From dumped predictions to tables and figures; and what is said where they are missing."""
import json

import made_jobs
import pytest
from made_jobs import dump, found, perfect, truth

from mmlth.analysis.analyse import analyse
from mmlth.analysis.trainings import find_trainings
from mmlth.core.layout import Layout


@pytest.fixture
def job(tmp_path):
    """A job whose dense net finds everything, and whose ticket nothing that is wide."""
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth()))
    work_dir = tmp_path / 'job'
    dense, ticket, _ = made_jobs.write_job(work_dir, (0.5, 0.25, 0.1))
    dump(dense, dict(bbox=perfect()), path, path)
    dump(ticket, dict(bbox=[*perfect(categories=[1, 2]), found(1, 3, bbox=[0, 0, 9, 9])]), path)
    return work_dir


def test_what_the_ticket_lost_stands_in_its_row(job):
    text = analyse([job], ['objects'])
    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines() if 'bbox' in line}
    assert rows['wide'] == ['2', '1', '1.000', '0.000', '(-100%)']
    assert rows['tall'][2:] == ['1.000', '1.000', '(+0%)']
    assert 'frequent' in rows and 'easy' in rows
    report = job / 'report'
    assert (report / 'analyses.txt').read_text() == text + '\n'
    tables = (report / 'analyses.md').read_text()
    assert all(f'### {line}\n' in tables for line in ('size', 'difficulty'))
    assert '| task | item | objects | n | dense |' in tables
    assert (report / 'objects.png').stat().st_size > 5000
    measured = json.loads((report / 'analyses.json').read_text())['measured']
    assert {one['training'] for one in measured} == {'dense', '50.00%'}
    assert len((report / 'analyses.csv').read_text().splitlines()) == 1 + len(measured)


def test_seeds_are_averaged(job, tmp_path):
    other = tmp_path / 'other'
    dense, ticket = made_jobs.write_job(other, (0.5, 0.25), seed=1)
    for folder in (dense, ticket):
        dump(folder, dict(bbox=perfect()), tmp_path / 'truth.json')
    text = analyse([job, other], ['objects'], out=tmp_path / 'out')
    wide = next(line.split() for line in text.splitlines() if line.split()[1:2] == ['wide'])
    assert wide[2:6] == ['2', '2', '1.000', '0.500'] and wide[6].startswith('(-50%')
    assert not (other / 'report').exists()


def test_what_are_no_seeds_of_one_ticket_is_not_averaged(job, tmp_path):
    other = tmp_path / 'other'
    for folder in made_jobs.write_job(other, (0.5, 0.25), seed=0):
        dump(folder, dict(bbox=perfect()), tmp_path / 'truth.json')
    with pytest.raises(ValueError, match='both 50.00% and seed=0. Give each seed once'):
        analyse([job, other], ['objects'], out=tmp_path / 'out')
    made_jobs.write_job(other, (0.5, 0.25), seed=1, allocation='layerwise')
    with pytest.raises(ValueError, match='both 50.00%, but allocation differ'):
        analyse([job, other], ['objects'], out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_missing_predictions_are_told_with_their_commands(job):
    (job / 'round_01' / 'predictions.json').unlink()
    with pytest.raises(FileNotFoundError) as error:
        analyse([job])
    lines = str(error.value).splitlines()
    assert [f'  `mmlth test {job}/round_0{n} --dump`' for n in (1, 2)] == lines[1:]
    assert not (job / 'report').exists()


def test_a_dump_that_lost_a_file_is_named(job):
    (job / 'round_01' / 'predictions.bbox.json').unlink()
    with pytest.raises(FileNotFoundError, match='lacks predictions.bbox.json. Dump'):
        analyse([job], ['objects'])


def test_a_dump_of_another_version_is_refused(job):
    (job / 'round_00' / 'predictions.json').write_text('{"version": 2}')
    with pytest.raises(ValueError, match='no description of predictions of version 1'):
        analyse([job], ['objects'])


def test_one_round_is_compared_with_its_own_dense_net(job):
    (job / 'imp.json').touch()
    ticket = Layout(job).ticket(2)
    ticket.parent.mkdir()
    ticket.touch()
    assert [one.label for one in find_trainings([ticket.parent])] == ['dense', '66.67%']


def test_jobs_of_several_configs_are_not_averaged(job, tmp_path):
    made_jobs.write_job(tmp_path / 'other', config='d.py')
    with pytest.raises(ValueError, match='several configs .* averaged: c.py, d.py'):
        find_trainings([job, tmp_path / 'other'])


def test_a_folder_that_is_no_job_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no ticket.safetensors'):
        find_trainings([tmp_path])
