"""Keypoints <-> one-hot heatmaps of a box: pure functions.

Coordinates are continuous: pixel i covers [i, i + 1), its centre is i + 0.5. Conventions are those
of Mask R-CNN (He et al., ICCV 2017, section 5) as detectron2's Keypoint R-CNN fixes them.
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
        Cells (N, K) int64 in [0, S * S), row by row, and valid (N, K) bool: labelled and inside
        the box. A point on the right or bottom edge belongs to the last cell; invalid ones have
        cell 0.

    >>> box = torch.tensor([[0., 0., 10., 10.]])
    >>> points = torch.tensor([[[5., 0., 2.], [10., 10., 1.], [5., 0., 0.], [11., 5., 2.]]])
    >>> cells, valid = encode(points, box, size=2)
    >>> cells.tolist(), valid.tolist()
    ([[1, 3, 0, 0]], [[True, True, False, False]])
    """
    corner = boxes[:, None, :2]
    far = boxes[:, None, 2:]
    points = keypoints[..., :2]
    labelled = keypoints[..., 2] > 0
    cells_per_pixel = size / (far - corner)
    cell = ((points - corner) * cells_per_pixel).floor().long()
    cell = torch.where(points == far, size - 1, cell)
    inside = (cell >= 0) & (cell < size)
    valid = inside.all(-1) & labelled
    column, row = cell.unbind(-1)
    index = row * size + column
    return index * valid, valid


def decode(logits: Tensor, boxes: Tensor) -> Tensor:
    """Read the most likely position of every keypoint.

    Each map is resized to its box with bicubic interpolation; the keypoint is the centre of the
    highest pixel.

    Args:
        logits: (N, K, S, S) float.
        boxes: (N, 4) float, (x1, y1, x2, y2).

    Returns:
        (N, K, 3) float32: x, y in the boxes' coordinates, and a score in [0, 1]: the softmax over
        the S * S cells, taken at the peak, so that it doesn't depend on the size of the box.
    """
    if len(boxes) == 0:
        return logits.new_zeros((0, logits.shape[1], 3), dtype=torch.float32)
    corner = boxes[:, None, :2].float()
    sides = boxes[:, 2:] - boxes[:, :2]
    sides = sides.float().clamp(min=1)
    pixels = sides.ceil()
    found = []
    for maps, (width, height) in zip(logits.float(), pixels.long().tolist(), strict=True):
        found.append(_peaks(maps, width, height))
    peaks = torch.stack(found)
    pixel_sides = (sides / pixels)[:, None]
    points = peaks[..., :2] * pixel_sides + corner
    scores = peaks[..., 2:]
    return torch.cat([points, scores], dim=-1)


def _peaks(maps: Tensor, width: int, height: int) -> Tensor:
    """Return (K, 3): centre of the highest pixel at width x height, and its softmax score."""
    batch = F.interpolate(
        maps[None],
        size=(height, width),
        mode='bicubic',
        align_corners=False,
    )
    highest, position = batch[0].flatten(1).max(1)
    total = maps.flatten(1).logsumexp(1)
    score = (highest - total).exp()
    score = score.clamp(max=1)  # bicubic may overshoot
    x = position % width
    y = position // width
    return torch.stack([x + 0.5, y + 0.5, score], dim=1)
