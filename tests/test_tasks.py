"""Boxes, masks and keypoints go through the same engine, and end in plain checkpoints of MMDet."""
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    COCO,
    ROOT,
    call_mmdet,
    coco_options,
    data_options,
    run_mmdet,
    run_on_two_ranks,
    tool_main,
)
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import get_installed_path

from mmlth.analysis.object_groups import per_category
from mmlth.analysis.predictions import load_predictions
from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.dump import read_facts
from mmlth.core.ticket import load_ticket

METRICS = dict(faster='bbox', mask='segm', keypoint='keypoints')
SMALL_VOC = [
    'model.backbone.init_cfg=None',
    'model.backbone.base_channels=8',
    'model.neck.in_channels=[8,16,32,64]',
    'train_cfg.max_epochs=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.times=1',
    'train_dataloader.dataset.dataset.datasets.0.pipeline.2.scale=(128,128)',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'val_dataloader.dataset.pipeline.1.scale=(128,128)',
]


def tiny(task):
    """Return the config of a tiny detector for DigitScenes."""
    return ROOT / 'configs' / 'digit_scenes' / f'{task}-rcnn_r18-tiny_fpn_digitscenes.py'


def rounds_of(work_dir):
    return json.loads((work_dir / 'summary.json').read_text())['rounds']


@pytest.fixture(scope='module', params=METRICS)
def task(request):
    return request.param


@pytest.fixture(scope='module')
def job(tmp_path_factory, digit_scenes, task):
    """A job of one pruning on 16 scenes."""
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    flags = ['--work-dir', work_dir, '--rounds', 1, '--target-sparsity', 0.8]
    options = ['--cfg-options', *data_options(digit_scenes)]
    assert tool_main('imp_train.py', tiny(task), *flags, *options) == 0
    return work_dir


def test_records_hold_boxes_and_the_tasks_own_metric(job, task):
    rounds = rounds_of(job)
    assert [round(r['sparsity'], 4) for r in rounds] == [0, 0.8]
    for record in rounds:
        assert {'coco/bbox_mAP', f'coco/{METRICS[task]}_mAP'} <= set(record['metrics'])


def test_export_loads_strictly_into_a_plain_detector(job, task, call_tool, tmp_path):
    ticket = job / 'round_01' / 'ticket.safetensors'
    call_tool('export_ticket.py', ticket, tmp_path / 'plain.pth')
    init_default_scope('mmdet')
    plain = MODELS.build(Config.fromfile(str(tiny(task))).model)
    exported = load_checkpoint(tmp_path / 'plain.pth')
    plain.load_state_dict(exported['state_dict'], strict=True)
    assert set(exported) == {'meta', 'state_dict'}
    zeros = sum(int((plain.get_parameter(n) == 0).sum()) for n in load_ticket(ticket).masks)
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    assert zeros == record['scope_size'] - record['kept']


def test_ticket_and_export_score_as_recorded(
        job, task, digit_scenes, call_tool, tmp_path, monkeypatch):
    ticket = job / 'round_01' / 'ticket.safetensors'
    expected = json.loads((job / 'round_01' / 'record.json').read_text())['metrics']
    out = tmp_path / 'metrics.json'
    call_tool('test_ticket.py', job, '--work-dir', tmp_path / 'eval', '--out', out,
              '--show-dir', tmp_path / 'drawn', '--dump')
    assert json.loads(out.read_text()) == expected
    check_dump(ticket.parent, expected, digit_scenes)
    images = {item['file_name'].rpartition('/')[2] for item in json.loads(
        (digit_scenes / 'annotations' / 'instances_val.json').read_text())['images']}
    assert {path.name for path in (tmp_path / 'drawn').iterdir()} == images
    plain, work_dir = tmp_path / 'plain.pth', tmp_path / 'test'
    call_tool('export_ticket.py', ticket, plain)
    options = ['--work-dir', work_dir, '--cfg-options', *data_options(digit_scenes)]
    call_mmdet(monkeypatch, 'test.py', tiny(task), plain, *options)
    (dumped, ) = work_dir.glob('*/*.json')
    by_mmdet = json.loads(dumped.read_text())
    assert {name: by_mmdet[name] for name in expected} == expected


