"""The head alone: shapes, parameters, and a loss that can be computed by hand."""

import math

import pytest
import torch

from mmlth.models import KeypointRCNNHead

BOXES = torch.tensor([[0.0, 0.0, 8.0, 8.0]])


def points(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def test_the_papers_head_has_its_shape_and_size():
    head = KeypointRCNNHead()
    assert head(torch.zeros(2, 256, 14, 14)).shape == (2, 17, 56, 56)
    convs = 512 * (256 * 9 + 1) + 7 * 512 * (512 * 9 + 1)
    assert sum(p.numel() for p in head.parameters()) == convs + 17 * (512 * 16) + 17


def test_no_rois_give_no_maps_but_a_gradient():
    head = KeypointRCNNHead(num_convs=1, in_channels=2, conv_out_channels=4)
    loss = head.loss(
        head(torch.zeros(0, 2, 14, 14)), torch.zeros(0, 17, 3), torch.zeros(0, 4)
    )
    loss.backward()
    assert loss == 0 and all(
        p.grad is not None and not p.grad.any() for p in head.parameters()
    )


def test_flat_maps_cost_the_logarithm_of_the_number_of_positions():
    head = KeypointRCNNHead(num_keypoints=2, in_channels=2)
    loss = head.loss(torch.zeros(1, 2, 8, 8), points((1, 1, 2), (5, 5, 1)), BOXES)
    assert float(loss) == pytest.approx(math.log(64))


def test_the_loss_is_an_average_over_labelled_keypoints_in_the_box():
    head = KeypointRCNNHead(num_keypoints=3, in_channels=2)
    logits = torch.zeros(1, 3, 8, 8)
    logits[0, 0, 1, 2] = math.log(63)  # half of the mass: 63 / (63 + 63)
    loss = head.loss(logits, points((2.5, 1.5, 2), (5, 5, 0), (9, 5, 2)), BOXES)
    assert float(loss) == pytest.approx(math.log(2), rel=1e-5)
    both = head.loss(logits, points((2.5, 1.5, 2), (5, 5, 2), (9, 5, 2)), BOXES)
    assert float(both) == pytest.approx((math.log(2) + math.log(64)) / 2, rel=1e-5)


def test_the_weight_of_the_loss_scales_it():
    head = KeypointRCNNHead(num_keypoints=1, in_channels=2, loss_weight=3.0)
    assert float(
        head.loss(torch.zeros(1, 1, 8, 8), points((1, 1, 2)), BOXES)
    ) == pytest.approx(3 * math.log(64))


def test_classes_without_keypoints_are_told_apart():
    cases = [
        (None, [True, True, True]),
        ([0, 2], [True, False, True]),
    ]
    for labels, expected in cases:
        head = KeypointRCNNHead(in_channels=2, labels=labels)
        assert head.has_keypoints(torch.tensor([0, 1, 2])).tolist() == expected


def test_initial_weights_are_hes_by_fan_out_and_biases_zero():
    head = KeypointRCNNHead()
    head.init_weights()
    conv = head.convs[3].conv.requires_grad_(False)
    assert float(conv.weight.std()) == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.02)
    assert (
        head.score_deconv.weight.std() > 0
        and not head.score_deconv.bias.any()
        and not conv.bias.any()
    )


def test_mixed_precision_keeps_loss_and_decoding_in_full_precision():
    torch.manual_seed(0)
    head = KeypointRCNNHead(
        num_keypoints=2, num_convs=2, in_channels=4, conv_out_channels=8
    )
    with torch.autocast('cpu', torch.bfloat16):
        logits = head(torch.randn(1, 4, 14, 14))
        loss, found = (
            head.loss(logits, points((1, 1, 2), (5, 5, 1)), BOXES),
            head.predict(logits, BOXES),
        )
    assert logits.dtype == torch.bfloat16 and loss.dtype == found.dtype == torch.float32
    assert float(loss) == pytest.approx(math.log(56 * 56), rel=0.1)
