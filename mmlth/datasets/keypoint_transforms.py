"""MMDet's transforms with the keypoints carried along.

Coordinates are continuous: pixel i covers [i, i + 1). Resize, flip and crop leave labelled points
(v > 0) only inside the image: 0 <= x <= width and 0 <= y <= height, edges included, as for boxes
and so that a flip can be undone. A point outside becomes (0, 0, 0), which unlabelled points
always are.
"""
from typing import ClassVar

import numpy as np
from mmdet.datasets.transforms import (
    LoadAnnotations,
    PackDetInputs,
    RandomCrop,
    RandomFlip,
    Resize,
)
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadKeypointAnnotations(LoadAnnotations):
    """Load also ``gt_keypoints``, float32 (N, K, 3), (x, y, v) in pixels with v in {0, 1, 2}.

    An image that nobody annotated, such as one given to ``inference_detector``, gets none.

    Raises:
        ValueError: There are annotations, but the data set isn't a ``CocoKeypointDataset``.
    """

    def transform(self, results: dict) -> dict:
        """Add ``gt_keypoints`` to what MMDet loads."""
        if 'instances' not in results:
            return super().transform(results)
        if 'flip_indices' not in results:
            raise ValueError(
                f'{_image(results)}: no keypoints to load; the data set must be a '
                'CocoKeypointDataset'
            )
        results = super().transform(results)
        points = [instance['keypoints'] for instance in results['instances']]
        # K has to be told: an image without instances doesn't.
        count = len(results['flip_indices'])
        flat = np.array(points, np.float32)
        results['gt_keypoints'] = flat.reshape(-1, count, 3)
        results['keypoint_frame'] = _frame(results)
        return results


@TRANSFORMS.register_module()
class KeypointResize(Resize):
    """Resize the keypoints too; goes into ``RandomChoiceResize`` and its like as ``resize_type``.

    Points outside the image lose their label whatever ``clip_object_border`` does to boxes.
    """

    def transform(self, results: dict) -> dict:
        """Resize image, boxes, masks and keypoints."""
        check_keypoints(results)
        results = super().transform(results)
        if 'gt_keypoints' in results:
            points = results['gt_keypoints'].copy()
            points[..., :2] *= results['scale_factor']
            _put(points, results)
        return results


@TRANSFORMS.register_module()
class KeypointRandomFlip(RandomFlip):
    """Flip the keypoints too.

    Left and right trade places in a horizontal and in a vertical flip, which mirror the object; a
    diagonal one turns it by 180 degrees.
    """

    def _flip(self, results: dict) -> None:
        check_keypoints(results)
        super()._flip(results)
        if 'gt_keypoints' not in results:
            return
        direction = results['flip_direction']
        shape = results['img'].shape[:2]
        points = self._flip_keypoints(results['gt_keypoints'], shape, direction)
        if direction != 'diagonal':
            points = points[:, results['flip_indices']]
        _put(points, results)


@TRANSFORMS.register_module()
class KeypointRandomCrop(RandomCrop):
    """Crop the keypoints too: those of the boxes that stay, without the points outside."""

    def transform(self, results: dict) -> dict | None:
        """Crop image, boxes, masks and keypoints; None if MMDet finds no valid crop."""
        check_keypoints(results)
        if 'gt_keypoints' not in results:
            return super().transform(results)
        points = results.pop('gt_keypoints')
        # MMDet doesn't tell which boxes stay, but filters these ids, which only its trackers load.
        results['gt_instances_ids'] = np.arange(len(points))
        identity = np.eye(3, dtype=np.float32)
        before = results.pop('homography_matrix', identity)
        results = super().transform(results)
        if results is None:
            return None
        crop = results['homography_matrix']
        shift = crop[:2, 2]
        kept = results.pop('gt_instances_ids')
        points = points[kept]
        points[..., :2] += shift
        results['homography_matrix'] = crop @ before
        _put(points, results)
        return results


@TRANSFORMS.register_module()
class PackKeypointInputs(PackDetInputs):
    """Pack also ``keypoints``, float32 (N, K, 3), into ``gt_instances``, ``ignored_instances``.

    Raises:
        ValueError: See :func:`check_keypoints`.
    """

    mapping_table: ClassVar[dict] = {
        **PackDetInputs.mapping_table,
        'gt_keypoints': 'keypoints',
    }

    def transform(self, results: dict) -> dict:
        """Check the keypoints and pack them with what MMDet packs."""
        check_keypoints(results)
        return super().transform(results)


def check_keypoints(results: dict) -> None:
    """Raise ValueError if a transform that knows no keypoints moved or removed boxes.

    Noticed is what changes, since they were loaded, MMDet's ``homography_matrix``, the number of
    boxes or, but for padding, the shape of the image. A shift that keeps all three
    (``RandomShift``, ``RandomAffine``) isn't.
    """
    if 'gt_keypoints' not in results:
        return
    points = results['gt_keypoints']
    boxes = results.get('gt_bboxes', points)
    if len(boxes) != len(points):
        raise ValueError(
            f'{_image(results)}: {len(boxes)} boxes, but keypoints of {len(points)} instances. A '
            'transform after LoadKeypointAnnotations changed the boxes alone '
            '(FilterAnnotations?): take it out'
        )
    matrix, shape = _frame(results)
    matrix_then, shape_then = results['keypoint_frame']
    reshaped = shape_then not in (None, shape) and 'pad_shape' not in results
    if reshaped or not np.array_equal(matrix, matrix_then):
        raise ValueError(
            f'{_image(results)}: the image was resized, flipped or cropped without its keypoints. '
            'After LoadKeypointAnnotations use KeypointResize, KeypointRandomFlip and '
            'KeypointRandomCrop in place of Resize, RandomFlip and RandomCrop, and no other '
            'geometric transform'
        )


def _put(points: np.ndarray, results: dict) -> None:
    """Store points (N, K, 3) that were moved with the image."""
    height, width = results['img'].shape[:2]
    x = points[..., 0]
    y = points[..., 1]
    labelled = points[..., 2] > 0
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    kept = (labelled & inside)[..., None]
    results['gt_keypoints'] = np.where(kept, points, 0).astype(np.float32)
    results['keypoint_frame'] = _frame(results)


def _frame(results: dict) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Return what changes when the image moves: MMDet's matrix since loading, and the shape."""
    matrix = results.get('homography_matrix', np.eye(3))
    return matrix, results.get('img_shape')


def _image(results: dict) -> str:
    return results.get('img_path', 'an image')
