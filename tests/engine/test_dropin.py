"""MMDet's own tools, unchanged, train, test and run a ticket."""
import json
import sys

import numpy as np
import pytest
import torch
from conftest import (
    COCO,
    ROOT,
    call_mmdet,
    coco_options,
    data_options,
    run_mmdet,
    run_process,
    tool_main,
)
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import apply
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.engine.wrapper import PrunedModelWrapper

CONFIG = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'
CLASSES = 'person,zero,one,two,three,four,five,six,seven,eight,nine'
SMALL_RETINANET = [
    f'train_dataloader.dataset.metainfo.classes=[{CLASSES}]',
    f'val_dataloader.dataset.metainfo.classes=[{CLASSES}]',
    'model.bbox_head.num_classes=11',
    'model.backbone.init_cfg=None',
    'model.backbone.base_channels=8',
    'model.neck.in_channels=[8,16,32,64]',
    'model.neck.out_channels=16',
    'model.bbox_head.in_channels=16',
    'model.bbox_head.feat_channels=16',
    'train_dataloader.dataset.ann_file=annotations/instances_train.json',
    'train_dataloader.dataset.data_prefix.img=VOC2007/JPEGImages/',
    'train_dataloader.dataset.pipeline.2.scale=(64,64)',
    'val_dataloader.dataset.ann_file=annotations/instances_val.json',
    'val_dataloader.dataset.data_prefix.img=VOC2007/JPEGImages/',
    'val_dataloader.dataset.pipeline.1.scale=(64,64)',
    'val_dataloader.persistent_workers=False',
]


def prune(config, work_dir, *args):
    """Run a job of one pruning; returns the records of its rounds."""
    flags = ['--work-dir', work_dir, '--rounds', 1, *args]
    assert tool_main('imp_train.py', config, *flags) == 0
    return json.loads((work_dir / 'summary.json').read_text())['rounds']


@pytest.fixture(scope='module')
def job(tmp_path_factory, digit_scenes):
    """A job of one pruning on 16 scenes: two epochs of two steps in all."""
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    options = data_options(digit_scenes)
    prune(CONFIG, work_dir, '--target-sparsity', 0.8, '--cfg-options', *options)
    return work_dir


def test_mmdet_train_py_trains_a_ticket_from_one_line_of_config(job, digit_scenes, tmp_path):
    ticket = job / 'round_01' / 'ticket.safetensors'
    config = tmp_path / 'ticket.py'
    base = tmp_path / 'base.py'  # whose own imports and hooks must stay
    base.write_text(
        f"_base_ = '{CONFIG}'\n"
        "custom_imports = dict(imports=['toys'])\n"
        "custom_hooks = [dict(type='ToyMarkHook')]\n")
    config.write_text(
        "_base_ = 'base.py'\n"
        f"default_hooks = dict(ticket=dict(type='mmlth.TicketHook', ticket='{ticket}'))\n")
    options = data_options(digit_scenes)
    run_mmdet('train.py', config, '--work-dir', tmp_path / 'out', '--cfg-options', *options)
    assert (tmp_path / 'out' / 'toy_mark').exists()
    state = load_state(tmp_path / 'out' / 'epoch_1.pth')
    masks = load_ticket(ticket).masks
    start = apply(masks, load_weights(job / 'rewind.safetensors'))
    moved = []
    for name, mask in masks.items():
        assert not state[name][~mask].any(), name
        differ = start[name] != state[name]
        assert differ.float().mean() <= mask.float().mean(), name
        moved.append(bool(differ.any()))
    assert sum(moved) > len(moved) / 2


def test_the_config_of_a_round_runs_by_itself_under_mmdet(job, tmp_path, monkeypatch):
    (config, ) = (job / 'round_01').glob('*.py')
    hooks = Config.fromfile(str(config)).custom_hooks
    assert [hook['type'] for hook in hooks] == ['TicketHook', 'StepSeedHook']
    call_mmdet(monkeypatch, 'train.py', config, '--work-dir', tmp_path / 'out')
    folders = (tmp_path / 'out', job / 'round_01')
    again, first = (load_state(folder / 'epoch_1.pth') for folder in folders)
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_wrapper_goes_through_inference_detector(job):
    record = json.loads((job / 'round_01' / 'record.json').read_text())
    plain = init_detector(str(CONFIG), str(job / record['checkpoint']), device='cpu')
    masks = load_ticket(job / record['ticket']).masks
    image = np.random.default_rng(0).integers(0, 255, (160, 176, 3), np.uint8)
    expected = inference_detector(plain, image).pred_instances
    found = inference_detector(PrunedModelWrapper(plain, masks), image).pred_instances
    assert torch.equal(found.bboxes, expected.bboxes)
    assert torch.equal(found.scores, expected.scores)


WITHOUT_MMLTH = """
import sys
sys.modules['mmlth'] = None  # any import of it fails
from mmdet.apis import DetInferencer, init_detector
from mmengine.config import Config
import torch
weights, image = sys.argv[1:]
text = torch.load(weights, weights_only=False)['meta']['cfg']
assert 'mmlth' not in text and 'work_dir' not in text and 'TicketHook' not in text, text
found = DetInferencer(weights=weights, device='cpu', show_progress=False)(image)
assert len(found['predictions']) == 1
print(type(init_detector(Config.fromstring(text, '.py'), weights, device='cpu')).__name__)
"""


def test_an_export_needs_nothing_but_mmdet(job, digit_scenes, tmp_path, call_tool):
    ticket = job / 'round_01' / 'ticket.safetensors'
    call_tool('export_ticket.py', ticket, tmp_path / 'sparse.pth')
    image = next((digit_scenes / 'VOC2007' / 'JPEGImages').iterdir())
    run = run_process(sys.executable, '-c', WITHOUT_MMLTH, tmp_path / 'sparse.pth', image,
                      cwd=tmp_path)
    assert run.stdout.strip().endswith('FasterRCNN')


def test_any_mmdet_config_goes_through_untouched(digit_scenes, tmp_path):
    # A config that knows nothing of mmlth; every change comes from the command line.
    config = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
    options = [*data_options(digit_scenes), *SMALL_RETINANET]
    rounds = prune(config, tmp_path / 'imp', '--target-sparsity', 0.5, '--cfg-options', *options)
    assert [r['round'] for r in rounds] == [0, 1]
    assert rounds[1]['sparsity'] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not COCO.exists(), reason='the real COCO sample is not here')
def test_stock_faster_rcnn_r50_runs_two_rounds_on_real_coco_images(tmp_path):
    config = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
    flags = ['--target-sparsity', 0.8, '--cfg-options', *coco_options()]
    rounds = prune(config, tmp_path / 'imp', *flags)
    assert [r['steps'] for r in rounds] == [2, 2]
    assert rounds[1]['network_sparsity'] == pytest.approx(0.7379, abs=1e-4)
    bits = 8 * (tmp_path / 'imp' / rounds[1]['ticket']).stat().st_size
    assert bits < 0.75 * rounds[1]['scope_size']
