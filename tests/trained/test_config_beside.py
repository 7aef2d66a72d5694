"""The config of a round lies where MMEngine left it, or in another round of its job."""
import pytest

from mmlth.trained.evaluate import config_beside


@pytest.fixture(autouse=True)
def job(tmp_path):
    (tmp_path / 'imp.json').touch()


def made(path, text=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_of_its_own_round_first(tmp_path):
    made(tmp_path / 'round_01' / 'a.py')
    own = made(tmp_path / 'round_00' / 'b.py')
    assert config_beside(tmp_path / 'round_00' / 'ticket.safetensors') == own


def test_of_another_round_where_the_dense_one_was_shared(tmp_path):
    other = made(tmp_path / 'round_01' / 'a.py')
    (tmp_path / 'round_00').mkdir()
    assert config_beside(tmp_path / 'round_00' / 'ticket.safetensors') == other


def test_what_to_do_where_there_is_none(tmp_path):
    (tmp_path / 'round_00').mkdir()
    with pytest.raises(FileNotFoundError, match='no config lies beside .*; name one with --config'):
        config_beside(tmp_path / 'round_00' / 'ticket.safetensors')


def test_a_ticket_of_no_job_is_tested_by_the_one_config_beside_it(tmp_path):
    ticket = tmp_path / 'a' / 'b' / 'mine' / 'ticket.safetensors'
    made(tmp_path / 'a' / 'b' / 'mine' / 'a_script.py', "open('ran', 'w')\nmodel = 1\n")
    config = made(tmp_path / 'a' / 'b' / 'mine' / 'b.py', "model = dict(type='A')\n")
    assert config_beside(ticket) == config
    made(tmp_path / 'a' / 'b' / 'mine' / 'c.py', "model = dict(type='B')\n")
    with pytest.raises(FileNotFoundError, match=r'several configs .* \(b.py, c.py\); name one'):
        config_beside(ticket)
