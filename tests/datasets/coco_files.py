"""Small COCO files of keypoints, written and read."""

import json

import pytest

from mmlth.datasets.coco_keypoints import CocoKeypointDataset

NAMES = ['nose', 'left', 'right']
METAINFO = dict(
    classes=('cat',),
    keypoint_names=NAMES,
    sigmas=[0.1, 0.2, 0.2],
    flip_pairs=[(1, 2)],
    skeleton=[(0, 1), (0, 2)],
)
CAT, DOG = dict(id=1, name='cat', keypoints=NAMES), dict(id=5, name='dog')
POINTS = [1, 2, 2, 3, 4, 1, 9, 9, 0]  # two labelled
READ = [1.5, 2.5, 2, 3.5, 4.5, 1, 0, 0, 0]


def annotation(number, keypoints=POINTS, image=1, **changes):
    """An annotation whose box begins at x = its number."""
    record = dict(
        id=number,
        image_id=image,
        category_id=1,
        bbox=[number, 0, 5, 5],
        area=25,
        iscrowd=0,
    )
    if keypoints is not None:
        record['keypoints'] = keypoints
    return {**record, **changes}


@pytest.fixture
def load(tmp_path):
    """Write a COCO file of 20 x 10 images and read it."""

    def run(*annotations, categories=(CAT,), metainfo=METAINFO, images=1, **kwargs):
        path = tmp_path / 'cats.json'
        records = [
            dict(id=i + 1, file_name=f'{i + 1}.jpg', width=20, height=10)
            for i in range(images)
        ]
        path.write_text(
            json.dumps(
                dict(images=records, annotations=annotations, categories=categories)
            )
        )
        return CocoKeypointDataset(
            ann_file=str(path),
            data_prefix=dict(img=''),
            metainfo=metainfo,
            pipeline=[],
            **kwargs,
        )

    return run


def instances(dataset):
    return dataset.get_data_info(0)['instances']
