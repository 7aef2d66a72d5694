"""Writes happen completely or not at all, whatever fails in between."""
import errno
import os
from pathlib import Path

import pytest

from mmlth.core import files


@pytest.fixture
def old(tmp_path):
    path = tmp_path / 'file.txt'
    path.write_text('old')
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(old):
    files.write_text(old, 'nëw')
    assert old.read_text(encoding='utf-8') == 'nëw'
    assert names(old.parent) == ['file.txt']


def test_the_old_file_is_there_until_the_block_ends(old):
    with files.atomic_path(old) as temporary:
        temporary.write_text('new')
        assert old.read_text() == 'old'
        assert temporary.parent == old.parent  # a rename across disks would copy
    assert old.read_text() == 'new'


def test_the_data_is_synced_before_the_rename_and_the_folder_after(old, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda handle: (calls.append('sync'), sync(handle)))
    monkeypatch.setattr(os, 'replace', lambda a, b: (calls.append('rename'), replace(a, b)))
    files.write_text(old, 'new')
    assert calls == ['sync', 'rename', 'sync']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_middle_leaves_the_old_file_alone(old, error):
    with pytest.raises(error), files.atomic_path(old) as temporary:
        temporary.write_text('half')
        raise error
    assert old.read_text() == 'old'
    assert names(old.parent) == ['file.txt']


@pytest.mark.parametrize('call', ['replace', 'fsync'])
def test_a_full_disk_leaves_the_old_file_and_is_named_in_the_error(old, monkeypatch, call):
    def fail(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, call, fail)
    message = r'cannot write .*file\.txt: No space.* MiB are free'
    with pytest.raises(OSError, match=message) as raised:
        files.write_text(old, 'new')
    assert raised.value.errno == errno.ENOSPC
    assert old.read_text() == 'old'
    assert names(old.parent) == ['file.txt']


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError, match='cannot write .*nowhere'):
        files.write_text(tmp_path / 'nowhere' / 'file.txt', 'new')


def test_a_private_temporary_becomes_as_readable_as_any_new_file(tmp_path):
    plain = tmp_path / 'plain'
    plain.touch()
    with files.atomic_path(tmp_path / 'ours') as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / 'ours').stat().st_mode == plain.stat().st_mode


def test_json_comes_back_as_it_was(tmp_path):
    value = dict(a=[1, 2.5, None], b=dict(c='ü', d=0.1 + 0.2))
    files.write_json(tmp_path / 'a.json', value)
    assert files.read_json(tmp_path / 'a.json') == value
    assert (tmp_path / 'a.json').read_text(encoding='utf-8').endswith('}\n')


def test_a_value_that_json_cannot_hold_leaves_the_old_file(old):
    with pytest.raises(TypeError):
        files.write_json(old, {'a': object()})
    assert old.read_text() == 'old'


@pytest.mark.parametrize('data', [
    pytest.param(b'{"a": 1', id='cut off'),
    pytest.param(b'', id='empty'),
    pytest.param(b'\xff\xfe\x00', id='no text at all'),
])
def test_damaged_json_is_an_error_that_names_the_file(tmp_path, data):
    (tmp_path / 'a.json').write_bytes(data)
    with pytest.raises(ValueError, match=r'a\.json is not valid JSON'):
        files.read_json(tmp_path / 'a.json')


def test_free_space_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path, monkeypatch):
    asked = []
    usage = files.shutil.disk_usage

    def ask(path):
        asked.append(Path(path))
        return usage(path)
    monkeypatch.setattr(files.shutil, 'disk_usage', ask)
    assert files.free_bytes(tmp_path / 'not' / 'yet') > 0
    assert asked == [tmp_path]


def test_a_link_keeps_the_rights_of_its_source_and_outlives_its_replacement(old, tmp_path):
    old.chmod(0o444)
    second = tmp_path / 'second'
    files.link_or_copy(old, second)
    assert second.samefile(old)
    assert old.stat().st_mode & 0o777 == 0o444
    files.write_text(second, 'new')
    assert (old.read_text(), second.read_text()) == ('old', 'new')


def test_a_disk_without_links_gets_a_copy_that_can_be_written(old, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.EXDEV, 'another disk')
    monkeypatch.setattr(os, 'link', fail)
    old.chmod(0o444)
    files.link_or_copy(old, tmp_path / 'second')
    assert (tmp_path / 'second').read_text() == 'old'
    assert (tmp_path / 'second').stat().st_mode & 0o200


def test_a_folder_is_locked_under_all_its_names(tmp_path):
    folder, other = tmp_path / 'folder', tmp_path / 'other'
    folder.mkdir()
    other.symlink_to(folder)
    with files.locked_folder(folder / '.lock'):
        refused = pytest.raises(BlockingIOError, match='this process is working on')
        with refused, files.locked_folder(other / '.lock'):
            pass


def test_a_folder_that_a_kill_left_aside_is_put_back(tmp_path):
    """Killed between the two renames: the old one is there under another name alone."""
    (tmp_path / '.set.old').mkdir()
    (tmp_path / '.set.old' / 'a').touch()
    with pytest.raises(KeyboardInterrupt), files.replaced_folder(tmp_path / 'set'):
        raise KeyboardInterrupt
    assert (tmp_path / 'set' / 'a').exists()
    with files.replaced_folder(tmp_path / 'set') as staging:
        (staging / 'b').touch()
    assert [path.name for path in (tmp_path / 'set').iterdir()] == ['b']
    assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_what_a_killed_process_left_of_a_folder_is_in_nobodys_way(tmp_path):
    (tmp_path / f'.set.{os.getpid()}.new').mkdir()
    with files.replaced_folder(tmp_path / 'set'):
        pass
    assert (tmp_path / 'set').stat().st_mode & 0o777 == 0o777 & ~files._UMASK
