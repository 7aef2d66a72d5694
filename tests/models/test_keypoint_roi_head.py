"""Keypoint R-CNN as a detector of MMDet: loss, prediction, coordinates, classes, errors."""

import copy

import pytest
import torch
from conftest import ROOT
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmlth.engine.config_files import load_config

CONFIG = ROOT / 'configs' / 'digit_scenes' / 'keypoint-rcnn_r18-tiny_fpn_digitscenes.py'


def build(**head):
    init_default_scope('mmdet')
    cfg = load_config(str(CONFIG)).model
    cfg.roi_head.keypoint_head.update(head)
    model = MODELS.build(copy.deepcopy(cfg))
    model.init_weights()
    return model


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return build()


def sample(boxes, keypoints=None, scale=(1.0, 1.0), labels=None):
    gt = InstanceData(bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    gt.labels = (
        torch.zeros(len(gt.bboxes), dtype=torch.long)
        if labels is None
        else torch.tensor(labels)
    )
    if keypoints is not None:
        gt.keypoints = keypoints
    meta = dict(
        img_shape=(96, 128),
        ori_shape=(96, 128),
        pad_shape=(96, 128),
        scale_factor=scale,
        batch_input_shape=(96, 128),
    )
    return DetDataSample(
        gt_instances=gt,
        ignored_instances=InstanceData(bboxes=torch.zeros(0, 4)),
        metainfo=meta,
    )


def visible(*boxes):
    """Put all 17 keypoints of each box at its centre."""
    centres = torch.tensor([[(b[0] + b[2]) / 2, (b[1] + b[3]) / 2, 2.0] for b in boxes])
    return centres[:, None].expand(-1, 17, -1).clone()


BOX = [20.0, 10.0, 80.0, 90.0]


def losses(model, *samples):
    return model.loss(torch.randn(len(samples), 3, 96, 128), list(samples))


def test_loss_adds_a_keypoint_term_to_mmdets(model):
    found = losses(model, sample([BOX], visible(BOX)))
    assert set(found) == {
        'loss_rpn_cls',
        'loss_rpn_bbox',
        'loss_cls',
        'acc',
        'loss_bbox',
        'loss_keypoint',
    }
    assert 6 < found['loss_keypoint'] < 12  # near log(56 * 56) = 8.05 before training


@pytest.mark.parametrize(
    'samples',
    [
        pytest.param([sample([BOX], torch.zeros(1, 17, 3))], id='nothing labelled'),
        pytest.param([sample([], torch.zeros(0, 17, 3))], id='no objects'),
    ],
)
def test_without_a_labelled_keypoint_the_term_is_zero_but_every_parameter_has_a_gradient(
    model, samples
):
    found = losses(model, *samples)
    assert found['loss_keypoint'] == 0
    model.zero_grad()
    sum(
        sum(v) if isinstance(v, list) else v for k, v in found.items() if 'loss' in k
    ).backward()
    assert all(p.grad is not None for p in model.roi_head.keypoint_head.parameters())


def test_keypoints_go_to_the_object_a_proposal_was_assigned_to():
    torch.manual_seed(0)
    model = build()
    other = [90.0, 10.0, 120.0, 40.0]
    both = torch.cat([visible(BOX), torch.zeros(1, 17, 3)])
    head = model.roi_head.keypoint_head
    seen = []
    head.loss = lambda logits, keypoints, boxes: (
        seen.append((keypoints, boxes)) or logits.sum()
    )
    losses(model, sample([BOX, other], both), sample([other, BOX], both.flip(0)))
    ((keypoints, boxes),) = seen
    assert len(boxes) >= 2  # the boxes of the ground truth themselves, at least
    assert (keypoints == visible(BOX)).all()  # never the unlabelled object
    inside = (keypoints[:, 0, :2] >= boxes[:, :2]) & (
        keypoints[:, 0, :2] <= boxes[:, 2:]
    )
    assert inside.all()


def predict(model, scale=(1.0, 1.0), rescale=True):
    torch.manual_seed(1)
    model.eval()
    image = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        (found,) = model.predict(image, [sample([], scale=scale)], rescale=rescale)
    return found.pred_instances


def test_predictions_have_a_score_and_lie_in_their_boxes(model):
    found = predict(model)
    assert len(found) > 0 and found.keypoints.shape == (len(found), 17, 3)
    x, y, score = found.keypoints.unbind(-1)
    slack = 1  # boxes narrower than a pixel count as one
    assert (
        (x >= found.bboxes[:, None, 0]) & (x <= found.bboxes[:, None, 2] + slack)
    ).all()
    assert (
        (y >= found.bboxes[:, None, 1]) & (y <= found.bboxes[:, None, 3] + slack)
    ).all()
    assert ((score >= 0) & (score <= 1)).all() and score.max() > 0


def test_predictions_return_to_the_original_image(model):
    small, large = (
        predict(model, scale=(2.0, 0.5)),
        predict(model, scale=(2.0, 0.5), rescale=False),
    )
    factor = torch.tensor([2.0, 0.5])
    torch.testing.assert_close(small.bboxes * factor.repeat(2), large.bboxes)
    torch.testing.assert_close(
        small.keypoints[..., :2] * factor,
        large.keypoints[..., :2],
        atol=1e-3,
        rtol=1e-4,
    )
    torch.testing.assert_close(
        small.keypoints[..., 2], large.keypoints[..., 2], atol=1e-4, rtol=1e-3
    )


def test_classes_without_keypoints_get_zeros(model):
    head = model.roi_head.keypoint_head
    head.labels = (5,)
    found = predict(model)
    head.labels = None
    assert len(found) > 0 and not found.keypoints.any()
    assert found.keypoints.shape == (len(found), 17, 3)


def test_no_detection_gives_no_keypoints(model):
    model.roi_head.test_cfg.score_thr, before = 2.0, model.roi_head.test_cfg.score_thr
    found = predict(model)
    model.roi_head.test_cfg.score_thr = before
    assert found.keypoints.shape == (0, 17, 3)


def test_raw_outputs_end_with_heatmaps(model):
    maps = model(torch.randn(1, 3, 96, 128), [sample([])], mode='tensor')[-1][-1]
    assert maps.shape[1:] == (17, 56, 56) and len(maps) <= 100


@pytest.mark.parametrize(
    'keypoints, message',
    [
        (None, 'LoadKeypointAnnotations'),
        (torch.zeros(1, 5, 3), r'\(1, 5, 3\).*\(N, 17, 3\)'),
    ],
)
def test_wrong_ground_truth_is_an_error_that_says_what_to_do(model, keypoints, message):
    with pytest.raises(ValueError, match=message):
        losses(model, sample([BOX], keypoints))


def test_any_number_of_keypoints_of_any_class():
    model = build(num_keypoints=3, labels=[0])
    found = losses(model, sample([BOX], visible(BOX)[:, :3]))
    assert found['loss_keypoint'] > 0 and predict(model).keypoints.shape[1:] == (3, 3)
