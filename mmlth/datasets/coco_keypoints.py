"""COCO person keypoints (or those of any class) as a data set of MMDetection."""
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from mmlth.datasets.coco_person import FLIP_PAIRS, KEYPOINTS, SIGMAS, SKELETON

# COCO files hold indices of pixels; the centre of pixel i is i + 0.5 in the program.
_PIXEL_CENTRE = 0.5
_UNLABELLED = (0.0, 0.0, 0.0)


@DATASETS.register_module()
class CocoKeypointDataset(CocoDataset):
    """Read boxes and keypoints of a COCO file.

    Each instance gets ``keypoints``, a flat list of 3K floats [x1, y1, v1, ...]: pixels, of which
    number i covers [i, i + 1), so x and y are 0.5 more than in the file; v is 1 (hidden) or 2
    (visible). Unlabelled points are (0, 0, 0). Each image gets ``flip_indices``, see
    :func:`flip_indices`.

    Categories with a ``keypoints`` list in the file have keypoints, or all chosen classes if none
    has such a list; instances of the others get zeros.

    In training with a ``filter_cfg``, images with fewer than ``min_keypoints`` (default 1)
    labelled keypoints outside crowds are left out, besides what ``CocoDataset`` leaves out.

    For other classes or keypoints set ``metainfo=dict(classes=, keypoint_names=, sigmas=,
    flip_pairs=, skeleton=)``: the K names, their standard deviations (in square roots of the
    object's area), and pairs of 0-based indices, of keypoints that trade places in a mirrored
    image and of ends of bones.

    Source: the keypoint format and the standard deviations of https://cocodataset.org.

    Raises:
        ValueError: The metainfo contradicts itself or a category of the file; an annotation has a
            wrong number of values, one that isn't finite, a visibility beside 0, 1, 2, or no
            ``keypoints``; no image is left for training. Names the key, or the file and the
            annotation.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('person',),
        palette=CocoDataset.METAINFO['palette'],  # 80 colours; the first is COCO's for people
        keypoint_names=KEYPOINTS,
        sigmas=SIGMAS,
        flip_pairs=FLIP_PAIRS,
        skeleton=SKELETON,
    )

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | None = None) -> dict:
        loaded = super()._load_metainfo(metainfo)
        check_metainfo(loaded)
        return loaded

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse the record of an image and its annotations; see the class."""
        data_info = self._parse(raw_data_info, [])
        data_info['flip_indices'] = flip_indices(self.metainfo)
        with_keypoints = self._categories_with_keypoints()
        # One at a time, because MMDet leaves annotations out without telling which.
        for annotation in raw_data_info['raw_ann_info']:
            parsed = self._parse(raw_data_info, [annotation])
            for instance in parsed['instances']:
                if annotation['category_id'] in with_keypoints:
                    instance['keypoints'] = self._read(annotation)
                else:
                    instance['keypoints'] = self._num_keypoints * list(_UNLABELLED)
                data_info['instances'].append(instance)
        return data_info

    def _parse(self, raw_data_info: dict, annotations: list[dict]) -> dict:
        return super().parse_data_info({**raw_data_info, 'raw_ann_info': annotations})

    def filter_data(self) -> list[dict]:
        """Leave out images as the class says."""
        data_infos = super().filter_data()
        if self.test_mode or self.filter_cfg is None:
            return data_infos
        wanted = self.filter_cfg.get('min_keypoints', 1)
        found = [info for info in data_infos if count_labelled(info) >= wanted]
        if not found:
            raise ValueError(
                f'{self.ann_file}: no image is left for training. '
                f'filter_cfg={dict(self.filter_cfg)} keeps {len(data_infos)} of its '
                f'{len(self.data_list)} images by size and class; none of them has {wanted} '
                '(min_keypoints) or more labelled keypoints. Check ann_file and '
                f'metainfo.classes={self.metainfo["classes"]}'
            )
        return found

    @property
    def _num_keypoints(self) -> int:
        return len(self.metainfo['keypoint_names'])

    def _categories_with_keypoints(self) -> set[int]:
        chosen = self.coco.load_cats(self.cat_ids)
        named = [category for category in chosen if category.get('keypoints')]
        for category in named:
            found = len(category['keypoints'])
            if found != self._num_keypoints:
                raise ValueError(
                    f'{self.ann_file}: category {category["name"]!r} has {found} keypoints, but '
                    f'metainfo.keypoint_names has {self._num_keypoints}. Set metainfo to those of '
                    'the file'
                )
        return {category['id'] for category in named or chosen}

    def _read(self, annotation: dict) -> list[float]:
        try:
            return read_keypoints(annotation.get('keypoints'), self._num_keypoints)
        except ValueError as error:
            raise ValueError(
                f'{self.ann_file}: annotation {annotation["id"]} has {error}. Correct the file'
            ) from error


