"""Image folders: which files, which labels, what is refused, and how samples are packed."""

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.registry import init_default_scope

import mmlth.datasets.image_folders  # noqa: F401  registers it
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.job.checks import check_config

CONFIG = ROOT / 'configs' / 'classification' / 'resnet18-tiny_digitscenes-crops.py'


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(
        ('dog/b.png', 'dog/a.JPG', 'cat/deep/c.png', 'ant/d.png')
    ):
        path = tmp_path / 'train' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((2, 3, 3), number, np.uint8))
    (tmp_path / 'train' / 'dog' / 'notes.txt').write_text('no image')
    return tmp_path


def load(root, classes=None, **kwargs):
    init_default_scope('mmdet')
    metainfo = dict(classes=classes) if classes else None
    return DATASETS.build(
        dict(
            type='ImageFolderDataset',
            data_root=str(root),
            metainfo=metainfo,
            data_prefix=dict(img_path='train/'),
            **kwargs,
        )
    )


def found(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [
        (info['img_path'].rpartition('train/')[2], info['gt_label']) for info in infos
    ]


def test_folders_are_classes_in_alphabetical_order(folder):
    dataset = load(folder)
    assert dataset.metainfo['classes'] == ('ant', 'cat', 'dog')
    assert found(dataset) == [
        ('ant/d.png', 0),
        ('cat/deep/c.png', 1),
        ('dog/a.JPG', 2),
        ('dog/b.png', 2),
    ]


def test_chosen_classes_set_the_labels_and_other_folders_are_passed_over(folder):
    assert found(load(folder, ('dog', 'ant'))) == [
        ('dog/a.JPG', 0),
        ('dog/b.png', 0),
        ('ant/d.png', 1),
    ]
    # Nothing is kept between data sets.
    assert load(folder).metainfo['classes'] == ('ant', 'cat', 'dog')


@pytest.mark.parametrize(
    'classes, error, message',
    [
        (
            ('dog', 'cow'),
            FileNotFoundError,
            'folder of a class is missing: .*cow. Check metainfo.classes',
        ),
        (('empty',), ValueError, 'empty holds no image; known are .bmp'),
    ],
)
def test_classes_without_images_are_refused(folder, classes, error, message):
    (folder / 'train' / 'empty').mkdir()
    with pytest.raises(error, match=message):
        load(folder, classes)


def test_missing_or_flat_folders_are_refused(folder, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r'image folder .*train.* does not exist; set data_root'
    ):
        load(folder / 'none')
    (tmp_path / 'flat' / 'train').mkdir(parents=True)
    with pytest.raises(ValueError, match='holds no folder'):
        load(tmp_path / 'flat')


def test_samples_are_packed_as_planes_with_their_label(folder):
    init_default_scope('mmdet')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackClassInputs')]
    packed = load(folder, pipeline=pipeline)[3]
    assert packed['inputs'].shape == (3, 2, 3) and packed['inputs'].dtype == torch.uint8
    # dog/b.png was the first one written.
    assert packed['inputs'].unique().tolist() == [0]
    sample = packed['data_samples']
    assert (sample.gt_label, sample.img_shape) == (
        2,
        (2, 3),
    ) and sample.img_path.endswith('dog/b.png')


def test_planes_are_the_images_channels():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    packed = TRANSFORMS.build(dict(type='PackClassInputs'))(dict(img=image, gt_label=1))
    assert packed['inputs'][2].tolist() == [[2, 5], [8, 11]]


def test_crops_of_digit_scenes_are_read_by_the_config(digit_scenes):
    cfg = set_data_root(load_config(str(CONFIG)), str(digit_scenes))
    check_config(cfg)
    init_default_scope('mmdet')
    for loader, count in ((cfg.train_dataloader, 200), (cfg.val_dataloader, 40)):
        dataset = DATASETS.build(loader.dataset)
        labels = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
        assert [labels.count(i) for i in range(11)] == [count] * 11
        assert dataset[0]['inputs'].shape == (3, 48, 48)
        assert '/person/' in dataset.get_data_info(0)['img_path']


def test_missing_crops_are_named_before_training(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r'train_dataloader.*data_prefix.img_path = .*--data-root',
    ):
        check_config(set_data_root(load_config(str(CONFIG)), str(tmp_path)))
