import json

import numpy as np
import pytest
import torch

from mmlth.core import early_bird_files as files
from mmlth.core.early_bird import compare, EarlyBird, pack_bits, settled
from mmlth.core.masks import overlap


def masks(*rows, name='w'):
    return {name: torch.tensor(rows, dtype=torch.bool)}


def packed(*bits, name='w'):
    return {name: np.packbits(np.array(bits, np.uint8))}


# settings


@pytest.mark.parametrize('settings, message', [
    (dict(interval=0), 'interval=0 must be a whole number of steps.*at least 1'),
    (dict(interval=-5), 'interval=-5 must be'), (dict(interval=2.5), 'interval=2.5 must be'),
    (dict(interval=True), 'interval=True must be'),
    (dict(patience=0), 'patience=0 must be a whole number of masks, at least 1'),
    (dict(patience=None), 'patience=None must be'),
    (dict(tolerance=0), r'tolerance=0 must be in \(0, 1\)'), (dict(tolerance=1.0), 'tolerance=1.0 must be'),
    (dict(tolerance='low'), "tolerance='low' must be"), (dict(tolerance=True), 'tolerance=True must be'),
    (dict(fraction=0), r'fraction=0 must be in \(0, 1\]'), (dict(fraction=1.01), 'fraction=1.01 must be'),
    (dict(fraction='half'), "fraction='half' must be"), (dict(fraction=True), 'fraction=True must be')])
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f'early_bird: {message}'):
        EarlyBird(**settings)


@pytest.mark.parametrize('settings, steps, begin, expected', [
    pytest.param(dict(), 1000, 0, (20, 1000), id='a fiftieth'),
    pytest.param(dict(), 12, 0, (1, 12), id='a fiftieth of a short training'),
    pytest.param(dict(interval=100), 1000, 0, (100, 1000), id='given'),
    pytest.param(dict(fraction=0.5, interval=7), 1000, 0, (7, 500), id='half'),
    pytest.param(dict(fraction=1.0, interval=1000), 1000, 0, (1000, 1000), id='watch only'),
    pytest.param(dict(fraction=0.001, interval=1), 12, 0, (1, 1), id='at least one step'),
    pytest.param(dict(fraction=0.5, interval=1), 12, 6, (1, 6), id='just when w_k is captured'),
    pytest.param(dict(interval=100, patience=2), 801, 501, (100, 801), id='looks at 600, 700, 800')])
def test_plan(settings, steps, begin, expected):
    assert EarlyBird(**settings).plan(steps, begin) == expected


@pytest.mark.parametrize('settings, steps, begin, message', [
    (dict(interval=13), 12, 0, 'interval=13 is longer than the training, which has 12 steps'),
    (dict(interval=13, fraction=0.5), 12, 0, 'interval=13 is longer than the training'),
    (dict(interval=1, fraction=0.25), 12, 4, 'fraction=0.25 ends the training at step 3, before.*at step 4'),
    (dict(interval=2, patience=6), 12, 0, 'from step 0 on, every interval=2 .* patience=6 could not .* 12'),
    (dict(interval=100, patience=2), 800, 501, 'from step 600 on'),
    (dict(interval=1), 12, 7, 'from step 7 on.*fraction=1.0')])
def test_what_cannot_work_is_refused(settings, steps, begin, message):
    with pytest.raises(ValueError, match=f'early_bird: .*{message}'):
        EarlyBird(**settings).plan(steps, begin)


@pytest.mark.parametrize('distances, patience, expected', [
    ([], 1, False), ([0.1], 1, True), ([0.1], 2, False), ([0.1, 0.1], 2, True), ([0.9, 0.1, 0.1], 2, True),
    ([0.1, 0.9, 0.1], 2, False), ([0.1, 0.2], 2, False), ([0.0, 0.0, 0.0], 3, True)])
def test_settled_asks_the_last_ones_to_be_below(distances, patience, expected):
    assert settled(distances, 0.2, patience) == expected


# comparison