def read_keypoints(values: list[float] | None, count: int) -> list[float]:
    """Check the keypoints of a COCO annotation and put labelled points at their pixel's centre.

    Args:
        values: [x1, y1, v1, ...] in indices of pixels; None if the annotation has none.
        count: K.

    Returns:
        3K floats; zeros for unlabelled points.

    Raises:
        ValueError: See the message.

    >>> read_keypoints([3, 4, 2, 7, 7, 0], count=2)
    [3.5, 4.5, 2.0, 0.0, 0.0, 0.0]
    """
    if not isinstance(values, list) or len(values) != 3 * count:
        got = f'{len(values)} values in' if isinstance(values, list) else f'{values!r} for'
        raise ValueError(
            f'{got} keypoints; wanted are {3 * count} numbers, x, y, v of each of '
            'metainfo.keypoint_names, zeros where nothing is labelled'
        )
    if not all(_is_finite_number(value) for value in values):
        raise ValueError(f'keypoints that are no finite numbers: {values}')
    visibilities = values[2::3]
    if not {0, 1, 2}.issuperset(visibilities):
        raise ValueError(
            f'keypoints with visibilities {visibilities}; allowed are 0 (unlabelled), 1 (hidden) '
            'and 2 (visible)'
        )
    points: list[float] = []
    for x, y, v in zip(values[::3], values[1::3], visibilities, strict=True):
        labelled = (x + _PIXEL_CENTRE, y + _PIXEL_CENTRE, float(v))
        points += labelled if v else _UNLABELLED
    return points


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def count_labelled(data_info: dict) -> int:
    """Count the labelled keypoints (v > 0) of an image's instances, without crowds."""
    total = 0
    for instance in data_info['instances']:
        if not instance['ignore_flag']:
            visibilities = instance['keypoints'][2::3]
            total += sum(v > 0 for v in visibilities)
    return total


def flip_indices(metainfo: Mapping) -> list[int]:
    """Return K ints: position i holds the index of the keypoint that lands on i when mirrored.

    >>> names = ['nose', 'left_eye', 'right_eye']
    >>> flip_indices(dict(keypoint_names=names, flip_pairs=[(1, 2)]))
    [0, 2, 1]
    """
    indices = list(range(len(metainfo['keypoint_names'])))
    for left, right in metainfo['flip_pairs']:
        indices[left] = right
        indices[right] = left
    return indices


def check_metainfo(metainfo: Mapping) -> None:
    """Raise ValueError naming the key if the parts of the keypoint metainfo don't fit."""
    names = metainfo['keypoint_names']
    sigmas = metainfo['sigmas']
    if isinstance(names, str) or not len(names):
        raise ValueError(f'metainfo.keypoint_names={names!r}: wanted is a list of names')
    if len(sigmas) != len(names) or not all(0 < sigma < math.inf for sigma in sigmas):
        raise ValueError(
            f'metainfo.sigmas={sigmas}: wanted are {len(names)} positive numbers, one for each of '
            'metainfo.keypoint_names'
        )
    for key in ('skeleton', 'flip_pairs'):
        _check_pairs(key, metainfo[key], len(names))
    swapped = [index for pair in metainfo['flip_pairs'] for index in pair]
    twice = sorted({index for index in swapped if swapped.count(index) > 1})
    if twice:
        raise ValueError(
            f'metainfo.flip_pairs={metainfo["flip_pairs"]} has {twice} more than once: a keypoint '
            'trades places with one other'
        )


def _check_pairs(key: str, pairs: Any, count: int) -> None:
    allowed = set(range(count))
    for pair in pairs:
        if len(pair) != 2 or not allowed.issuperset(pair):
            raise ValueError(
                f'metainfo.{key} has {tuple(pair)}: wanted are pairs of indices 0 to {count - 1} '
                'into metainfo.keypoint_names'
            )
