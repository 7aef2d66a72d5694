"""Tickets compared two at a time: masks drawn at random, nested ones, ones of other tasks."""
import pytest
import torch

from mmlth.analysis.mask_pairs import Side, compare, compare_all, describe_side, report
from mmlth.analysis.mask_pairs_figure import plot_pairs
from mmlth.analysis.metrics import NONE

DENSITIES = dict(a=0.9, b=0.1, c=0.4)  # of layers


def drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(20, 30, generator=generator) < density
            for name, density in DENSITIES.items()}


def weights(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(20, 30, generator=generator) for name in DENSITIES}


def side(seed, **changed):
    given = dict(name=f's{seed}', masks=drawn(seed), start=weights(seed), end=weights(seed + 9))
    return Side(**{**given, **changed})


def test_random_masks_of_equal_layers_overlap_as_chance_has_it():
    found = compare(side(0), side(1))
    assert found['share'] == 1 and found['weights'] == 1800
    # One density for all layers would let chance look smaller than it is.
    assert found['iou'] == pytest.approx(found['chance_iou'], abs=0.03) and found['iou'] > 0.4
    for signs in (found['start_signs'], found['end_signs']):
        assert signs['equal'] == pytest.approx(0.5, abs=0.06)
        assert signs['chance'] == pytest.approx(0.5, abs=0.02)


def test_equal_tickets_agree_in_everything():
    found = compare(side(0), side(0))
    assert (found['iou'], found['distance']) == (1, 0)
    assert found['start_signs']['equal'] == found['end_signs']['equal'] == 1


def test_signs_kept_are_those_of_kept_weights_alone():
    masks, start = drawn(0), weights(0)
    end = {name: torch.where(masks[name], w, -w) for name, w in start.items()}
    found = describe_side(side(0, end=end))
    assert found['signs_kept']['equal'] == 1
    assert found['sparsity'] == pytest.approx(1 - sum(DENSITIES.values()) / 3, abs=0.03)
    assert describe_side(side(0, start=None))['signs_kept'] is None


def test_tickets_of_two_tasks_are_compared_where_both_prune():
    others = {**drawn(1), 'mask_head': torch.ones(3, 3, dtype=torch.bool)}
    others.pop('c')
    found = compare(side(0), side(1, masks=others))
    assert found['weights'] == 1200 and found['share'] == pytest.approx(1200 / 1209)
    with pytest.raises(ValueError, match='s0 and s1 prune no tensor of equal name and shape'):
        compare(side(0), side(1, masks=dict(mask_head=others['mask_head'])))


def test_the_report_leaves_missing_files_empty_and_the_figure_is_drawn(tmp_path):
    found = compare_all([side(0), side(1, end=None), side(2)])
    assert len(found['pairs']) == 3
    tickets, pairs = report(found).split('\n\n')
    assert tickets.splitlines()[2].split()[-2:] == [NONE, NONE]
    assert pairs.splitlines()[1].split()[-2:] == [NONE, NONE]
    assert pairs.splitlines()[2].split()[-1].endswith('%')
    assert plot_pairs(found, tmp_path / 'pairs.png').stat().st_size > 1000
