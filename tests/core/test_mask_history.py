"""Files of an early bird: looks that a kill can't spoil, masks, the final comparison."""
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from mmlth.core import mask_history as files
from mmlth.core.mask_coding import pack


def masks(*rows, name='w'):
    return {name: torch.tensor(rows, dtype=torch.bool)}


def save(folder, step, *rows):
    stored = files.StoredMasks(step=step, max_iters=40, alive={'w': 4}, masks=masks(*rows))
    files.save_masks(folder, stored)


def look(step):
    return dict(step=step, previous=[])


def fill(folder, steps):
    folder.mkdir(exist_ok=True)
    for step in steps:
        files.append_look(folder, look(step))
        save(folder, step, 1, 1, 0, step % 20 == 10)


def test_a_resumed_training_sees_later_looks_again(tmp_path):
    fill(tmp_path / 'eb', [10, 20, 30])
    files.write_final(tmp_path / 'eb', masks(1, 1, 0, 0))
    files.forget_after(tmp_path / 'eb', 20)
    assert files.read_looks(tmp_path / 'eb') == [look(10), look(20)]
    assert sorted(p.name for p in (tmp_path / 'eb').iterdir()) == [
        'looks.jsonl', 'masks_00000010.safetensors', 'masks_00000020.safetensors']


def test_a_fresh_training_forgets_all(tmp_path):
    fill(tmp_path / 'eb', [0, 10])
    files.forget_after(tmp_path / 'eb', -1)
    assert files.read_looks(tmp_path / 'eb') == [] and not list((tmp_path / 'eb').glob('masks*'))


def test_the_folder_is_made_with_its_parents(tmp_path):
    files.forget_after(tmp_path / 'a' / 'b', -1)
    assert (tmp_path / 'a' / 'b').is_dir()


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path):
    fill(tmp_path, [10, 20])
    path = tmp_path / 'looks.jsonl'
    path.write_text(path.read_text()[:-5])
    assert files.read_looks(tmp_path) == [look(10)]
    files.forget_after(tmp_path, 15)
    files.append_look(tmp_path, look(20))
    assert files.read_looks(tmp_path) == [look(10), look(20)]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / 'looks.jsonl').write_text('{"step": 1}\n{"step"\n{"step": 3}\n')
    with pytest.raises(ValueError, match='looks.jsonl, line 2 is not valid JSON'):
        files.read_looks(tmp_path)


def test_comparison_with_the_final_masks(tmp_path):
    save(tmp_path, 30, [1, 1], [0, 0])
    save(tmp_path, 10, [0, 0], [1, 1])
    save(tmp_path, 20, [1, 0], [1, 0])
    rows = files.write_final(tmp_path, masks([1, 1], [0, 0]))
    assert [(r['step'], r['max_iters'], r['iou']) for r in rows] == [
        (10, 40, 0), (20, 40, 1 / 3), (30, 40, 1)]
    assert [r['chance_iou'] for r in rows] == pytest.approx([1 / 3] * 3)
    assert [r['layers']['w']['hamming'] for r in rows] == [1, 0.5, 0]
    assert files.read_final(tmp_path) == dict(version=1, kept=2, looks=rows)


def test_stored_masks_come_back(tmp_path):
    stored = files.StoredMasks(step=7, max_iters=40, alive={'u': 2, 'v': 3}, masks={
        'u': torch.tensor([[True], [False]]), 'v': torch.tensor([True, False, True, False])})
    files.save_masks(tmp_path, stored)
    (step, path), = files.mask_files(tmp_path)
    found = files.read_masks(path)
    assert (step, path.name) == (7, 'masks_00000007.safetensors')
    assert (found.step, found.max_iters, found.alive) == (7, 40, {'u': 2, 'v': 3})
    assert list(found.masks) == ['u', 'v']
    assert all(torch.equal(found.masks[name], m) for name, m in stored.masks.items())


def test_files_hold_masks_as_tickets_do(tmp_path):
    save(tmp_path, 10, 1, 0, 0, 0)
    with safe_open(str(tmp_path / 'masks_00000010.safetensors'), 'np') as file:
        assert file.get_tensor('w').tobytes() == pack(masks(1, 0, 0, 0)['w'])


def damage(path):
    path.write_bytes(path.read_bytes()[:-3])


def of_format(name, version):
    def write(path):
        metadata = dict(format=name, version=version)
        save_file({'w': np.zeros(1, np.uint8)}, str(path), metadata=metadata)
    return write


def spoil_stream(path):
    with safe_open(str(path), 'np') as file:
        metadata = file.metadata()
    save_file({'w': np.zeros(1, np.uint8)}, str(path), metadata=metadata)


@pytest.mark.parametrize('spoil, final, error, message', [
    (lambda p: p.unlink(), masks(1, 1, 0, 0), FileNotFoundError, 'holds no masks.*early_bird=dict'),
    (damage, masks(1, 1, 0, 0), ValueError, 'masks_00000010.safetensors is truncated or damaged'),
    (spoil_stream, masks(1, 1, 0, 0), ValueError, "00000010.safetensors is .* damaged .*'w': dam"),
    (of_format('other', '2'), masks(1, 1, 0, 0), ValueError,
     '00000010.safetensors is no mask file'),
    (of_format('mmlth.early_bird_masks', '1'), masks(1, 1, 0, 0), ValueError,
     '00000010.safetensors has format version 1, but 2 is read here. Delete it'),
    (lambda p: None, masks(1, 1, 0, 0, name='v'), ValueError,
     "'v' is in the second masks but not")])
def test_what_cannot_be_compared_is_named(tmp_path, spoil, final, error, message):
    fill(tmp_path, [10])
    spoil(tmp_path / 'masks_00000010.safetensors')
    with pytest.raises(error, match=message):
        files.write_final(tmp_path, final)
    assert not (tmp_path / 'final.json').exists()


@pytest.mark.parametrize('text, error, message', [
    (None, FileNotFoundError, 'final.json does not exist: it is written when'),
    ('{"version": 2}', ValueError, 'another version'), ('[]', ValueError, 'another version'),
    ('{', ValueError, 'not valid JSON')])
def test_a_final_comparison_that_cannot_be_read_is_named(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / 'final.json').write_text(text)
    with pytest.raises(error, match=message):
        files.read_final(tmp_path)


def test_looks_are_lines_of_json(tmp_path):
    fill(tmp_path, [10, 20])
    assert [json.loads(line)['step'] for line in (tmp_path / 'looks.jsonl').open()] == [10, 20]
