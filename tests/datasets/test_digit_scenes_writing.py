"""How DigitScenes is written: the same each time, never over something else, never by halves."""

import importlib.util
import json
import time
from pathlib import Path

import numpy as np
import pytest

from mmlth.datasets.digit_scenes import build, digest, generate

TINY = dict(train=4, val=2, crops_per_class=1)


@pytest.fixture(autouse=True)
def blank_contact_sheet(monkeypatch):
    """Drawing it takes longer than writing a tiny set; ``folder`` has a real one."""
    blank = np.zeros((2, 2, 3), np.uint8)
    monkeypatch.setattr(build, 'draw_contact_sheet', lambda root: blank)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('digit_scenes') / 'set'
    generate(path, seed=0, **TINY, log=None)
    return path


def test_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    sets = [
        generate(tmp_path / name, seed=seed, **TINY, log=None)
        for name, seed in (('a', 1), ('b', 1), ('c', 2))
    ]
    assert sets[0]['sha256'] == sets[1]['sha256'] != sets[2]['sha256']
    assert sets[0]['sha256'] == digest(tmp_path / 'b')
    image = next((tmp_path / 'b' / 'VOC2007' / 'JPEGImages').iterdir())
    image.write_bytes(image.read_bytes() + b'\0')
    assert sets[0]['sha256'] != digest(tmp_path / 'b')


def test_an_image_does_not_depend_on_the_size_of_the_set(folder, tmp_path):
    generate(tmp_path / 'more', seed=0, **{**TINY, 'train': 6}, log=None)
    name = Path('VOC2007') / 'JPEGImages' / '000003.jpg'
    assert (tmp_path / 'more' / name).read_bytes() == (folder / name).read_bytes()
    more, fewer = (
        json.loads((root / 'annotations' / 'instances_train.json').read_text())
        for root in (tmp_path / 'more', folder)
    )
    assert more['annotations'][: len(fewer['annotations'])] == fewer['annotations']


def test_the_same_set_is_left_alone(folder):
    before, lines, start = (
        (folder / 'manifest.json').stat().st_mtime_ns,
        [],
        time.perf_counter(),
    )
    manifest = generate(folder, seed=0, **TINY, log=lines.append)
    assert time.perf_counter() - start < 1.0
    assert manifest == json.loads((folder / 'manifest.json').read_text())
    assert (folder / 'manifest.json').stat().st_mtime_ns == before
    assert len(lines) == 1 and 'nothing to do' in lines[0]


def test_a_foreign_folder_is_refused_even_with_overwrite(tmp_path):
    (tmp_path / 'mine.txt').write_text('precious')
    (tmp_path / 'manifest.json').write_text('{"name": "SomethingElse"}')
    for overwrite in (False, True):
        with pytest.raises(
            FileExistsError, match=r'not empty and has no manifest.json of Digit'
        ):
            generate(tmp_path, **TINY, overwrite=overwrite, log=None)
    assert (tmp_path / 'mine.txt').read_text() == 'precious'
    with pytest.raises(FileExistsError, match='is a file'):
        generate(tmp_path / 'mine.txt', **TINY, log=None)


def test_another_set_needs_overwrite_and_an_incomplete_one_is_named(tmp_path):
    generate(tmp_path / 'set', seed=1, **TINY, log=None)
    with pytest.raises(FileExistsError, match=r"'seed': 1.*'seed': 2.*--overwrite"):
        generate(tmp_path / 'set', seed=2, **TINY, log=None)
    assert (
        generate(tmp_path / 'set', seed=2, **TINY, overwrite=True, log=None)['seed']
        == 2
    )
    assert [path.name for path in tmp_path.iterdir()] == ['set']
    (tmp_path / 'set' / 'VOC2007' / 'JPEGImages' / '000001.jpg').unlink()
    with pytest.raises(FileExistsError, match='files missing'):
        generate(tmp_path / 'set', seed=2, **TINY, log=None)


def test_a_failure_leaves_the_old_set_and_no_rubbish(tmp_path, monkeypatch):
    old = generate(tmp_path / 'set', seed=1, **TINY, log=None)

    def fail(*_):
        raise OSError('disk full')

    monkeypatch.setattr(build, 'write_crops', fail)
    with pytest.raises(OSError, match='disk full'):
        generate(tmp_path / 'set', seed=2, **TINY, overwrite=True, log=None)
    assert [path.name for path in tmp_path.iterdir()] == ['set']
    assert digest(tmp_path / 'set') == old['sha256']


def test_a_break_between_old_and_new_leaves_the_old_set(tmp_path, monkeypatch):
    old = generate(tmp_path / 'set', seed=1, **TINY, log=None)
    rename = Path.rename

    def broken(self, target):
        if Path(target).name == 'set' and self.name.endswith('.new'):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', broken)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / 'set', seed=2, **TINY, overwrite=True, log=None)
    assert [path.name for path in tmp_path.iterdir()] == ['set']
    assert digest(tmp_path / 'set') == old['sha256']


def test_arguments_are_checked_before_anything_is_written(tmp_path):
    cases = [
        ('seed', -1, ValueError),
        ('train', 0, ValueError),
        ('val', 1.5, TypeError),
        ('crops_per_class', True, TypeError),
        ('train', 10**6, ValueError),
        ('hue_bias', 1.01, ValueError),
        ('hue_bias', 'much', TypeError),
    ]
    for name, value, error in cases:
        with pytest.raises(error, match=rf'{name}.*{value}'):
            generate(tmp_path / 'set', **{**TINY, name: value}, log=None)
        assert not list(tmp_path.iterdir())


def test_command(tmp_path, capsys):
    path = Path(__file__).parents[2] / 'tools' / 'make_digit_scenes.py'
    spec = importlib.util.spec_from_file_location('make_digit_scenes', path)
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    sizes = ['--train', '2', '--val', '1', '--crops-per-class', '1']
    assert command.main(['--out', str(tmp_path / 'set'), '--seed', '4', *sizes]) == 0
    assert 'train: 2 images' in capsys.readouterr().out
    assert command.main(['--out', str(tmp_path), *sizes]) == 1
    assert 'not empty' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(['--out', str(tmp_path / 'other'), '--train', '0'])
    assert 'train must be an int >= 1, got 0' in capsys.readouterr().err
