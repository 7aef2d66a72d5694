"""Every config of ours builds, plans, and trains both forms of the embedded data set."""
import json

import pytest
from conftest import ROOT, data_options
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.net import read_net
from mmlth.job.preflight import plan
from mmlth.settings.imp_config import IMPConfig

NOT_DETECTORS = ('_base_', 'imagenet', 'studies')
CONFIGS = sorted(
    path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name not in NOT_DETECTORS)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_builds_and_plans(path):
    cfg = load_config(str(path))
    cfg.model.backbone.init_cfg = None  # no download
    settings = IMPConfig.from_dicts(cfg.get('imp', {}))
    planned = plan(read_net(cfg, settings.seed, need_weights=False), settings)
    last = planned.rounds()[-1]
    assert last['sparsity'] == pytest.approx(settings.target_sparsity, abs=1e-5)
    assert 0 < last['network_sparsity'] < last['sparsity']
    assert not [w.name for w in planned.weights if w.group == 'other']


def test_there_are_configs():
    assert len(CONFIGS) >= 2


def test_voc_form_trains_and_is_scored_by_mmdets_voc_metric(call_tool, digit_scenes, tmp_path):
    config = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes-voc.py'
    options = [option for option in data_options(digit_scenes) if 'ann_file' not in option]
    flags = ['--work-dir', tmp_path / 'imp', '--rounds', '1', '--cfg-options', *options]
    call_tool('imp_train.py', config, *flags)
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [set(r['metrics']) for r in rounds] == [{'pascal_voc/mAP', 'pascal_voc/AP50'}] * 2
    figure = tmp_path / 'imp' / 'report' / 'map_vs_sparsity.png'
    assert figure.stat().st_size > 5000


def test_annotated_keypoints_are_there_to_be_drawn_at_test(digit_scenes):
    cfg = load_config(
        str(ROOT / 'configs/digit_scenes/keypoint-rcnn_r18-tiny_fpn_digitscenes.py'))
    cfg = set_data_root(cfg, str(digit_scenes))
    init_default_scope('mmdet')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    shapes = {sample['data_samples'].gt_instances.keypoints.shape[1:] for sample in dataset}
    assert shapes == {(17, 3)}
    paper = load_config(str(ROOT / 'configs/keypoint_rcnn/keypoint-rcnn_r18_fpn_1x_coco.py'))
    types = [step.type for step in paper.test_dataloader.dataset.pipeline]
    assert types[2:] == ['LoadKeypointAnnotations', 'PackKeypointInputs']
