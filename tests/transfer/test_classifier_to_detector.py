"""A classifier's ticket starts a detector with the same backbone."""
import json

import pytest
from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import Runner

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import load_rewind_weights, load_ticket
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.hooks import TicketHook
from mmlth.engine.wrapper import unwrap

CROPS = ROOT / 'configs' / 'classification' / 'resnet18-tiny_digitscenes-crops.py'
DETECTOR = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'


@pytest.fixture(scope='module')
def crops(tmp_path_factory):
    from mmlth.datasets.digit_scenes import generate
    out = tmp_path_factory.mktemp('crops') / 'digit_scenes'
    generate(out, train=8, val=1, crops_per_class=2, log=None)
    return out


def no_processes(*loaders):
    return [f'{name}_dataloader.{key}' for name in loaders
            for key in ('num_workers=0', 'persistent_workers=False')]


def test_a_classifiers_ticket_trains_the_detector(call_tool, crops, tmp_path):
    """Two rounds on 22 crops, then mask and values of the backbone start a Faster R-CNN."""
    call_tool('imp_train.py', CROPS, '--work-dir', tmp_path / 'imp', '--data-root', crops,
              '--rounds', '1', '--cfg-options', 'train_cfg.max_epochs=1',
              'train_cfg.val_interval=1', 'train_dataloader.batch_size=8',
              *no_processes('train', 'val'))
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [set(r['metrics']) for r in rounds] == [{'accuracy/top1'}] * 2
    assert [r['steps'] for r in rounds] == [2, 2]
    found = tmp_path / 'imp' / 'round_01' / 'ticket.safetensors'
    text = call_tool('transfer_ticket.py', found, DETECTOR, tmp_path / 'det.safetensors',
                     '--values', 'trained').stdout
    for fact in ('covered: 688,944 of 1,471,792', 'take nothing: neck, dense_head, box_head',
                 'come from a training: 20 of 20'):
        assert fact in text
    trained = load_state(next((tmp_path / 'imp' / 'round_01').glob('epoch_1.pth')))
    ticket = load_ticket(tmp_path / 'det.safetensors')
    start = load_rewind_weights(ticket, tmp_path / 'det.safetensors')
    backbone = [name for name in start if name.startswith('backbone.')]
    assert len(backbone) == 120 and all(start[name].equal(trained[name]) for name in backbone)
    carried = {n: m for n, m in ticket.masks.items() if ticket.groups[n] == 'backbone'}
    assert digest(carried) == digest(load_ticket(found).masks)
    runner, hook = train_detector(tmp_path, crops)
    assert hook.start_digest == digest(apply(ticket.masks, start))
    end = unwrap(runner.model).state_dict()
    assert runner.iter == 2 and all((end[n][~m] == 0).all() for n, m in ticket.masks.items())
    assert not end['backbone.conv1.weight'].equal(start['backbone.conv1.weight'])


def train_detector(folder, data):
    """Train two steps of the detector under MMEngine's runner, with the config's one line."""
    cfg = set_data_root(load_config(str(DETECTOR)), str(data))
    cfg.merge_from_dict({
        'train_cfg.max_epochs': 1, 'train_dataloader.batch_size': 4, 'log_level': 'WARNING',
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False})
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg.pop(f'val_{part}')
        cfg.pop(f'test_{part}')
    cfg.pop('visualizer')  # one of that name would outlive this test
    cfg = Config(dict(
        cfg.to_dict(), work_dir=str(folder / 'det'), experiment_name='transferred',
        custom_hooks=[dict(type='TicketHook', ticket=str(folder / 'det.safetensors'))]))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, next(hook for hook in runner.hooks if isinstance(hook, TicketHook))


def test_dry_run_plans_the_classifiers_backbone(call_tool, tmp_path):
    out = call_tool('imp_train.py', CROPS, '--dry-run', '--work-dir', tmp_path / 'w').stdout
    assert 'scope: 688,944 weights in 17 tensors; model: 703,515 parameters' in out
    assert ['3', '137,789', '80.00%', '78.34%'] in [line.split() for line in out.splitlines()]
