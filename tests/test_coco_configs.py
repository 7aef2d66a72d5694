"""The configs for COCO and VOC: the paper's settings, and every file that they read."""

import copy
import functools
import re

import pytest
from conftest import ROOT
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.registry import init_default_scope

from mmlth.engine.config_files import load_config, set_data_root
from mmlth.job.checks import check_config
from mmlth.settings.imp_config import IMPConfig

COCO_SAMPLE = ROOT.parent / 'shared' / 'data' / 'coco_kpt'
FAMILIES = (
    'mask_rcnn/mask-rcnn_%s_fpn_1x_coco',
    'keypoint_rcnn/keypoint-rcnn_%s_fpn_1x_coco',
    *(f'faster_rcnn/faster-rcnn_%s_fpn_1x_{data}' for data in ('coco', 'voc07', 'voc0712')),
)
NAMES = [family % depth for depth in ('r18', 'r50') for family in FAMILIES]
NAMES += ['faster_rcnn/faster-rcnn_r18_c4_1x_voc07']
INSTANCES = {
    'train2017/',
    'val2017/',
    'annotations/instances_train2017.json',
    'annotations/instances_val2017.json',
}
PEOPLE = {name.replace('instances', 'person_keypoints') for name in INSTANCES}
VOC07 = {'VOC2007/', 'VOC2007/ImageSets/Main/trainval.txt', 'VOC2007/ImageSets/Main/test.txt'}
VOC12 = {'VOC2012/', 'VOC2012/ImageSets/Main/trainval.txt'}


@functools.cache
def read(name):
    return load_config(str(ROOT / 'configs' / f'{name}.py'))


def load(name):
    return copy.deepcopy(read(name))  # a two-stage detector writes into its config


def test_all_configs_outside_the_embedded_data_are_tested_here():
    files = (ROOT / 'configs').glob('*/*.py')
    found = {p.relative_to(ROOT / 'configs').with_suffix('').as_posix() for p in files}
    others = ('_base_/', 'digit_scenes/', 'classification/', 'imagenet/', 'studies/')
    assert {n for n in found if not n.startswith(others)} == set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_training_is_the_papers(name):
    cfg = load(name)
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 16
    assert cfg.train_cfg.max_epochs == 12 and cfg.optim_wrapper.type == 'OptimWrapper'
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.01 if 'voc' in name else 0.02, momentum=0.9, weight_decay=1e-4
    )
    warm_up = [(p.end, p.start_factor) for p in cfg.param_scheduler if p.type == 'LinearLR']
    assert warm_up == ([] if 'voc' in name else [(2000, 5e-4)])
    steps = [p.milestones for p in cfg.param_scheduler if p.type == 'MultiStepLR']
    assert steps == [[9] if 'voc' in name else [8, 11]]


@pytest.mark.parametrize('name', NAMES)
def test_pruning_is_the_papers(name):
    settings = IMPConfig.from_dicts(load(name).imp)
    late = 600 if 'voc' in name else 3534 if 'keypoint' in name else 7329
    assert settings == IMPConfig(target_sparsity=0.8, rounds=1, scope='paper', rewind=late)


@pytest.mark.parametrize('name', NAMES)
def test_model_builds_with_its_classes_and_starts_from_imagenet(name):
    cfg = load(name)
    depth = 18 if '_r18_' in name else 50
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint=f'torchvision://resnet{depth}'
    )
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    assert model.backbone.depth == depth
    assert model.roi_head.with_mask == ('mask' in name)
    assert ('keypoint_head' in dict(model.roi_head.named_children())) == ('keypoint' in name)
    classes = 20 if 'voc' in name else 1 if 'keypoint' in name else 80
    assert model.roi_head.bbox_head.num_classes == classes


@pytest.mark.parametrize('name', NAMES)
def test_an_epoch_is_one_pass_over_its_data(name):
    dataset = load(name).train_dataloader.dataset
    if 'voc' in name:
        assert (dataset.type, dataset.times) == ('RepeatDataset', 1)
        folders = [d.data_prefix.sub_data_root for d in dataset.dataset.datasets]
        assert folders == ['VOC2007/', 'VOC2012/'][: 2 if '0712' in name else 1]
    else:
        assert dataset.type == ('CocoKeypointDataset' if 'keypoint' in name else 'CocoDataset')


