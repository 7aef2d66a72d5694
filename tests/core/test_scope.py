"""Which parameters may be pruned, on a model of a few weights with MMDetection's names."""

import pytest
import torch
from torch import nn

from mmlth.core import scope
from mmlth.core.scope import choose, list_weights

PAPER = ['backbone.conv1.weight', 'backbone.layer1.0.conv1.weight', 'neck.fpn_convs.0.conv.weight',
         'rpn_head.rpn_conv.weight', 'roi_head.bbox_head.shared_fcs.0.weight',
         'decoder.attn.in_proj_weight', 'decoder.attn.out_proj.weight']
PREDICTORS = ['rpn_head.rpn_cls.weight', 'roi_head.bbox_head.fc_cls.weight']
SHORTCUTS = ['backbone.layer1.0.downsample.0.weight']


def tree(**children):
    return nn.ModuleDict(children)


def conv(inside, outside):
    return nn.Conv2d(inside, outside, 1, bias=False)


@pytest.fixture
def model():
    """A detector of 72 parameters; 44 are weights that may be pruned, and the stem is frozen."""
    block = tree(conv1=conv(2, 2), downsample=nn.ModuleList([conv(2, 2)]))  # 4 and 4
    model = tree(
        backbone=tree(
            conv1=conv(1, 2), bn1=nn.BatchNorm2d(2),  # 2, 4
            layer1=nn.ModuleList([block])),
        neck=tree(fpn_convs=nn.ModuleList([tree(conv=conv(2, 2))])),  # 4
        rpn_head=tree(rpn_conv=conv(2, 2), rpn_cls=conv(2, 1)),  # 4 and 2
        roi_head=tree(bbox_head=tree(shared_fcs=nn.ModuleList([nn.Linear(2, 2)]),  # 4 + 2
                                     fc_cls=nn.Linear(2, 2))),  # 4 + 2
        decoder=tree(
            attn=nn.MultiheadAttention(2, 1),  # 12 + 6, 4 + 2
            norm=nn.LayerNorm([2, 2])),  # 8
        query_embedding=nn.Embedding(2, 2))  # 4
    model.backbone.conv1.requires_grad_(False)
    return model


def names(model, **kwargs):
    return sorted(choose(list_weights(model), **kwargs))


def test_embeddings_norms_and_biases_are_never_listed(model):
    assert sorted(w.name for w in list_weights(model)) == sorted(PAPER + PREDICTORS + SHORTCUTS)


def test_weights_are_listed_with_group_shape_and_frozenness_in_the_order_of_the_model(model):
    listed = list_weights(model)
    order = [name for name, _ in model.named_parameters()]
    assert [w.name for w in listed] == sorted((w.name for w in listed), key=order.index)
    assert listed[0] == scope.WeightInfo(name='backbone.conv1.weight', group='backbone',
                                         shape=(2, 1, 1, 1), frozen=True)
    assert [w.frozen for w in listed[1:]] == [False] * 9
    assert sum(w.size for w in listed) == 44


def test_a_shared_tensor_is_listed_and_counted_once():
    shared = conv(2, 2)
    model = tree(rpn_head=nn.ModuleList([shared, shared]), neck=tree(conv=shared))
    weight, = list_weights(model)
    assert weight.name == 'rpn_head.0.weight'
    assert weight.aliases == ('rpn_head.1.weight', 'neck.conv.weight')
    assert scope.count_parameters(model) == 4


def test_the_difference_that_a_switchable_convolution_adds_to_its_weight_is_one_too():
    layer = conv(2, 2)
    layer.weight_diff = nn.Parameter(torch.zeros_like(layer.weight))
    listed = list_weights(tree(backbone=layer))
    assert [(w.name, w.group) for w in listed] == [
        ('backbone.weight', 'backbone'), ('backbone.weight_diff', 'sampling')]


def test_a_linear_layer_tied_to_an_embedding_is_not_listed():
    model = tree(fc=nn.Linear(2, 3, bias=False), words=nn.Embedding(3, 2))
    model.fc.weight = model.words.weight
    assert not list_weights(model)


@pytest.mark.parametrize('layer', [
    nn.LayerNorm([2, 2]), nn.GroupNorm(1, 2), nn.BatchNorm2d(2), nn.SyncBatchNorm(2),
    nn.InstanceNorm2d(2, affine=True), nn.Embedding(2, 2), nn.PReLU(2),
], ids=lambda m: type(m).__name__)
def test_never_pruned(layer):
    assert not list_weights(tree(backbone=layer))


@pytest.mark.parametrize('layer', [
    nn.Conv1d(2, 2, 1), nn.Conv3d(2, 2, 1), nn.ConvTranspose2d(2, 2, 1), nn.Linear(2, 2)],
    ids=lambda m: type(m).__name__)
def test_convolutions_of_any_kind_and_linear_layers_are_listed(layer):
    assert [w.name for w in list_weights(tree(backbone=layer))] == ['backbone.weight']


