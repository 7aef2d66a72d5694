"""MMDet's own tools, unchanged, train, test and run a ticket."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import COCO, ROOT, coco_options, data_options, run_mmdet, tool_env
from mmengine.config import Config

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import apply
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.wrapper import PrunedModelWrapper

CONFIG = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'


@pytest.fixture(scope='module')
def job(tmp_path_factory, digit_scenes):
    """A job of one pruning on 16 scenes: two epochs of two steps in all."""
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / 'imp_train.py', CONFIG, '--work-dir', work_dir, '--rounds', '1',
         '--target-sparsity', '0.8', '--cfg-options', *data_options(digit_scenes)],
        cwd=ROOT, env=tool_env(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return work_dir


def test_mmdet_train_py_trains_a_ticket_from_two_lines_of_config(job, digit_scenes, tmp_path):
    ticket = job / 'round_01' / 'ticket.safetensors'
    config = tmp_path / 'ticket.py'
    config.write_text(f"_base_ = '{CONFIG}'\n"
                      "custom_imports = dict(imports=['mmlth'])\n"
                      f"custom_hooks = [dict(type='TicketHook', ticket='{ticket}')]\n")
    run_mmdet('train.py', config, '--work-dir', tmp_path / 'out', '--cfg-options',
              *data_options(digit_scenes))
    state = load_state(tmp_path / 'out' / 'epoch_1.pth')
    masks = load_ticket(ticket).masks
    assert all((state[n][~m] == 0).all() for n, m in masks.items())
    start = apply(masks, load_weights(job / 'rewind.safetensors'))
    moved = {n: not torch.equal(state[n], start[n]) for n in masks}
    assert sum(moved.values()) > len(moved) / 2
    assert all((start[n] != state[n]).float().mean() <= m.float().mean() for n, m in masks.items())


def test_the_config_of_a_round_runs_by_itself_under_mmdet(job, tmp_path):
    (config, ) = (job / 'round_01').glob('*.py')
    cfg = Config.fromfile(str(config))
    assert [h['type'] for h in cfg.custom_hooks] == ['TicketHook', 'StepSeedHook']
    run_mmdet('train.py', config, '--work-dir', tmp_path / 'out')
    again, first = (load_state(p / 'epoch_1.pth') for p in (tmp_path / 'out', job / 'round_01'))
    assert all(torch.equal(again[n], first[n]) for n in first)


def test_wrapper_goes_through_inference_detector(job, digit_scenes):
    from mmdet.apis import inference_detector, init_detector
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    plain = init_detector(str(CONFIG), str(job / record['checkpoint']), device='cpu')
    masks = load_ticket(job / record['ticket']).masks
    image = np.random.default_rng(0).integers(0, 255, (160, 176, 3), np.uint8)
    expected = inference_detector(plain, image).pred_instances
    found = inference_detector(PrunedModelWrapper(plain, masks), image).pred_instances
    assert torch.equal(found.bboxes, expected.bboxes) and torch.equal(found.scores, expected.scores)


def test_any_mmdet_config_goes_through_untouched(run_tool, digit_scenes, tmp_path):
    # A config that knows nothing of mmlth; every change comes from the command line.
    run_tool('imp_train.py', 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', '--work-dir', tmp_path / 'imp',
             '--rounds', '1', '--target-sparsity', '0.5', '--cfg-options', *data_options(digit_scenes),
             'model.backbone.init_cfg=None', 'model.backbone.base_channels=8',
             'model.neck.in_channels=[8,16,32,64]', 'model.neck.out_channels=16',
             'model.bbox_head.in_channels=16', 'model.bbox_head.feat_channels=16',
             'train_dataloader.dataset.ann_file=annotations/instances_train.json',
             'train_dataloader.dataset.data_prefix.img=VOC2007/JPEGImages/',
             'val_dataloader.dataset.ann_file=annotations/instances_val.json',
             'val_dataloader.dataset.data_prefix.img=VOC2007/JPEGImages/',
             'train_dataloader.dataset.pipeline.2.scale=(64,64)',
             'val_dataloader.dataset.pipeline.1.scale=(64,64)', 'val_dataloader.persistent_workers=False')
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [r['round'] for r in rounds] == [0, 1] and rounds[1]['sparsity'] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.skipif(not COCO.exists(), reason='the real COCO sample is not here')
def test_stock_faster_rcnn_r50_runs_two_rounds_on_real_coco_images(run_tool, tmp_path):
    run_tool('imp_train.py', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', '--work-dir',
             tmp_path / 'imp', '--rounds', '1', '--target-sparsity', '0.8', '--cfg-options',
             *coco_options())
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [r['steps'] for r in rounds] == [2, 2]
    assert rounds[1]['network_sparsity'] == pytest.approx(0.7379, abs=1e-4)
    assert os.path.getsize(tmp_path / 'imp' / rounds[1]['ticket']) * 8 < 0.75 * rounds[1]['scope_size']
