"""Keypoints <-> one-hot heatmaps of a box: pure functions.

Coordinates are continuous: pixel i covers [i, i + 1), its centre is i + 0.5. Conventions are those of
Mask R-CNN (He et al., ICCV 2017, section 5) as detectron2's Keypoint R-CNN fixes them.
"""
import torch
from torch import Tensor
from torch.nn import functional as F


def encode(keypoints: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Find the heatmap cell of every keypoint.

    Args:
        keypoints: (N, K, 3) float, (x, y, v) in image coordinates; v > 0 is labelled.
        boxes: (N, 4) float, (x1, y1, x2, y2); box i frames the keypoints i.
        size: S, cells per side of the heatmap.

    Returns:
        Cells (N, K) int64 in [0, S * S), row by row, and valid (N, K) bool: labelled and inside the box. A
        point on the right or bottom edge belongs to the last cell; invalid ones have cell 0.

    >>> points = torch.tensor([[[5., 0., 2.], [10., 10., 1.], [5., 0., 0.], [11., 5., 2.]]])
    >>> cells, valid = encode(points, torch.tensor([[0., 0., 10., 10.]]), size=2)
    >>> cells.tolist(), valid.tolist()
    ([[1, 3, 0, 0]], [[True, True, False, False]])
    """
    corner, far = boxes[:, None, :2], boxes[:, None, 2:]
    points = keypoints[..., :2]
    cell = ((points - corner) * (size / (far - corner))).floor().long()
    cell = torch.where(points == far, size - 1, cell)
    valid = ((cell >= 0) & (cell < size)).all(-1) & (keypoints[..., 2] > 0)
    return (cell[..., 1] * size + cell[..., 0]) * valid, valid


def decode(logits: Tensor, boxes: Tensor) -> Tensor:
    """Read the most likely position of every keypoint.

    Each map is resized to its box with bicubic interpolation; the keypoint is the centre of the highest
    pixel.

    Args:
        logits: (N, K, S, S) float.
        boxes: (N, 4) float, (x1, y1, x2, y2).

    Returns:
        (N, K, 3) float32: x, y in the boxes' coordinates, and a score in [0, 1]: the softmax over the
        S * S cells, taken at the peak, so that it doesn't depend on the size of the box.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).float().clamp(min=1)
    pixels = sides.ceil().long().tolist()
    found = [_peaks(maps, width, height) for maps, (width, height) in zip(logits.float(), pixels)]
    if not found:
        return logits.new_zeros((0, logits.shape[1], 3), dtype=torch.float32)
    peaks = torch.stack(found)
    points = peaks[..., :2] * (sides / sides.ceil())[:, None] + boxes[:, None, :2].float()
    return torch.cat([points, peaks[..., 2:]], dim=-1)


def _peaks(maps: Tensor, width: int, height: int) -> Tensor:
    """Return (K, 3): centre of the highest pixel at width x height, and its softmax score."""
    full = F.interpolate(maps[None], size=(height, width), mode='bicubic', align_corners=False)[0]
    highest, position = full.flatten(1).max(1)
    score = (highest - maps.flatten(1).logsumexp(1)).exp().clamp(max=1)  # bicubic may overshoot
    x, y = position % width, position // width
    return torch.stack([x + 0.5, y + 0.5, score], dim=1)
