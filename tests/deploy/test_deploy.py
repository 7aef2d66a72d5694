"""A deployed ticket gives the detections of its checkpoint, and its folder can be trusted."""
import json
import re

import cv2
import made_rounds
import numpy as np
import pytest
import torch
from conftest import tool_main
from mmcv.cnn import ConvModule
from mmdet.apis import inference_detector
from torch import nn

import mmlth.deploy
from mmlth.core.ticket import Ticket, save_ticket
from mmlth.deploy import deploy, kernel
from mmlth.deploy.folder import PLAN, WEIGHTS
from mmlth.deploy.layers import SparseConv2d, SparseLinear
from mmlth.deploy.plan import this_machine

pytestmark = pytest.mark.skipif(not kernel.is_available(), reason='no compiler')

IMAGE = np.random.default_rng(1).integers(0, 256, (160, 192, 3), np.uint8)


@pytest.fixture(autouse=True)
def _always_sparse(monkeypatch):
    """Plan every layer sparse: which is faster here is no matter of correctness."""
    monkeypatch.setattr('mmlth.deploy.tune._NEEDED', float('inf'))
    monkeypatch.setattr('mmlth.deploy.tune._REPETITIONS', 1)


@pytest.fixture(scope='module')
def rounds(tmp_path_factory):
    """kind -> folder of a round."""
    root = tmp_path_factory.mktemp('rounds')
    for kind in ('faster_rcnn', 'retinanet'):
        made_rounds.make_round(root / kind, made_rounds.config_of(kind))
    return root


@pytest.fixture(scope='module')
def folder(rounds, tmp_path_factory):
    """A deployed detector."""
    out = tmp_path_factory.mktemp('deployed') / 'detector'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmlth.deploy.tune._NEEDED', float('inf'))
        deploy.deploy_ticket(rounds / 'faster_rcnn' / 'ticket.safetensors', out)
    return out


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of it, to be damaged."""
    target = tmp_path / 'copy'
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def detect(model):
    found = inference_detector(model, IMAGE).pred_instances
    return found.bboxes, found.scores, found.labels


@pytest.mark.parametrize('kind', ['faster_rcnn', 'retinanet'])
def test_the_detections_are_those_of_the_checkpoint(rounds, tmp_path, kind):
    deploy.deploy_ticket(rounds / kind / 'ticket.safetensors', tmp_path / 'out')
    model = mmlth.deploy.load(tmp_path / 'out')
    boxes, scores, labels = detect(model)
    plain_boxes, plain_scores, plain_labels = detect(made_rounds.plain_detector(rounds / kind))
    assert len(plain_scores) > 10 and torch.equal(labels, plain_labels)
    assert torch.allclose(scores, plain_scores, atol=1e-4)
    assert torch.allclose(boxes, plain_boxes, atol=1e-2)
    kinds = [type(module) for module in model.modules()]
    assert nn.BatchNorm2d not in kinds and kinds.count(SparseConv2d) > 15
    assert kinds.count(SparseLinear) == (4 if kind == 'faster_rcnn' else 0)
    assert not model.training and model.dataset_meta['classes'][0] == 'person'


def test_it_reads_images_as_its_config_does(folder, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), IMAGE)
    model = mmlth.deploy.load(folder)
    found = inference_detector(model, str(tmp_path / 'a.png')).pred_instances
    assert torch.equal(found.scores, detect(model)[1])


class OwnOrder(nn.Module):
    """Reads the weight of a ConvModule and calls its norm itself, as TOOD's heads do."""

    def __init__(self):
        super().__init__()
        self.reduction = ConvModule(4, 4, 1, norm_cfg=dict(type='BN'))
        nn.init.constant_(self.reduction.norm.running_mean, 2.0)

    def forward(self, x):
        return [self.reduction.norm(torch.conv2d(x, self.reduction.conv.weight))]


class OwnDetector(nn.Module):
    with_neck = False

    def __init__(self):
        super().__init__()
        self.backbone, self.bbox_head = nn.Conv2d(3, 4, 3), OwnOrder()

    def forward(self, x):
        return self.bbox_head(self.backbone(x))


def test_a_head_that_folding_would_change_is_refused():
    model = OwnDetector().eval()
    with torch.no_grad(), pytest.raises(RuntimeError, match='neck and heads differs .* deployed'):
        deploy.plan_of(model, lambda: model(torch.ones(1, 3, 9, 9)), print)


def test_kernels_of_other_instruction_sets_are_other_files(monkeypatch):
    here, plan = kernel._library(), this_machine()
    for module in ('kernel', 'plan'):
        monkeypatch.setattr(f'mmlth.deploy.{module}.instruction_sets', lambda: 'sse2')
    assert kernel._library() != here and this_machine() != plan


def test_its_palette_can_be_drawn_with(folder):
    palette = mmlth.deploy.load(folder).dataset_meta['palette']
    assert palette == 'random' or all(isinstance(colour, tuple) for colour in palette)


