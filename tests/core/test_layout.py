"""File names below a work directory."""
from pathlib import Path

import pytest

from mmlth.core.layout import Layout


@pytest.mark.parametrize('attribute, expected', [
    ('settings', 'imp.json'), ('preflight', 'preflight.json'), ('preflight_text', 'preflight.txt'),
    ('rewind', 'rewind.safetensors'), ('summary', 'summary.json'), ('summary_csv', 'summary.csv'),
    ('report', 'report')])
def test_files_of_a_job(attribute, expected):
    assert getattr(Layout(Path('work')), attribute) == Path('work') / expected


def test_files_of_a_round():
    layout = Layout(Path('work'))
    assert layout.round_dir(0) == Path('work/round_00')
    assert layout.ticket(3) == Path('work/round_03/ticket.safetensors')
    assert layout.record(12) == Path('work/round_12/record.json')


def test_tickets_find_w_k_by_the_same_relative_path_in_every_round():
    layout = Layout(Path('/work'))
    for number in (0, 12):
        assert (layout.ticket(number).parent / '..' / layout.rewind.name).resolve() == layout.rewind


def test_relative_paths_have_no_work_directory_in_them():
    layout = Layout(Path('/a/work'))
    assert layout.relative(layout.ticket(1)) == 'round_01/ticket.safetensors'
    with pytest.raises(ValueError, match='/b'):
        layout.relative(Path('/b/ticket'))


def test_own_files_are_those_of_a_job_that_exist(tmp_path):
    layout = Layout(tmp_path)
    assert layout.own_files() == []
    for name in ('imp.json', 'notes.txt'):
        (tmp_path / name).touch()
    for name in ('round_00', 'round_01', 'round_one', 'round_01_backup'):
        (tmp_path / name).mkdir()
    assert [path.name for path in layout.own_files()] == ['imp.json', 'round_00', 'round_01']


def test_controls_are_those_with_a_record(tmp_path):
    layout = Layout(tmp_path)
    for number, control in ((2, 'random'), (1, 'dense'), (10, 'reinit')):
        layout.round_dir(number, control).mkdir(parents=True)
        layout.record(number, control).touch()
    layout.round_dir(1, 'shuffle').mkdir()
    assert layout.controls() == [(1, 'dense'), (2, 'random'), (10, 'reinit')]
