"""Boxes, masks and keypoints go through the same engine, and end in plain checkpoints of MMDet."""
import json
import subprocess
import sys

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from conftest import ROOT, data_options, run_mmdet, tool_env
from mmlth.core.ticket import load_ticket
from mmlth.engine.checkpoints import load_checkpoint

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


def test_export_loads_strictly_into_a_plain_detector_and_scores_the_same(job, config, digit_scenes, run_tool, tmp_path):
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
