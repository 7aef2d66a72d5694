"""A ticket under every optimizer and trainer feature is m * w in the forward pass."""
import pytest
import torch
from trainer_cell import run_cell
from trainer_compare import Seen, compare
from trainer_features import FEATURES, FURTHER_OPTIMIZERS, OPTIMIZERS, TOLERANCES

ROW = 'AdamW'
OTHERS = [name for name in OPTIMIZERS if name != ROW]
SLOW = ('torch.compile', 'SyncBN, 2 ranks', 'EMA of MMDet', 'resume', 'by iteration',
        'ClassBalancedDataset', 'several evaluators', 'TTA at test')


def check(optimizer, feature, folder):
    cell = run_cell(optimizer, feature, folder)
    assert not cell.revived
    assert cell.places >= 7 and cell.evaluations >= 2
    if feature in TOLERANCES:
        assert cell.difference <= TOLERANCES[feature]
    else:
        assert cell.equal


@pytest.mark.parametrize('feature', [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FEATURES])
def test_every_feature(feature, tmp_path):
    check(OPTIMIZERS[ROW], feature, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', OTHERS)
def test_every_optimizer(optimizer, tmp_path):
    check(OPTIMIZERS[optimizer], 'plain', tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', FURTHER_OPTIMIZERS)
def test_every_further_optimizer(optimizer, tmp_path):
    check(FURTHER_OPTIMIZERS[optimizer], 'plain', tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('feature', [name for name in FEATURES if name != 'plain'])
@pytest.mark.parametrize('optimizer', OTHERS)
def test_every_feature_with_every_optimizer(optimizer, feature, tmp_path):
    check(OPTIMIZERS[optimizer], feature, tmp_path)


def seen(*weights):
    return Seen(states={'end': {'w': torch.tensor(weights)}}, metrics=[dict(mAP=0.5)])


MASKS = dict(w=torch.tensor([True, False, True]))


def test_the_comparison_sees_a_revived_weight_and_one_that_differs():
    reference = seen(1.0, 7.0, -4.0)  # what is pruned has gone its own way there
    same = compare(seen(1.0, 0.0, -4.0), reference, MASKS)
    assert same.equal and same.text(0) == 'equal'
    other = compare(seen(2.0, 0.0, -4.0), reference, MASKS)
    assert not other.equal and other.difference == 0.25
    assert (other.text(0.1), other.text(0.3)) == ('DIFFERS by 2e-01', '<= 2e-01')
    revived = compare(seen(1.0, 0.1, -4.0), reference, MASKS)
    assert revived.revived == ('w end',) and revived.text(1) == 'REVIVED in 1 places'
    diverged = compare(seen(float('nan'), 0.0, -4.0), reference, MASKS)
    assert diverged.text(1) == 'DIFFERS by inf'


def test_the_comparison_sees_another_evaluation():
    found = seen(1.0, 0.0, -4.0)
    found.metrics = [dict(mAP=0.4)]
    cell = compare(found, seen(1.0, 7.0, -4.0), MASKS)
    assert cell.difference == 0 and not cell.equal
    assert cell.text(0) == 'DIFFERS by 0e+00'
