"""The figure shows every curve with its level of chance, and refuses what isn't there."""

import pytest
import torch
from test_figures import assert_drawn

from mmlth.analysis import style
from mmlth.analysis.early_bird import final_rows, plot_final_iou
from mmlth.core.mask_history import StoredMasks, save_masks, write_final


@pytest.fixture
def folder(tmp_path):
    """Looks at 0, 20 and 40 of 40 steps: with the final mask 1100 they share none, one, both."""
    (tmp_path / 'eb').mkdir()
    for step, bits in ((0, (0, 0, 1, 1)), (20, (1, 0, 1, 0)), (40, (1, 1, 0, 0))):
        masks = {'w': torch.tensor(bits, dtype=torch.bool)}
        stored = StoredMasks(step=step, max_iters=40, alive={'w': 4}, masks=masks)
        save_masks(tmp_path / 'eb', stored)
    write_final(tmp_path / 'eb', {'w': torch.tensor([True, True, False, False])})
    return tmp_path / 'eb'


def test_rows_are_flat(folder):
    rows = final_rows(folder)
    assert [(r['step'], r['share'], r['iou'], r['hamming'], r['distance']) for r in rows] == [
        (0, 0, 0, 1, 2),
        (20, 0.5, 1 / 3, 0.5, 1),
        (40, 1, 1, 0, 0),
    ]
    assert [r['chance_iou'] for r in rows] == pytest.approx([1 / 3] * 3)
    assert set(rows[0]) == {
        'step',
        'share',
        'iou',
        'chance_iou',
        'hamming',
        'chance_hamming',
        'distance',
    }


@pytest.mark.parametrize(
    'labels, legend',
    [
        (['80%'], ['80%', 'by chance']),
        (['80%', '90%'], ['80%', '80%, by chance', '90%', '90%, by chance']),
    ],
)
def test_every_curve_has_its_level_of_chance(folder, tmp_path, monkeypatch, labels, legend):
    drawn = []
    save = style.save_figure

    def keep(figure, path):
        drawn.append(
            {
                line.get_label(): list(zip(*line.get_data(), strict=True))
                for line in figure.axes[0].lines
            }
        )
        return save(figure, path)

    monkeypatch.setattr(style, 'save_figure', keep)
    path = plot_final_iou(dict.fromkeys(labels, folder), tmp_path / 'a.png')
    assert path == tmp_path / 'a.png'
    assert_drawn(path)
    assert list(drawn[0]) == legend
    for label, points in drawn[0].items():
        expected = [1 / 3] * 3 if 'chance' in label else [0, 1 / 3, 1]
        assert [x for x, _ in points] == [0, 50, 100] and [y for _, y in points] == pytest.approx(
            expected
        )


def test_missing_comparisons_and_too_many_curves_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match='final.json does not exist'):
        plot_final_iou({'a': folder, 'b': tmp_path}, tmp_path / 'a.png')
    for folders in ({}, {str(i): folder for i in range(7)}):
        with pytest.raises(ValueError, match=f'{len(folders)} curves: give one to 6'):
            plot_final_iou(folders, tmp_path / 'a.png')
    assert not (tmp_path / 'a.png').exists()
