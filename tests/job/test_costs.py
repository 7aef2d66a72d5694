"""Costs of weights: counted once, kept, and used by the criteria that take them."""
import json

import pytest
import torch
import toys

from mmlth.core import criteria, selection
from mmlth.core.mask_history import read_final
from mmlth.core.masks import dense_masks
from mmlth.core.scope import weights_of
from mmlth.core.store import Store
from mmlth.core.training import Training
from mmlth.engine.net import read_net
from mmlth.job import rank_0
from mmlth.job.identity import identity
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

PER_COST = dict(criterion='magnitude_per_cost', scope='all', rounds=1, target_sparsity=0.5)
# A convolution of 3 x 3 without padding on 8 x 8 pixels, one more, and a linear layer.
POSITIONS = dict(zip(toys.NAMES, (36.0, 16.0, 1.0)))
DENSE = 24 * 9 * 36 + 128 * 9 * 16 + 64


@pytest.fixture
def work_dir(tmp_path):
    return tmp_path / 'job'


def expected_masks(store, costs, exponent=0.5):
    trained = weights_of(store.trained(Training(number=0)), toys.NAMES)
    scores = criteria.score('magnitude_per_cost', trained, trained, costs=costs,
                            cost_exponent=exponent)
    return selection.select(scores, dense_masks(trained), 0.5)


def check_masks(store, expected):
    found = store.ticket(Training(number=1)).masks
    assert all(torch.equal(found[name], mask) for name, mask in expected.items())


def test_a_ticket_is_ranked_by_costs_and_its_record_tells_multiply_adds(toy_cfg, run_imp, work_dir):
    summary = run_imp(toy_cfg, work_dir, **PER_COST, cost_exponent=1.0)
    store = Store(work_dir)
    assert store.positions() == POSITIONS
    masks = expected_masks(store, POSITIONS, 1.0)
    check_masks(store, masks)
    kept = sum(int(mask.sum()) * POSITIONS[name] for name, mask in masks.items())
    dense, ticket = (record['multiply_adds'] for record in summary.rounds)
    assert dense == dict(kept=DENSE, dense=DENSE) and ticket == dict(kept=kept, dense=DENSE)
    assert kept < 0.5 * DENSE


def test_a_job_that_goes_on_keeps_the_costs_it_began_with(toy_cfg, run_imp, work_dir):
    run_imp(toy_cfg, work_dir, **{**PER_COST, 'rounds': 0})
    store = Store(work_dir)
    changed = dict(POSITIONS, **{toys.NAMES[1]: 5000.0})  # as another machine may count
    store.layout.positions.write_text(json.dumps(changed))
    run_imp(toy_cfg, work_dir, **PER_COST)
    assert store.positions() == changed
    check_masks(store, expected_masks(store, changed))


def test_every_job_counts_whatever_its_criterion(toy_cfg, run_imp, work_dir, capsys):
    summary = run_imp(toy_cfg, work_dir, scope='backbone', rounds=1, target_sparsity=0.5)
    kept = summary.rounds[1]['multiply_adds']['kept']
    assert 64 < kept < DENSE  # the head is out of the scope and whole
    plan = json.loads((work_dir / 'preflight.json').read_text())
    assert plan['multiply_adds']['dense'] == DENSE
    assert [tensor['positions'] for tensor in plan['tensors']] == [*POSITIONS.values()]
    text = (work_dir / 'preflight.txt').read_text()
    assert f'multiply-adds of one image: {DENSE:,} if dense, ' in text


def test_the_early_bird_looks_as_the_pruning_will(toy_cfg, run_imp, work_dir):
    run_imp(toy_cfg, work_dir, **PER_COST, early_bird=dict(fraction=1.0))
    last = read_final(Store(work_dir).layout.early_bird(0))['looks'][-1]
    assert last['step'] == 12 and last['iou'] == 1


@pytest.mark.parametrize('model', ['TiedConvNet', 'MeanTeacherNet'])
def test_weights_of_several_names_are_counted_under_the_first(toy_cfg, work_dir, model):
    toy_cfg.model.type = model
    runner = IMPRunner(toy_cfg, IMPConfig(**PER_COST), work_dir)
    found = runner.preflight()
    assert [*found.positions.values()] == [*POSITIONS.values()]
    assert all(found.positions[weight.name] for weight in read_net(toy_cfg, 0).weights)


def no_data(self, index):
    raise FileNotFoundError('nowhere.jpg')


def test_without_data_a_dry_run_counts_nothing_and_a_job_is_refused(
        toy_cfg, work_dir, monkeypatch):
    monkeypatch.setattr(toys.ToyData, '__getitem__', no_data)
    found = IMPRunner(toy_cfg, IMPConfig(**PER_COST), work_dir).preflight(dry_run=True)
    assert found.positions == found.previews == {}
    assert 'multiply-adds' not in found.format()
    monkeypatch.setattr(rank_0, 'evaluate_first_batch', lambda net, cfg: {})
    with pytest.raises(ValueError, match="'magnitude_per_cost' takes costs, but no image"):
        IMPRunner(toy_cfg, IMPConfig(**PER_COST), work_dir).preflight()


def test_the_exponent_makes_another_job_only_where_it_is_taken(toy_cfg):
    keys = [set(identity(toy_cfg, IMPConfig(criterion=name, cost_exponent=1.0)))
            for name in ('magnitude', 'magnitude_per_cost')]
    assert keys[1] - keys[0] == {'imp.cost_exponent'}