@pytest.mark.parametrize('a, b, alive, expected', [
    pytest.param([1, 1, 0, 0], [1, 1, 0, 0], 4, (1, 0, 1 / 3, 1 / 2, 0), id='equal'),
    pytest.param([1, 1, 0, 0], [0, 0, 1, 1], 4, (0, 1, 1 / 3, 1 / 2, 2), id='opposite'),
    pytest.param([1, 1, 0, 0], [1, 0, 1, 0], 4, (1 / 3, 1 / 2, 1 / 3, 1 / 2, 1), id='as by chance'),
    pytest.param([1, 1, 1, 0], [1, 1, 0, 1], 4, (1 / 2, 1 / 2, 9 / 15, 3 / 8, 4 / 3), id='three of four'),
    # Two of three alive: by chance 4/3 are shared and 8/3 kept by either; they differ on 2 of 3.
    pytest.param([1, 1, 0, 0], [1, 0, 1, 0], 3, (1 / 3, 2 / 3, 1 / 2, 4 / 9, 3 / 2), id='one is dead'),
    pytest.param([1, 1], [1, 1], 2, (1, 0, 1, 0, 0), id='nothing pruned'),
    pytest.param([0, 0], [0, 0], 2, (1, 0, 1, 0, 0), id='nothing kept'),
    pytest.param([0, 0], [0, 0], 0, (1, 0, 1, 0, 0), id='nothing alive'),
    pytest.param([1, 1], [0, 0], 2, (0, 1, 0, 1, 1), id='all or nothing')])
def test_compare_numbers_in_the_head(a, b, alive, expected):
    found = compare(packed(*a), packed(*b), {'w': alive})
    names = ('iou', 'hamming', 'chance_iou', 'chance_hamming', 'distance')
    assert [found[name] for name in names] == pytest.approx(expected)
    assert found['layers']['w'] == {name: found[name] for name in names}


def test_compare_is_overlap_where_everything_is_alive():
    generator = torch.Generator().manual_seed(0)
    a, b = ({'u': torch.rand(3, 7, generator=generator) > 0.3,
             'v': torch.rand(1, 13, generator=generator) > 0.8} for _ in range(2))
    found = compare(pack_bits(a), pack_bits(b), {'u': 21, 'v': 13})
    for key, value in overlap(a, b).items():
        assert found[key] == pytest.approx(value)
    for name in 'uv':
        for key, value in overlap({name: a[name]}, {name: b[name]}).items():
            assert found['layers'][name][key] == pytest.approx(value)


@pytest.mark.parametrize('size', [1, 8, 9, 1000])
def test_packed_masks_take_a_bit_a_weight(size):
    assert pack_bits(masks(*[[True]] * size))['w'].nbytes == -(-size // 8)


def test_counts_pass_what_a_byte_holds():
    # 300 bytes of ones: a sum in uint8 would wrap around.
    ones = {'w': np.full(300, 255, np.uint8)}
    assert compare(ones, {'w': np.zeros(300, np.uint8)}, {'w': 2400})['hamming'] == 1


@pytest.mark.parametrize('b, message', [
    (packed(1, name='v'), "'v' is in only one"), (packed(*[1] * 9), "masks of 'w' have 1 and 2 bytes")])
def test_masks_of_other_models_are_refused(b, message):
    with pytest.raises(ValueError, match=message):
        compare(packed(1), b, {'w': 1})


# files


def look(step):
    return dict(step=step, previous=[])


def fill(folder, steps):
    folder.mkdir(exist_ok=True)
    for step in steps:
        files.append_look(folder, look(step))
        files.save_masks(folder, packed(1, 1, 0, step // 10), step=step, max_iters=40, alive={'w': 4})


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
    for step, bits in ((30, (1, 1, 0, 0)), (10, (0, 0, 1, 1)), (20, (1, 0, 1, 0))):
        files.save_masks(tmp_path, packed(*bits), step=step, max_iters=40, alive={'w': 4})
    rows = files.write_final(tmp_path, masks([1, 1], [0, 0]))
    assert [(r['step'], r['max_iters'], r['iou']) for r in rows] == [
        (10, 40, 0), (20, 40, 1 / 3), (30, 40, 1)]
    assert [r['chance_iou'] for r in rows] == pytest.approx([1 / 3] * 3)
    assert [r['layers']['w']['hamming'] for r in rows] == [1, 0.5, 0]
    assert files.read_final(tmp_path) == dict(version=1, kept=2, looks=rows)


def damage(path):
    path.write_bytes(path.read_bytes()[:-3])


def foreign(path):
    from safetensors.numpy import save_file
    save_file(packed(1), str(path))


@pytest.mark.parametrize('spoil, final, error, message', [
    (lambda p: p.unlink(), masks(1, 1, 0, 0), FileNotFoundError, 'holds no masks.*early_bird=dict'),
    (damage, masks(1, 1, 0, 0), ValueError, 'masks_00000010.safetensors is truncated or damaged'),
    (foreign, masks(1, 1, 0, 0), ValueError, 'masks_00000010.safetensors is no mask file'),
    (lambda p: None, masks(1, 1, 0, 0, name='v'), ValueError, "'v' is in only one")])
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
