"""Masks as COCO stores them: polygons or compressed run lengths, with area and box."""
import cv2
import numpy as np
from pycocotools import mask as coco_mask

_ZOOM = 2  # contours are traced at this zoom, so that they run along the pixels' edges
_TOLERANCE = 0.7  # in zoomed pixels
_MIN_PIECE = 6.0  # in pixels; slivers left by occlusion are no part of the annotation


def encode(mask: np.ndarray, polygons: bool) -> tuple[list | dict, int, list[int]]:
    """COCO's description of a bool (h, w) mask.

    Args: ``polygons`` asks for polygons, which a mask with holes cannot have: it becomes run
    lengths. Returns (segmentation, area, bbox): the area in pixels, int, and the tight box
    [x, y, w, h] in whole pixels, both of the mask that pycocotools decodes.
    """
    segmentation = _polygons(mask) if polygons else None
    if not segmentation:
        segmentation = _run_lengths(mask)
    rle = as_rle(segmentation, mask.shape)
    x, y, width, height = (int(round(value)) for value in coco_mask.toBbox(rle))
    return segmentation, int(coco_mask.area(rle)), [x, y, width, height]


def as_rle(segmentation, shape):
    """pycocotools' run-length dict of a COCO segmentation in an image of ``shape`` (h, w)."""
    if isinstance(segmentation, dict):
        return segmentation
    return coco_mask.merge(coco_mask.frPyObjects(segmentation, *shape))


def decode(segmentation: list | dict, shape: tuple[int, int]) -> np.ndarray:
    """bool (h, w) of a COCO segmentation in an image of ``shape`` (h, w)."""
    return coco_mask.decode(as_rle(segmentation, shape)).astype(bool)


def _run_lengths(mask):
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return dict(size=[int(side) for side in rle['size']], counts=rle['counts'].decode('ascii'))


def _polygons(mask):
    """Flat [x0, y0, x1, y1, ...] lists of the pieces of a mask; None if it has a hole."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    corner = np.array([columns[0], rows[0]])
    zoomed = mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].astype(np.uint8)
    zoomed = zoomed.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
    contours, links = cv2.findContours(zoomed, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if (links[0, :, 3] >= 0).any():
        return None
    pieces = [cv2.approxPolyDP(contour, _TOLERANCE, True)[:, 0] for contour in contours
              if cv2.contourArea(contour) >= _MIN_PIECE * _ZOOM ** 2]
    flat = [((piece + 0.5) / _ZOOM + corner).round(2).ravel().tolist() for piece in pieces]
    return [piece for piece in flat if len(piece) >= 6]
