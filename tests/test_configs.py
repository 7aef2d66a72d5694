"""Every config of ours builds, plans, and trains both forms of the embedded data set."""
import json
from pathlib import Path

import pytest
from conftest import ROOT

from mmlth.engine.config_files import load_config
from mmlth.engine.preflight import plan
from mmlth.engine.settings import IMPConfig

CONFIGS = sorted(p for p in (ROOT / 'configs').glob('*/*.py') if p.parent.name not in ('_base_', 'imagenet', 'studies'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_builds_and_plans(path):
    cfg = load_config(str(path))
    cfg.model.backbone.init_cfg = None  # no download
    settings = IMPConfig.from_dicts(cfg.get('imp', {}))
    planned = plan(cfg, settings, need_weights=False)
    last = planned.rounds()[-1]
    assert last['sparsity'] == pytest.approx(settings.target_sparsity, abs=1e-5)
    assert 0 < last['network_sparsity'] < last['sparsity']
    assert not [w.name for w in planned.weights if w.group == 'other']


def test_there_are_configs():
    assert len(CONFIGS) >= 2


def test_voc_form_trains_and_is_scored_by_mmdets_voc_metric(run_tool, digit_scenes, tmp_path):
    config = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes-voc.py'
    run_tool('imp_train.py', config, '--work-dir', tmp_path / 'imp', '--rounds', '1', '--cfg-options',
             f'train_dataloader.dataset.data_root={digit_scenes}/',
             f'val_dataloader.dataset.data_root={digit_scenes}/', 'train_cfg.max_epochs=1',
             'train_cfg.val_interval=1', 'train_dataloader.num_workers=0',
             'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0')
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [set(r['metrics']) for r in rounds] == [{'pascal_voc/mAP', 'pascal_voc/AP50'}] * 2
    assert Path(tmp_path / 'imp' / 'report' / 'map_vs_sparsity.png').stat().st_size > 5000