@pytest.mark.parametrize('chosen, expected', [
    pytest.param('paper', PAPER, id='the paper leaves predictors and shortcuts out'),
    pytest.param('all', PAPER + PREDICTORS + SHORTCUTS, id='all'),
    pytest.param('backbone', PAPER[:2], id='backbone'),
    pytest.param(['neck', 'shortcuts'], PAPER[2:3] + SHORTCUTS, id='a list of groups'),
])
def test_scopes(model, chosen, expected):
    assert names(model, scope=chosen) == sorted(expected)


@pytest.mark.parametrize('kwargs, expected', [
    pytest.param(dict(include=[r'rpn_cls']), PAPER[:2] + PREDICTORS[:1], id='include joins'),
    pytest.param(dict(exclude=[r'layer1']), PAPER[:1], id='exclude leaves'),
    pytest.param(dict(include=[r'rpn_cls', 'fc_cls'], exclude=['rpn']), PAPER[:2] + PREDICTORS[1:],
                 id='exclude wins'),
    pytest.param(
        dict(include=['shared_fcs', r'^neck\.']), PAPER[:3] + PAPER[4:5], id='two patterns'),
    pytest.param(dict(frozen='keep'), PAPER[1:2], id='frozen tensors are kept'),
    pytest.param(dict(frozen='prune'), PAPER[:2], id='frozen tensors are pruned'),
    pytest.param(dict(frozen='keep', include=['conv1']), PAPER[1:2], id='include does not thaw'),
])
def test_choice(model, kwargs, expected):
    assert names(model, scope='backbone', **kwargs) == sorted(expected)


def test_names_come_in_the_order_of_the_model(model):
    listed = list_weights(model)
    assert choose(listed, 'all', include=['neck']) == tuple(w.name for w in listed)


@pytest.mark.parametrize('kwargs, message', [
    pytest.param(dict(scope='papper'), "scope='papper': allowed are paper, all, backbone, .*groups "
                 'backbone, neck, dense_head', id='unknown scope'),
    pytest.param(
        dict(scope=['neck', 'nek']), r"scope=\['neck', 'nek'\]: allowed", id='unknown group'),
    pytest.param(
        dict(frozen='skip'), r"frozen='skip': allowed are \('prune', 'keep'\)", id='policy'),
    pytest.param(
        dict(include=['neck', 'nek']), "include='nek' matches no weight", id='idle include'),
    pytest.param(dict(exclude=['bn1']), "exclude='bn1' matches no weight", id='idle exclude'),
    pytest.param(
        dict(scope='backbone', exclude=['backbone']),
        r"scope='backbone' holds no prunable .* \['backbone', 'box_head', .*'shortcuts'\]",
        id='everything excluded'),
    pytest.param(dict(scope=['mask_head']), 'holds no prunable tensor', id='the model has no such'),
    pytest.param(dict(include=['(']), r'\(', id='no regular expression'),
])
def test_errors(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        choose(list_weights(model), **kwargs)


def test_both_denominators(model):
    assert scope.count_parameters(model) == 72
    in_scope = sum(w.size for w in list_weights(model) if w.name in PAPER)
    assert in_scope == 34
    assert scope.network_sparsity(18, scope.count_parameters(model)) == 0.25
    assert scope.network_sparsity(0, 72) == 0


def test_buffers_are_no_parameters():
    assert scope.count_parameters(nn.BatchNorm2d(2)) == 4


def test_weights_that_are_standardised_in_every_forward_are_told():
    standardised = type('ConvWS2d', (nn.Conv2d, ), {})
    model = tree(backbone=tree(plain=conv(1, 1), ws=standardised(1, 1, 1)))
    assert scope.standardised_weights(model) == ['backbone.ws.weight']


def test_table(model):
    listed = list_weights(model)
    lines = scope.format_weights(listed, PAPER, magnitudes={w.name: 0.5 for w in listed},
                                 previews={PAPER[0]: 0.25}).splitlines()
    assert len(lines) == 1 + len(listed)
    assert lines[0].split()[:5] == ['tensor', 'group', 'weights', 'frozen', 'pruned']
    assert lines[1].split() == [PAPER[0], 'backbone', '2', 'yes', 'yes', '5.00e-01', '25.0%']
    shortcut = next(line for line in lines if SHORTCUTS[0] in line)
    assert shortcut.split() == [SHORTCUTS[0], 'shortcuts', '4', 'no', 'no', '5.00e-01', '-']
    assert len({len(line) for line in lines}) == 1


def test_table_without_magnitudes(model):
    line = scope.format_weights(list_weights(model), PAPER).splitlines()[1]
    assert line.split()[-2:] == ['-', '-']


def test_weights_are_picked_in_order_and_missing_ones_named():
    state = {'a': torch.zeros(1), 'b': torch.ones(1)}
    assert list(scope.weights_of(state, ('b', 'a'))) == ['b', 'a']
    with pytest.raises(KeyError, match=r"lacks \['c'\] \(1 tensors"):
        scope.weights_of(state, ('a', 'c'))