def missing(cfg):
    """Name the first missing file as a user reads it: (key, path)."""
    with pytest.raises(FileNotFoundError) as error:
        check_config(cfg)
    return re.match(r"(\S+) = '(.*)' does not exist", str(error.value)).groups()


@pytest.mark.parametrize(
    'name, wanted',
    [
        (
            name,
            {'voc07': VOC07, 'voc0712': VOC07 | VOC12}.get(
                name.split('_')[-1], PEOPLE if 'keypoint' in name else INSTANCES
            ),
        )
        for name in NAMES
    ],
)
def test_every_missing_file_is_named_before_training(name, wanted, tmp_path):
    """All at once; when all of them are given, nothing is missing."""
    cfg = set_data_root(load(name), str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        check_config(cfg)
    paths = set(re.findall(rf"'{tmp_path}/([^']*)'", str(caught.value)))
    assert paths == wanted
    for path in sorted(paths):
        file = tmp_path / path
        (file if path.endswith('/') else file.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith('/'):
            file.touch()
    check_config(cfg)


@pytest.mark.parametrize('name', [n for n in NAMES if n.endswith('coco')])
def test_the_evaluator_reads_the_validation_set(name, tmp_path):
    cfg = set_data_root(load(name), str(tmp_path))
    assert cfg.val_evaluator.ann_file == f'{tmp_path}/{cfg.val_dataloader.dataset.ann_file}'
    cfg.val_evaluator.ann_file = f'{tmp_path}/none.json'
    for path in INSTANCES | PEOPLE:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if path.endswith('/') else target.touch()
    assert missing(cfg) == ('val_evaluator.ann_file', f'{tmp_path}/none.json')


def test_a_dry_run_plans_the_papers_pruning(call_tool, tmp_path):
    config = ROOT / 'configs' / 'mask_rcnn' / 'mask-rcnn_r18_fpn_1x_coco.py'
    out = call_tool(
        'imp_train.py',
        config,
        '--dry-run',
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'model.backbone.init_cfg=None',
    ).stdout
    assert 'scope: 30,704,832 weights in' in out and 'model: 31,327,536 parameters' in out
    assert ['1', '6,140,966', '80.00%', '78.41%'] in [line.split() for line in out.splitlines()]


@pytest.mark.skipif(not COCO_SAMPLE.is_dir(), reason='the COCO sample is not here')
def test_the_keypoint_config_reads_coco():
    """25 and 11 images; the first of each becomes 800 on its short side or 1333 on its long."""
    cfg = set_data_root(load('keypoint_rcnn/keypoint-rcnn_r18_fpn_1x_coco'), str(COCO_SAMPLE))
    init_default_scope('mmdet')
    for loader, split, images in (
        (cfg.train_dataloader, 'train', 25),
        (cfg.val_dataloader, 'val', 11),
    ):
        loader.dataset.ann_file = f'annotations/person_keypoints_{split}.json'
        loader.dataset.data_prefix = dict(img='images/')
        dataset = DATASETS.build(loader.dataset)
        sample = dataset[0]['data_samples']
        assert len(dataset) == images and (
            min(sample.img_shape) == 800 or max(sample.img_shape) == 1333
        )
        if split == 'train':
            assert sample.gt_instances.keypoints.shape == (len(sample.gt_instances), 17, 3)
    cfg.val_evaluator.ann_file = str(COCO_SAMPLE / 'annotations' / 'person_keypoints_val.json')
    assert cfg.val_evaluator.metric == ['bbox', 'keypoints']
    assert type(METRICS.build(cfg.val_evaluator)).__name__ == 'CocoKeypointMetric'


def test_the_voc_config_reads_voc(digit_scenes):
    """DigitScenes' VOC form stands in: its people are of a VOC class, its digits aren't."""
    cfg = set_data_root(load('faster_rcnn/faster-rcnn_r18_fpn_1x_voc07'), str(digit_scenes))
    init_default_scope('mmdet')
    folder = digit_scenes / 'VOC2007'
    names = (folder / 'ImageSets' / 'Main' / 'trainval.txt').read_text().split()
    people = [
        n for n in names if '<name>person<' in (folder / 'Annotations' / f'{n}.xml').read_text()
    ]
    assert 0 < len(people) < len(names) and len(
        DATASETS.build(cfg.train_dataloader.dataset)
    ) == len(people)
