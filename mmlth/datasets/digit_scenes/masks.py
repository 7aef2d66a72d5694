"""Masks as COCO stores them: polygons or compressed run lengths, with area and box."""
import cv2
import numpy as np
from pycocotools import mask as coco_mask

Segmentation = list[list[float]] | dict

_ZOOM = 2  # contours are traced at this zoom, so that they run along the pixels' edges
_TOLERANCE = 0.7  # in zoomed pixels
_MIN_PIECE = 6.0  # in pixels; slivers left by occlusion are no part of the annotation


def encode(mask: np.ndarray, polygons: bool) -> tuple[Segmentation, int, list[int]]:
    """Describe a bool (h, w) mask as COCO does.

    Args:
        mask: bool (h, w).
        polygons: Ask for polygons, which a mask with holes cannot have: it becomes run lengths.

    Returns:
        (segmentation, area, bbox): the area in pixels, int, and the tight box [x, y, w, h] in
        whole pixels, both of the mask that pycocotools decodes.
    """
    segmentation: Segmentation | None = _polygons(mask) if polygons else None
    if not segmentation:
        segmentation = _run_lengths(mask)
    rle = as_rle(segmentation, mask.shape)
    area = int(coco_mask.area(rle))
    box = [round(value) for value in coco_mask.toBbox(rle).tolist()]
    return segmentation, area, box


def as_rle(segmentation: Segmentation, shape: tuple[int, ...]) -> dict:
    """Return pycocotools' run lengths of a segmentation in an image of ``shape`` (h, w)."""
    if isinstance(segmentation, dict):
        return segmentation
    pieces = coco_mask.frPyObjects(segmentation, *shape)
    return coco_mask.merge(pieces)


def decode(segmentation: Segmentation, shape: tuple[int, ...]) -> np.ndarray:
    """Return bool (h, w) of a COCO segmentation in an image of ``shape`` (h, w)."""
    rle = as_rle(segmentation, shape)
    return coco_mask.decode(rle).astype(bool)


def _run_lengths(mask: np.ndarray) -> dict:
    by_columns = np.asfortranarray(mask.astype(np.uint8))
    rle = coco_mask.encode(by_columns)
    size = [int(side) for side in rle['size']]
    counts = rle['counts'].decode('ascii')
    return dict(size=size, counts=counts)


def _polygons(mask: np.ndarray) -> list[list[float]] | None:
    """Return flat [x0, y0, x1, y1, ...] lists of a mask's pieces; None if it has a hole."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    corner = np.array([columns[0], rows[0]])
    tight = mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    zoomed = tight.astype(np.uint8)
    for axis in (0, 1):
        zoomed = zoomed.repeat(_ZOOM, axis=axis)
    contours, links = cv2.findContours(zoomed, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parents = links[0, :, 3]
    if (parents >= 0).any():
        return None
    found = []
    for contour in contours:
        if cv2.contourArea(contour) >= _MIN_PIECE * _ZOOM ** 2:
            corners = cv2.approxPolyDP(contour, _TOLERANCE, True)[:, 0]
            piece = (corners + 0.5) / _ZOOM + corner
            found.append(piece.round(2).ravel().tolist())
    return [piece for piece in found if len(piece) >= 6]
