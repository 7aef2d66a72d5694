"""The detectors of two experiments: modules switched on and off (C4), and two backbone depths."""

import copy
import functools

import pytest
import torch
from conftest import ROOT
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, init_default_scope

from mmlth.core.scope import choose, count_parameters, list_weights
from mmlth.engine.config_files import load_config, set_data_root

C4_VOC = 'faster_rcnn/faster-rcnn_r18_c4_1x_voc07'
C4_TINY = 'digit_scenes/faster-rcnn_r18-tiny_c4_digitscenes'
R50_TINY = 'digit_scenes/faster-rcnn_r50-tiny_fpn_digitscenes'
STEM = r'^backbone\.conv1\.'
# Parts of the paper's C4 detector, as MMDet's names begin or as groups of ours.
MODULES = dict(base=['backbone'], top=['shared_head'], rpn=['dense_head'], heads=['predictors'])
RPN_PREDICTORS = 512 * 9 * (2 + 4)
# Table 3 at 80%: base, top, rpn, heads ->
# share of all parameters in the scope and network sparsity, in percent.
TABLE = {
    '0001': (0.65, 0.52),
    '0010': (9.71, 7.77),
    '0011': (10.36, 8.29),
    '1000': (21.93, 17.55),
    '1001': (22.59, 18.07),
    '1010': (31.64, 25.31),
    '1011': (32.29, 25.83),
    '0100': (66.39, 53.11),
    '0101': (67.04, 53.63),
    '0110': (76.09, 60.88),
    '0111': (76.75, 61.40),
    '1100': (88.32, 70.66),
    '1101': (88.97, 71.18),
    '1110': (98.03, 78.42),
    '1111': (98.68, 78.94),
}


def stage(width, inside):
    """Count a ResNet-18 stage: four 3x3 convolutions, the first of ``inside`` channels."""
    return 9 * width * (inside + 3 * width)


@functools.cache
def read(name):
    """Return config, weights and number of parameters, without any download."""
    cfg = load_config(str(ROOT / 'configs' / f'{name}.py'))
    init_default_scope('mmdet')
    model = MODELS.build(copy.deepcopy(cfg.model))
    return cfg, list_weights(model), count_parameters(model)


def sizes(name):
    """Return group -> weights."""
    weights = read(name)[1]
    return {
        group: sum(w.size for w in weights if w.group == group)
        for group in {w.group for w in weights}
    }


def scope_size(switches):
    """Count the scope of a row: '1010' is base and RPN."""
    on = [module for module, switch in zip(MODULES, switches) if switch == '1']
    weights = read(C4_VOC)[1]
    include = [r'^rpn_head\.'] if 'rpn' in on else []  # the paper counts the RPN's predictors to it
    scope = [group for module in on for group in MODULES[module]]
    names = set(choose(weights, scope, include=include, exclude=[STEM]))
    return sum(w.size for w in weights if w.name in names)


@pytest.mark.parametrize(
    'width, name, rpn, predictors',
    [
        (64, C4_VOC, 9 * 256 * 512, RPN_PREDICTORS + 512 * (21 + 4 * 20)),
        (16, C4_TINY, 9 * 64 * 64, 64 * 12 * (1 + 4) + 128 * (12 + 4 * 11)),
    ],
    ids=['voc', 'tiny'],
)
def test_c4_detectors_hold_a_whole_resnet18_an_rpn_and_predictors(width, name, rpn, predictors):
    one, two, four, eight = (width * n for n in (1, 2, 4, 8))
    assert sizes(name) == dict(
        backbone=3 * 49 * one + stage(one, one) + stage(two, one) + stage(four, two),
        shared_head=stage(eight, four),
        shortcuts=one * two + two * four + four * eight,
        dense_head=rpn,
        predictors=predictors,
    )


def test_base_and_top_are_the_papers_sixteen_convolutions():
    assert scope_size('1100') == 10_985_472


@pytest.mark.parametrize('row', [row for row in TABLE if row[2:] != '11'])
def test_network_sparsity_is_table_3s(row):
    share, sparsity = TABLE[row]
    found = 100 * scope_size(row) / read(C4_VOC)[2]
    assert found == pytest.approx(share, abs=0.03)
    assert 0.8 * found == pytest.approx(sparsity, abs=0.03)


@pytest.mark.parametrize('row', [row for row in TABLE if row[2:] == '11'])
def test_with_rpn_and_heads_the_table_counts_the_rpns_predictors_twice(row):
    """They belong to both; a weight can be pruned once, so that ours are 0.18 points lower."""
    parameters, (share, sparsity) = read(C4_VOC)[2], TABLE[row]
    once, twice = (100 * (scope_size(row) + n) / parameters for n in (0, RPN_PREDICTORS))
    assert twice == pytest.approx(share, abs=0.03)
    assert 0.8 * twice == pytest.approx(sparsity, abs=0.03)
    assert 0.8 * once == pytest.approx(sparsity - 0.18, abs=0.03)


def test_the_table_holds_every_combination_but_none():
    assert set(TABLE) == {f'{i:04b}' for i in range(1, 16)}


def test_the_deeper_tiny_detector_differs_in_its_backbone_alone():
    deep, shallow = (
        sizes(f'digit_scenes/faster-rcnn_{depth}-tiny_fpn_digitscenes') for depth in ('r50', 'r18')
    )
    assert [deep[g] for g in ('dense_head', 'box_head', 'predictors')] == [
        shallow[g] for g in ('dense_head', 'box_head', 'predictors')
    ]
    assert deep['neck'] - shallow['neck'] == 48 * 3 * (
        16 + 32 + 64 + 128
    )  # laterals see 4 times the channels
    blocks = {
        16: (3, 16),
        32: (4, 64),
        64: (6, 128),
        128: (3, 256),
    }  # width: blocks, channels before
    assert deep['backbone'] == 3 * 49 * 16 + sum(
        w * inside + (n - 1) * 4 * w * w + n * 13 * w * w for w, (n, inside) in blocks.items()
    )
    assert deep['shortcuts'] == 16 * 64 + 64 * 128 + 128 * 256 + 256 * 512


@pytest.mark.parametrize('name', [C4_TINY, R50_TINY])
def test_tiny_detectors_train_two_steps_and_detect(name, digit_scenes):
    cfg = set_data_root(copy.deepcopy(read(name)[0]), str(digit_scenes))
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for step in range(2):
        batch = model.data_preprocessor(
            pseudo_collate([dataset[2 * step], dataset[2 * step + 1]]), True
        )
        loss, _ = model.parse_losses(model.loss(batch['inputs'], batch['data_samples']))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)
    assert not [
        w.name
        for w in list_weights(model)
        if torch.equal(before[w.name], model.get_parameter(w.name))
    ]
    model.test_cfg.rcnn.score_thr = model.roi_head.test_cfg.score_thr = 0.0
    scenes = DATASETS.build(
        cfg.val_dataloader.dataset
    )  # with the scale factor that a detection is scaled by
    (found,) = model.eval().test_step(pseudo_collate([scenes[0]]))
    assert len(found.pred_instances) > 0
