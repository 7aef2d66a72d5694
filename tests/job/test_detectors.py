"""A round rehearsed on real detectors whose weights are tied, followed, or frozen in odd ways."""
import gc

import pytest

from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net
from mmlth.job.preflight import plan
from mmlth.job.rehearsal import rehearse
from mmlth.settings.imp_config import IMPConfig

PLAIN = {'model.backbone.init_cfg': None}
STUDENT = {'model.detector.backbone.init_cfg': None}
# config -> (overrides, names that share a mask at least, tensors that no training changes at least)
DETECTORS = {
    'rtmdet/rtmdet_tiny_8xb32-300e_coco.py': (PLAIN, 8, 0),
    'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py': (PLAIN, 10, 0),
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py': (PLAIN, 20, 1),
    'nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco.py': (PLAIN, 32, 0),
    'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py': (STUDENT, 100, 1),
    'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py': (PLAIN, 0, 0),
}


NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith('nas_fpn') else name
    for name in DETECTORS
]


@pytest.mark.parametrize('name', NAMES)
def test_a_round_on_a_real_detector(name):
    overrides, shared, frozen = DETECTORS[name]
    cfg = load_config(f'mmdet::{name}', overrides)
    settings = IMPConfig(target_sparsity=0.8, rounds=1)
    net = read_net(cfg, 0)
    planned = plan(net, settings)
    rehearse(net, planned, settings, cfg)  # prunes, rewinds, steps, saves, loads strictly
    assert len(net.shared) >= shared and sum(w.frozen for w in net.weights) >= frozen
    assert planned.rounds()[1]['sparsity'] == pytest.approx(0.8, abs=1e-6)
    assert not any(name in net.shared for name in planned.names)
    assert set(net.shared.values()) <= set(dict(net.model.named_parameters()))
    del net
    gc.collect()


