"""The classifier: names of the detectors' backbone, outputs, loss, metric."""

import pytest
import torch
from conftest import ROOT
from mmdet.registry import METRICS, MODELS
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from torch.nn import functional as F

import mmlth.models.classifier  # noqa: F401  registers it
from mmlth.core.scope import list_weights
from mmlth.engine.config_files import load_config

BACKBONE = dict(type='ResNet', depth=18, base_channels=4)


def sample(label):
    found = BaseDataElement()
    found.gt_label = label
    return found


def build(backbone=BACKBONE, num_classes=3):
    init_default_scope('mmdet')
    return MODELS.build(
        dict(type='ImageClassifier', backbone=backbone, num_classes=num_classes)
    )


def test_logits_are_the_linear_layer_on_the_mean_of_the_last_map():
    model, images = build().eval(), torch.randn(2, 3, 48, 48)
    features = model.backbone(images)[-1]
    assert features.shape == (2, 32, 2, 2)
    expected = F.linear(
        features.mean((2, 3)), model.head['fc'].weight, model.head['fc'].bias
    )
    assert torch.equal(model(images), expected) and expected.shape == (2, 3)


def test_loss_is_cross_entropy_and_accuracy_a_share():
    model = build()
    with torch.no_grad():
        model.head['fc'].weight.zero_()
        model.head['fc'].bias.copy_(torch.tensor([0.0, 0, 9]))
    losses = model(
        torch.randn(4, 3, 32, 32),
        [sample(label) for label in (2, 2, 2, 0)],
        mode='loss',
    )
    expected = F.cross_entropy(
        torch.tensor([[0.0, 0, 9]] * 4), torch.tensor([2, 2, 2, 0])
    )
    assert (
        losses['loss'].item() == pytest.approx(expected.item(), rel=1e-5)
        and losses['accuracy'] == 0.75
    )
    total, _ = model.parse_losses(losses)
    assert total == losses['loss']  # the accuracy isn't trained


def test_predictions_hold_label_and_scores_that_sum_to_one():
    model = build().eval()
    images, samples = torch.randn(2, 3, 32, 32), [sample(0), sample(1)]
    found = model(images, samples, mode='predict')
    assert [s.gt_label for s in found] == [0, 1]
    assert [s.pred_label for s in found] == model(images).argmax(1).tolist()
    assert all(s.pred_scores.sum().item() == pytest.approx(1) for s in found)
    assert len(model(images, mode='predict')) == 2


def test_channels_are_those_of_the_backbone_and_statistics_stay_fresh():
    cases = [
        (BACKBONE, 32),
        (dict(type='ResNet', depth=50, base_channels=4), 128),
        (dict(type='MobileNetV2', widen_factor=0.1), 1280),
    ]
    for backbone, channels in cases:
        model = build(backbone)
        assert model.head['fc'].in_features == channels
        assert not any(
            b.any()
            for name, b in model.named_buffers()
            if name.endswith(('running_mean', 'tracked'))
        )
        assert model.backbone.training


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='num_classes=1 must be at least 2'):
        build(num_classes=1)
    with pytest.raises(
        ValueError, match="mode='train': allowed are tensor, loss, predict"
    ):
        build()(torch.zeros(1, 3, 32, 32), mode='train')


def test_metric_is_the_share_of_right_labels():
    metric = METRICS.build(dict(type='TopOneAccuracy'))
    for pairs in ([(1, 1), (2, 0)], [(0, 0), (3, 3)]):
        metric.process({}, [dict(pred_label=p, gt_label=g) for p, g in pairs])
    assert metric.evaluate(4) == {'accuracy/top1': 0.75}


def test_config_has_the_backbone_of_the_tiny_detectors():
    init_default_scope('mmdet')
    nets = [
        MODELS.build(load_config(str(ROOT / 'configs' / name)).model)
        for name in (
            'classification/resnet18-tiny_digitscenes-crops.py',
            'digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py',
        )
    ]
    states = [
        {n: t.shape for n, t in net.state_dict().items() if n.startswith('backbone.')}
        for net in nets
    ]
    assert states[0] == states[1] and len(states[0]) == 120
    others = [
        (w.name, w.group) for w in list_weights(nets[0]) if not w.name.startswith('backbone.')
    ]
    assert others == [('head.fc.weight', 'predictors')]