def check_dump(folder, expected, digit_scenes):
    """What is dumped scores as the job was, and says where the annotations lie."""
    dumped = load_predictions(folder)
    for task, results in dumped.found.items():
        aps = [ap for ap in per_category(dumped, task).values() if ap == ap]
        assert np.mean(aps) == pytest.approx(expected[f'coco/{task}_mAP'], abs=6e-4)
        assert results
    assert {f'coco/{task}_mAP' for task in dumped.found} <= set(expected)
    train = json.loads((digit_scenes / 'annotations' / 'instances_train.json').read_text())
    ids = [ann['category_id'] for ann in train['annotations'] if not ann['iscrowd']]
    assert dumped.training == {number: ids.count(number) for number in dumped.categories}
    assert not list(folder.glob('.predictions*'))
    images = Path(read_facts(folder)['images'])
    assert all((images / image['file_name']).is_file() for image in dumped.truth['images'])
    positions = read_facts(folder)['positions']
    assert set(load_ticket(folder / 'ticket.safetensors').masks) <= set(positions)
    assert 0 < positions['rpn_head.rpn_conv.weight'][0] < 192 * 192  # all levels of an image


def test_inference_detector_returns_keypoints(job, task):
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    model = init_detector(str(tiny(task)), str(job / record['checkpoint']), device='cpu')
    model.test_cfg.rcnn.score_thr = model.roi_head.test_cfg.score_thr = 0.0
    image = np.random.default_rng(0).integers(0, 255, (160, 176, 3), np.uint8)
    found = inference_detector(model, image).pred_instances
    assert len(found) > 0
    assert ('keypoints' in found) == (task == 'keypoint')
    if task == 'keypoint':
        assert found.keypoints.shape[1:] == (17, 3)


@pytest.mark.slow
def test_keypoints_train_on_two_ranks(digit_scenes, tmp_path):
    options = [*data_options(digit_scenes), 'train_dataloader.batch_size=2']
    flags = ['--rounds', '1', '--cfg-options', *options]
    run_on_two_ranks(tiny('keypoint'), tmp_path / 'imp', *flags)
    rounds = rounds_of(tmp_path / 'imp')
    assert len(rounds) == 2 and all('coco/keypoints_mAP' in r['metrics'] for r in rounds)


def is_found_by_mmengine():
    """Upstream's MMEngine looks for packages installed with ``pip install -e`` elsewhere."""
    return (Path(get_installed_path('mmlth')) / '.mim').exists()


@pytest.mark.skipif(not is_found_by_mmengine(), reason='MMEngine does not find configs of mmlth')
@pytest.mark.parametrize('base', [
    'digit_scenes/keypoint-rcnn_r18-tiny_fpn_digitscenes.py',
    'classification/resnet18-tiny_digitscenes-crops.py'])
def test_a_config_on_a_packaged_one_trains(base, digit_scenes, call_tool, tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = 'mmlth::{base}'\n")
    options = ['train_dataloader.batch_size=2', 'train_cfg.max_epochs=1']
    call_tool('imp_train.py', mine, '--rounds', '0', '--work-dir', tmp_path / 'imp', '--data-root',
              digit_scenes, '--cfg-options', *options)
    assert rounds_of(tmp_path / 'imp')[0]['metrics']


@pytest.mark.slow
def test_voc_config_runs_on_the_voc_form(call_tool, digit_scenes, tmp_path):
    # Of VOC's 20 classes the scenes hold people.
    config = ROOT / 'configs' / 'faster_rcnn' / 'faster-rcnn_r18_fpn_1x_voc07.py'
    flags = ['--work-dir', tmp_path / 'imp', '--data-root', digit_scenes, '--rewind', 'init']
    call_tool('imp_train.py', config, *flags, '--cfg-options', *SMALL_VOC)
    rounds = rounds_of(tmp_path / 'imp')
    assert [round(r['sparsity'], 4) for r in rounds] == [0, 0.8]
    assert all('pascal_voc/mAP' in r['metrics'] for r in rounds)


@pytest.mark.slow
@pytest.mark.skipif(not COCO.exists(), reason='the real COCO sample is not here')
def test_mask_rcnn_r18_runs_two_rounds_on_real_coco_images(call_tool, tmp_path):
    config = ROOT / 'configs' / 'mask_rcnn' / 'mask-rcnn_r18_fpn_1x_coco.py'
    flags = ['--work-dir', tmp_path / 'imp', '--rewind', '1']
    call_tool('imp_train.py', config, *flags, '--cfg-options', *coco_options())
    rounds = rounds_of(tmp_path / 'imp')
    assert [r['steps'] for r in rounds] == [2, 2]
    assert rounds[1]['network_sparsity'] == pytest.approx(0.784, abs=1e-3)


@pytest.mark.slow
def test_mmdets_own_train_py_trains_keypoints(digit_scenes, tmp_path):
    options = ['--work-dir', tmp_path, '--cfg-options', *data_options(digit_scenes)]
    run_mmdet('train.py', tiny('keypoint'), *options)
    (scalars, ) = tmp_path.glob('*/vis_data/scalars.json')
    text = scalars.read_text()
    assert 'coco/keypoints_mAP' in text and 'loss_keypoint' in text
