"""Heatmap encoding and decoding against cells counted by hand and a slow oracle in plain numpy."""

import numpy as np
import pytest
import torch

from mmlth.models.heatmaps import decode, encode

BOX = torch.tensor([[10.0, 20.0, 18.0, 24.0]])  # 8 wide, 4 high


def test_points_inside_fall_into_their_cell():
    cases = [
        # top left corner
        (10, 20, 0),
        # just inside the first cell
        (11.9, 20.9, 0),
        # left edge of the second
        (12, 20, 1),
        # second row
        (12, 21, 5),
        # right edge is the last column
        (18, 20, 3),
        # bottom right corner
        (18, 24, 15),
    ]
    for x, y, cell in cases:
        cells, valid = encode(torch.tensor([[[x, y, 2.0]]]), BOX, 4)
        assert (cells.item(), valid.item()) == (cell, True)


def test_points_outside_and_unlabelled_ones_are_invalid():
    cases = [
        (9.9, 22, 2),
        (18.1, 22, 2),
        (12, 19.9, 1),
        (12, 24.1, 1),
        (12, 22, 0),
    ]
    for x, y, v in cases:
        cells, valid = encode(torch.tensor([[[x, y, float(v)]]]), BOX, 4)
        assert (cells.item(), valid.item()) == (0, False)


def slow_cells(keypoints, boxes, size):
    """Encode with one loop per point and exact fractions of the box."""
    cells, valid = (
        np.zeros(keypoints.shape[:2], int),
        np.zeros(keypoints.shape[:2], bool),
    )
    for i, (x1, y1, x2, y2) in enumerate(boxes.double().tolist()):
        for k, (x, y, v) in enumerate(keypoints[i].double().tolist()):
            if v > 0 and x1 <= x <= x2 and y1 <= y <= y2:
                column = min(size - 1, int((x - x1) / (x2 - x1) * size))
                row = min(size - 1, int((y - y1) / (y2 - y1) * size))
                cells[i, k], valid[i, k] = row * size + column, True
    return cells, valid


def random_boxes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = 50 * torch.rand(count, 2, generator=generator)
    return torch.cat(
        [corner, corner + 3 + 60 * torch.rand(count, 2, generator=generator)], 1
    )


def test_random_boxes_encode_as_the_slow_oracle_does():
    boxes = random_boxes(40)
    generator = torch.Generator().manual_seed(1)
    share = 1.4 * torch.rand(40, 17, 2, generator=generator) - 0.2  # some outside
    points = boxes[:, None, :2] + share * (boxes[:, 2:] - boxes[:, :2])[:, None]
    v = torch.randint(0, 3, (40, 17, 1), generator=generator)
    keypoints = torch.cat([points, v], -1)
    cells, valid = encode(keypoints, boxes, 56)
    expected = slow_cells(keypoints, boxes, 56)
    assert 100 < expected[1].sum() < 600
    np.testing.assert_array_equal(valid, expected[1])
    np.testing.assert_array_equal(cells, expected[0])


def cubic(distance, a=-0.75):
    """Weight of a sample at this distance: Keys' cubic convolution."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def resize_matrix(before, after):
    """Return the (after, before) matrix of a bicubic resize with repeated borders."""
    matrix = np.zeros((after, before))
    for row in range(after):
        centre = (row + 0.5) * before / after - 0.5
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            matrix[row, min(max(tap, 0), before - 1)] += cubic(centre - tap)
    return matrix


def slow_decode(maps, boxes):
    found = np.zeros((*maps.shape[:2], 3))
    sides = (
        boxes[:, 2:] - boxes[:, :2]
    ).tolist()  # in float32, as rounding up is sensitive
    for i, ((x1, y1, _, _), side) in enumerate(zip(boxes.tolist(), sides, strict=True)):
        w, h = max(1, side[0]), max(1, side[1])
        columns, rows = int(np.ceil(w)), int(np.ceil(h))
        for k, heat in enumerate(maps[i].double().numpy()):
            full = (
                resize_matrix(heat.shape[0], rows)
                @ heat
                @ resize_matrix(heat.shape[1], columns).T
            )
            y, x = np.unravel_index(full.argmax(), full.shape)
            score = np.exp(full[y, x]) / np.exp(heat).sum()
            found[i, k] = (
                x1 + (x + 0.5) * w / columns,
                y1 + (y + 0.5) * h / rows,
                min(1, score),
            )
    return found


def test_random_heatmaps_decode_as_the_slow_oracle_does():
    boxes = random_boxes(12, seed=2)
    boxes[0, 2:] = boxes[0, :2] + torch.tensor([0.3, 40])  # narrower than a pixel
    maps = 3 * torch.randn(12, 5, 14, 14, generator=torch.Generator().manual_seed(3))
    np.testing.assert_allclose(
        decode(maps, boxes), slow_decode(maps, boxes), rtol=1e-4, atol=1e-3
    )


def test_decoding_what_was_encoded_errs_by_less_than_a_cell():
    boxes = random_boxes(20, seed=4)
    boxes[:, 2:] += (
        56  # smaller boxes sample the map too sparsely to meet a single cell
    )
    share = torch.rand(20, 17, 2, generator=torch.Generator().manual_seed(5))
    points = boxes[:, None, :2] + share * (boxes[:, 2:] - boxes[:, :2])[:, None]
    cells, valid = encode(torch.cat([points, torch.ones(20, 17, 1)], -1), boxes, 56)
    assert valid.all()
    maps = 20.0 * torch.nn.functional.one_hot(cells, 56 * 56).reshape(20, 17, 56, 56)
    found = decode(maps, boxes)
    cell = ((boxes[:, 2:] - boxes[:, :2]) / 56)[:, None]
    assert (
        (found[..., :2] - points).abs() <= torch.maximum(cell, torch.tensor(1.0))
    ).all()


def test_shapes_hold_for_few_boxes():
    cases = [
        0,
        1,
    ]
    for count in cases:
        found = decode(torch.zeros(count, 17, 8, 8), random_boxes(count))
        assert found.shape == (count, 17, 3) and found.dtype == torch.float32
        cells, valid = encode(torch.zeros(count, 17, 3), random_boxes(count), 8)
        assert cells.shape == valid.shape == (count, 17)


def test_half_precision_heatmaps_decode_in_full_precision():
    maps = torch.zeros(1, 1, 56, 56, dtype=torch.float16)
    maps[0, 0, 10, 20] = 30.0
    found = decode(maps, torch.tensor([[1000.0, 0.0, 1056.0, 56.0]]))
    assert found.tolist() == [[[1020.5, 10.5, pytest.approx(1, abs=1e-6)]]]


def test_a_mirrored_image_has_mirrored_cells():
    boxes = random_boxes(30, seed=6)
    share = torch.rand(30, 17, 2, generator=torch.Generator().manual_seed(7))
    points = boxes[:, None, :2] + share * (boxes[:, 2:] - boxes[:, :2])[:, None]
    keypoints = torch.cat([points, torch.ones(30, 17, 1)], -1)
    width = 200
    flipped, mirrored = keypoints.clone(), boxes.clone()
    flipped[..., 0] = width - keypoints[..., 0]
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]]
    cells, _ = encode(keypoints, boxes, 56)
    found, valid = encode(flipped, mirrored, 56)
    assert valid.all()
    differ = found != (cells // 56) * 56 + 55 - cells % 56
    assert differ.float().mean() < 0.01  # points on the edge of a cell, by rounding
