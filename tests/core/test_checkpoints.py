"""Checkpoints are read without unpickling classes, and the newest whole one is found."""

import pathlib
import re
import zipfile

import numpy as np
import pytest
import torch

from mmlth.core import checkpoints
from mmlth.core.checkpoints import (
    iterations_of,
    latest_checkpoint,
    load_checkpoint,
    load_state,
    reduce_checkpoint,
)


@pytest.fixture(params=[True, False], ids=['by torch', 'restricted'], autouse=True)
def _both_readers(request, monkeypatch):
    """Read as torch does, and as torch before 2.6 has to."""
    if request.param and not checkpoints.HAS_SAFE_GLOBALS:
        pytest.skip('this torch has no safe_globals')
    monkeypatch.setattr(checkpoints, 'HAS_SAFE_GLOBALS', request.param)


def save(folder, name, iteration=1, **content):
    torch.save(
        dict(meta=dict(iter=iteration), state_dict={'w': torch.ones(2)}, **content), folder / name
    )
    return folder / name


def test_what_numpy_and_pathlib_hold_is_read(tmp_path):
    values = dict(
        small=np.zeros(2, np.uint8),
        half=np.ones(2, np.float16),
        objects=np.array(['x', None], object),
        path=pathlib.Path('a/b'),
        scalar=np.int16(3),
        flags=np.array([True]),
        text=np.array(['ab']),
        numbers=range(3),
    )
    found = load_checkpoint(save(tmp_path, 'a.pth', **values))
    assert found['path'] == values['path'] and found['numbers'] == range(3) and found['scalar'] == 3
    for name in ('small', 'half', 'objects', 'flags', 'text'):
        assert found[name].dtype == values[name].dtype, name
        assert found[name].tolist() == values[name].tolist(), name


@pytest.mark.parametrize('module', ['numpy.core.multiarray', 'numpy._core.multiarray'])
def test_what_either_numpy_wrote_is_read(tmp_path, module):
    """Arrays are pickled by the name of a function that numpy 2 has moved."""
    written = save(tmp_path, 'a.pth', array=np.arange(3), scalar=np.float32(0.5))
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(tmp_path / 'b.pth', 'w') as new:
        for part in old.namelist():
            name = re.compile(rb'numpy\._?core\.multiarray')
            content = old.read(part)
            new.writestr(part, name.sub(module.encode(), content))
    found = load_checkpoint(tmp_path / 'b.pth')
    assert found['array'].tolist() == [0, 1, 2] and found['scalar'] == 0.5


class Foreign:
    pass


def test_other_classes_are_refused_by_name(tmp_path):
    with pytest.raises(
        ValueError,
        match=r'cannot read checkpoint .*a\.pth: Unsupported global: '
        r'GLOBAL test_checkpoints.Foreign',
    ):
        load_checkpoint(save(tmp_path, 'a.pth', other=Foreign()))


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_bomb_does_not_go_off(tmp_path):
    ran = tmp_path / 'ran'
    for zipped in (True, False):
        content = dict(meta=dict(iter=1), state_dict={}, bomb=Bomb(str(ran)))
        torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
        with pytest.raises(ValueError, match=r'cannot read checkpoint .*a\.pth.*open'):
            load_checkpoint(tmp_path / 'a.pth')
        assert not ran.exists()


class Known:
    pass


def test_a_pickle_cannot_change_a_class(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, '_extra', [*checkpoints._extra, Known])
    known = f'c{Known.__module__}\nKnown\n'.encode()
    poison = b'N}X\x06\x00\x00\x00poisonK\x01s\x86b.'  # {'poison': 1} for its attributes
    (tmp_path / 'a.pth').write_bytes(b'\x80\x02' + known + poison)
    with pytest.raises(ValueError, match=r'cannot read checkpoint .*a\.pth'):
        load_checkpoint(tmp_path / 'a.pth')
    assert not hasattr(Known, 'poison')


def test_torchscript_is_refused_unread(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'(?i)a\.pth: .*TorchScript'):
        load_checkpoint(tmp_path / 'a.pth')


def test_the_newest_whole_checkpoint_is_found(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    save(tmp_path, 'epoch_2.pth', 8)
    save(tmp_path, 'epoch_10.pth', 40)
    save(tmp_path, 'best_mAP_epoch_3.pth', 12)
    assert latest_checkpoint(tmp_path).name == 'epoch_10.pth'
    (tmp_path / 'epoch_11.pth').write_bytes((tmp_path / 'epoch_10.pth').read_bytes()[:200])
    assert latest_checkpoint(tmp_path).name == 'epoch_10.pth'
    save(tmp_path, 'iter_41.pth', 41)
    assert (
        latest_checkpoint(tmp_path).name == 'iter_41.pth'
        and iterations_of(tmp_path / 'iter_41.pth') == 41
    )


@pytest.mark.parametrize('several', [False, True], ids=['one optimizer', 'two optimizers'])
def test_a_reduced_checkpoint_keeps_weights_and_learning_rates(tmp_path, several):
    optimizer = dict(
        state={0: dict(momentum_buffer=torch.ones(2))}, param_groups=[dict(lr=0.5, params=[0])]
    )
    saved = dict(a=optimizer, b=optimizer) if several else optimizer
    path = save(
        tmp_path, 'epoch_1.pth', 4, optimizer=saved, ema_state_dict={'module.w': torch.ones(2)}
    )
    reduce_checkpoint(path)
    found = load_checkpoint(path)
    for each in found['optimizer'].values() if several else [found['optimizer']]:
        assert each == dict(state={}, param_groups=[dict(lr=0.5, params=[0])])
    assert 'ema_state_dict' not in found and iterations_of(path) == 4
    assert torch.equal(load_state(path)['w'], torch.ones(2))
    reduce_checkpoint(path)  # again changes nothing
    assert load_checkpoint(path)['optimizer'] == found['optimizer']


def test_what_torch_says_of_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def fail(*args):
        raise RuntimeError('[enforce fail at inline_container.cc:672] unexpected pos 704 vs 598')
    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(OSError, match='cannot write .*a.pth: .*MiB are free'):
        checkpoints.save_checkpoint({}, tmp_path / 'a.pth')
    assert not list(tmp_path.iterdir())
