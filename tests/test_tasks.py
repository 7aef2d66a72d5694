"""Boxes, masks and keypoints go through the same engine, and end in plain checkpoints of MMDet."""
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import COCO, ROOT, coco_options, data_options, run_mmdet, tool_env
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.ticket import load_ticket

METRICS = dict(faster='bbox', mask='segm', keypoint='keypoints')


@pytest.fixture(scope='module', params=METRICS)
def task(request):
    return request.param


@pytest.fixture(scope='module')
def config(task):
    return ROOT / 'configs' / 'digit_scenes' / f'{task}-rcnn_r18-tiny_fpn_digitscenes.py'


@pytest.fixture(scope='module')
def job(tmp_path_factory, digit_scenes, config):
    """A job of one pruning on 16 scenes."""
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / 'imp_train.py', config, '--work-dir', work_dir, '--rounds', '1',
         '--target-sparsity', '0.8', '--cfg-options', *data_options(digit_scenes)],
        cwd=ROOT, env=tool_env(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return work_dir


def test_records_hold_boxes_and_the_tasks_own_metric(job, task):
    rounds = json.loads((job / 'summary.json').read_text())['rounds']
    assert [round(r['sparsity'], 4) for r in rounds] == [0, 0.8]
    for record in rounds:
        assert {'coco/bbox_mAP', f'coco/{METRICS[task]}_mAP'} <= set(record['metrics'])


def test_export_loads_strictly_into_a_plain_detector_and_scores_the_same(job, config, digit_scenes, run_tool,
                                                                         tmp_path):
    ticket = job / 'round_01' / 'ticket.safetensors'
    run_tool('export_ticket.py', ticket, tmp_path / 'plain.pth')
    from mmdet.registry import MODELS
    init_default_scope('mmdet')
    plain = MODELS.build(Config.fromfile(str(config)).model)
    exported = load_checkpoint(tmp_path / 'plain.pth')
    plain.load_state_dict(exported['state_dict'], strict=True)
    assert set(exported) == {'meta', 'state_dict'}
    zeros = sum(int((plain.get_parameter(n) == 0).sum()) for n in load_ticket(ticket).masks)
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    assert zeros == record['scope_size'] - record['kept']
    run_mmdet('test.py', config, tmp_path / 'plain.pth', '--work-dir', tmp_path / 'test', '--cfg-options',
              *data_options(digit_scenes))
    run_tool('test_ticket.py', ticket, '--work-dir', tmp_path / 'eval', '--out', tmp_path / 'metrics.json')
    assert json.loads((tmp_path / 'metrics.json').read_text()) == record['metrics']
    (dumped, ) = (tmp_path / 'test').glob('*/*.json')
    by_mmdet = json.loads(dumped.read_text())
    assert {name: by_mmdet[name] for name in record['metrics']} == record['metrics']


def test_inference_detector_returns_keypoints(job, task, config):
    from mmdet.apis import inference_detector, init_detector
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    model = init_detector(str(config), str(job / record['checkpoint']), device='cpu')
    model.test_cfg.rcnn.score_thr = model.roi_head.test_cfg.score_thr = 0.0
    found = inference_detector(model, np.random.default_rng(0).integers(0, 255, (160, 176, 3), np.uint8))
    assert len(found.pred_instances) > 0
    assert ('keypoints' in found.pred_instances) == (task == 'keypoint')
    if task == 'keypoint':
        assert found.pred_instances.keypoints.shape[1:] == (17, 3)


def test_keypoints_train_on_two_ranks(digit_scenes, tmp_path):
    config = ROOT / 'configs' / 'digit_scenes' / 'keypoint-rcnn_r18-tiny_fpn_digitscenes.py'
    done = subprocess.run(
        ['bash', ROOT / 'tools' / 'dist_imp.sh', config, '2', '--work-dir', tmp_path / 'imp', '--rounds', '1',
         '--cfg-options', *data_options(digit_scenes), 'train_dataloader.batch_size=2'],
        cwd=ROOT, env={**tool_env(), 'PORT': '29533'}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert len(rounds) == 2 and all('coco/keypoints_mAP' in r['metrics'] for r in rounds)


def test_voc_config_runs_on_the_voc_form(run_tool, digit_scenes, tmp_path):
    # Of VOC's 20 classes the scenes hold people.
    run_tool('imp_train.py', ROOT / 'configs' / 'faster_rcnn' / 'faster-rcnn_r18_fpn_1x_voc07.py', '--work-dir',
             tmp_path / 'imp', '--data-root', digit_scenes, '--rewind', 'init', '--cfg-options',
             'model.backbone.init_cfg=None', 'model.backbone.base_channels=8', 'train_cfg.max_epochs=1',
             'model.neck.in_channels=[8,16,32,64]', 'train_dataloader.num_workers=0',
             'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
             'val_dataloader.persistent_workers=False', 'train_dataloader.dataset.times=1',
             'train_dataloader.dataset.dataset.datasets.0.pipeline.2.scale=(128,128)',
             'val_dataloader.dataset.pipeline.1.scale=(128,128)')
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [round(r['sparsity'], 4) for r in rounds] == [0, 0.8]
    assert all('pascal_voc/mAP' in r['metrics'] for r in rounds)


@pytest.mark.skipif(not COCO.exists(), reason='the real COCO sample is not here')
def test_mask_rcnn_r18_runs_two_rounds_on_real_coco_images(run_tool, tmp_path):
    run_tool('imp_train.py', ROOT / 'configs' / 'mask_rcnn' / 'mask-rcnn_r18_fpn_1x_coco.py', '--work-dir',
             tmp_path / 'imp', '--rewind', '1', '--cfg-options', *coco_options())
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [r['steps'] for r in rounds] == [2, 2]
    assert rounds[1]['network_sparsity'] == pytest.approx(0.784, abs=1e-3)


def test_mmdets_own_train_py_trains_keypoints(digit_scenes, tmp_path):
    config = ROOT / 'configs' / 'digit_scenes' / 'keypoint-rcnn_r18-tiny_fpn_digitscenes.py'
    run_mmdet('train.py', config, '--work-dir', tmp_path, '--cfg-options', *data_options(digit_scenes))
    (scalars, ) = tmp_path.glob('*/vis_data/scalars.json')
    assert 'coco/keypoints_mAP' in scalars.read_text() and 'loss_keypoint' in scalars.read_text()