def test_the_folder_is_smaller_than_a_checkpoint(rounds, folder):
    dense = (rounds / 'faster_rcnn' / 'epoch_1.pth').stat().st_size
    assert (folder / WEIGHTS).stat().st_size < 0.3 * dense


def test_on_another_machine_it_is_measured_again_and_remembered(copy, caplog):
    plans = json.loads((copy / PLAN).read_text())
    plans[0]['processor'] = 'another one'
    (copy / PLAN).write_text(json.dumps(plans))
    mmlth.deploy.load(copy)
    assert 'was not measured on this processor' in caplog.text
    again = json.loads((copy / PLAN).read_text())
    assert [plan['processor'] == 'another one' for plan in again] == [True, False]
    assert again[1]['layers'].keys() == again[0]['layers'].keys()
    caplog.clear()
    mmlth.deploy.load(copy)
    assert not caplog.records


def test_without_a_compiler_it_runs_as_plain_torch(folder, monkeypatch):
    monkeypatch.setattr(deploy, 'is_available', lambda: False)
    model = mmlth.deploy.load(folder)
    assert not any(isinstance(module, SparseConv2d) for module in model.modules())
    assert len(detect(model)[1]) > 10


@pytest.mark.parametrize('damage, error, message', [
    (lambda f: (f / PLAN).unlink(), FileNotFoundError, 'it lacks plan.json'),
    (lambda f: (f / PLAN).write_text('{'), ValueError, 'is not valid JSON'),
    (lambda f: (f / PLAN).write_text('[{"layers": 3}]'), ValueError, 'no plan of layers'),
    (lambda f: (f / PLAN).write_text('[]'), ValueError, 'lists no plans'),
    (lambda f: (f / 'config.py').write_text('import os'), ValueError, 'is no assignment'),
    (lambda f: (f / 'config.py').write_text("model = dict(type='subprocess.Popen', args='ls')"),
     ValueError, "type='subprocess.Popen' is no class of mmdet"),
    (lambda f: (f / 'config.py').write_text(
        "model = [dict(type='mmengine.config.config.shutil.rmtree', path='x')]"),
     ValueError, 'is no class of mmdet'),
    (lambda f: (f / 'config.py').write_text("custom_imports = dict(imports=['antigravity'])"),
     ValueError, "would import 'antigravity'"),
    (lambda f: (f / WEIGHTS).write_bytes(b'12345678'), ValueError, 'not a safetensors file'),
    (lambda f: flip_last_byte(f / WEIGHTS), ValueError, 'weights.safetensors'),
])
def test_a_damaged_folder_is_refused(copy, damage, error, message):
    damage(copy)
    with pytest.raises(error, match=message):
        mmlth.deploy.load(copy)


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_ticket_that_prunes_nothing_is_refused(rounds, tmp_path):
    dense = Ticket(masks={'w': torch.ones(2, 2, dtype=torch.bool)}, rewind_file='w',
                   rewind_digest='')
    save_ticket(dense, tmp_path / 't.safetensors')
    with pytest.raises(ValueError, match='keeps every weight'):
        deploy.deploy_ticket(tmp_path / 't.safetensors', tmp_path / 'out')


def test_a_config_of_another_model_is_refused(rounds, tmp_path):
    with pytest.raises(ValueError, match='does not fit the model'):
        deploy.deploy_ticket(rounds / 'faster_rcnn' / 'ticket.safetensors', tmp_path / 'out',
                             config=str(rounds / 'retinanet' / 'config.py'))
    assert list(tmp_path.iterdir()) == []


def test_the_kernels_can_be_built_alone(call_tool, capsys):
    built = call_tool('deploy_ticket.py', '--build-only').stdout.strip()
    assert built == str(kernel._library()) and kernel._library().is_file()
    for args in (['--build-only', 'ticket'], ['ticket'], ['--out', 'out'], []):
        with pytest.raises(SystemExit):
            tool_main('deploy_ticket.py', *args)
        assert 'ticket' in capsys.readouterr().err


def test_the_command_prints_its_table_and_replaces_only_its_own(call_tool, rounds, tmp_path):
    given = ('deploy_ticket.py', rounds / 'retinanet', '--out')
    out = call_tool(*given, tmp_path / 'out').stdout
    assert 'bbox_head.retina_cls' in out and 'of a dense checkpoint' in out
    assert re.search(r'whole detector: \d+\.\d ms as MMDet runs it, \d+\.\d ms deployed, \d', out)
    assert (tmp_path / 'out' / 'layers.png').stat().st_size > 1000
    assert 'exists already' in call_tool(*given, tmp_path / 'out', code=1).stderr
    call_tool(*given, tmp_path / 'out', '--overwrite')
    assert [path.name for path in tmp_path.iterdir()] == ['out']
    (tmp_path / 'mine').mkdir()
    refused = call_tool(*given, tmp_path / 'mine', '--overwrite', code=1)
    assert 'no deployed detector' in refused.stderr
