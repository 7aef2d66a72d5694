"""Which group a module has by its place, class and role: on MMDetection's detectors, and alone."""
import pytest
from detectors import build, is_shipped
from group_names import GROUPS_OF_CONFIG
from torch import nn

from mmlth.core.roles import GROUPS, groups_of, unknown_heads
from mmlth.core.scope import SCOPES, choose, list_weights

SPARED = ('predictors', 'shortcuts', 'sampling')


def tree(**children):
    return nn.ModuleDict(children)


def conv(inside=2, outside=2):
    return nn.Conv2d(inside, outside, 1, bias=False)


@pytest.fixture(scope='module')
def detectors():
    found = {config: build(config) for config in GROUPS_OF_CONFIG if is_shipped(config)}
    assert len(found) > 0.9 * len(GROUPS_OF_CONFIG)
    return found


def test_tensors_of_mmdetections_detectors_are_in_their_groups(detectors):
    wrong = {}
    for config, model in detectors.items():
        found = groups_of(model)
        expected = GROUPS_OF_CONFIG[config]
        wrong.update({(config, name): found.get(name) for name, group in expected.items()
                      if found.get(name) != group})
    assert wrong == {}


def test_every_name_of_the_state_has_a_group(detectors):
    for config, model in detectors.items():
        found = groups_of(model)
        assert list(found) == list(model.state_dict()), config
        assert set(found.values()) <= set(GROUPS), config


def test_no_weight_of_them_is_in_the_group_other_and_every_head_has_predictors(detectors):
    assert {config: unknown_heads(model) for config, model in detectors.items()
            if unknown_heads(model)} == {}
    assert not [(config, w.name) for config, model in detectors.items()
                for w in list_weights(model) if w.group == 'other']


def test_the_papers_scope_is_what_is_not_spared(detectors):
    for config, model in detectors.items():
        weights = list_weights(model)
        spared = {w.name for w in weights if w.group in SPARED}
        assert set(choose(weights)) == {w.name for w in weights} - spared, config
    assert set(SCOPES['paper']) == set(GROUPS) - set(SPARED)


@pytest.mark.parametrize('layers, last', [(1, 2), (2, 4), (3, 6)])
def test_the_last_layer_of_a_stack_predicts_whatever_its_depth(layers, last):
    model = build('dino/dino-4scale_r50_8xb2-24e_coco.py',
                  **{'model.bbox_head.num_reg_fcs': layers})
    groups = groups_of(model)
    hidden = [f'bbox_head.reg_branches.3.{i}.weight' for i in range(0, last, 2)]
    assert [groups[name] for name in hidden] == ['dense_head'] * layers
    assert groups[f'bbox_head.reg_branches.3.{last}.weight'] == 'predictors'


def test_keypoints_and_classifiers_have_predictors():
    head = tree(convs=nn.ModuleList([conv()]), deconv=nn.ConvTranspose2d(2, 2, 2))
    groups = groups_of(tree(roi_head=tree(keypoint_head=head), head=tree(fc=nn.Linear(2, 2))))
    assert groups == {
        'roi_head.keypoint_head.convs.0.weight': 'keypoint_head',
        'roi_head.keypoint_head.deconv.weight': 'predictors',
        'roi_head.keypoint_head.deconv.bias': 'predictors',
        'head.fc.weight': 'predictors', 'head.fc.bias': 'predictors'}


def test_an_embedding_of_a_reidentification_net_is_a_prediction():
    head_class = type('LinearReIDHead', (nn.Module, ), {})
    head = head_class()
    head.fcs, head.fc_out, head.classifier = nn.ModuleList([conv()]), conv(), conv()
    groups = groups_of(tree(reid=tree(backbone=conv(), head=head)))
    assert list(groups.values()) == ['backbone', 'track_head', 'predictors', 'predictors']


def test_a_classes_rule_holds_for_the_classes_that_derive_from_it():
    base = type('SSDHead', (nn.Module, ), {})
    head = type('MyHead', (base, ), {})()
    head.cls_convs = nn.ModuleList([nn.Sequential(conv(), conv()), conv()])
    groups = groups_of(tree(bbox_head=head))
    assert list(groups.values()) == ['dense_head', 'predictors', 'predictors']


def test_a_downsample_is_a_shortcut_only_beside_convolutions():
    beside = tree(conv1=conv(), downsample=nn.Sequential(conv(), nn.BatchNorm2d(2)))
    alone = tree(downsample=nn.Sequential(conv()))
    convnext = nn.ModuleList([conv()])
    backbone = tree(block=beside, stage=alone, downsample_layers=convnext)
    groups = groups_of(tree(backbone=backbone))
    assert groups['backbone.block.downsample.0.weight'] == 'shortcuts'
    assert groups['backbone.block.downsample.1.running_mean'] == 'shortcuts'
    assert groups['backbone.stage.downsample.0.weight'] == 'backbone'
    assert groups['backbone.downsample_layers.0.weight'] == 'backbone'


def test_a_single_output_is_a_prediction_a_map_of_weights_or_nothing_known():
    model = tree(neck=conv(2, 1), rpn_head=tree(rpn_cls=conv(2, 1), rpn_conv=conv(1, 2)),
                 thing=conv(2, 1))
    assert list(groups_of(model).values()) == ['sampling', 'predictors', 'dense_head', 'other']


def test_outputs_by_name_are_predictors_below_a_head_alone():
    model = tree(neck=tree(conv_cls=conv()), encoder=tree(projection=conv()), conv_cls=conv(),
                 bbox_head=tree(conv_cls=conv()))
    assert list(groups_of(model).values()) == ['neck', 'encoder', 'other', 'predictors']


def test_the_encoder_of_a_text_model_is_not_the_detectors():
    groups = groups_of(tree(language_model=tree(encoder=conv()), encoder=conv()))
    assert list(groups.values()) == ['language_model', 'encoder']


def test_projections_between_encoder_and_decoder_belong_to_the_decoder():
    groups = groups_of(tree(panoptic_head=tree(decoder_input_proj=conv()), pos_trans_fc=conv()))
    assert list(groups.values()) == ['decoder', 'decoder']


def test_all_names_of_a_shared_module_have_groups():
    shared = conv()
    model = tree(bbox_head=tree(reg_branches=nn.ModuleList([shared, shared])))
    assert groups_of(model) == {
        'bbox_head.reg_branches.0.weight': 'predictors',
        'bbox_head.reg_branches.1.weight': 'predictors'}


def test_heads_and_modules_that_no_rule_knows_are_told():
    known = tree(conv_cls=conv())
    model = tree(backbone=conv(), bbox_head=known, mask_head=tree(a=conv(), b=conv()),
                 extra=nn.ModuleList([tree(a=conv()), tree(a=conv())]),
                 wrapper=tree(neck=conv(), pose_head=tree(a=conv())),
                 roi_head=tree(bbox_head=nn.ModuleList([tree(fc_out=conv())]), depth_head=conv()))
    assert unknown_heads(model) == [
        'mask_head', 'roi_head.bbox_head', 'extra', 'wrapper.pose_head', 'roi_head.depth_head']


def test_modules_without_weights_and_heads_without_outputs_of_their_own_are_not_told():
    model = tree(rpn_head=tree(boxes=nn.Embedding(2, 4)), extra=nn.BatchNorm2d(2), scale=nn.PReLU(),
                 roi_head=tree(feat_relay_head=tree(fc=conv())))
    assert unknown_heads(model) == []
