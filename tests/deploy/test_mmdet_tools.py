"""MMDet's own tools/test.py runs a deployed folder where it takes a checkpoint."""
import json

import made_rounds
import numpy as np
import pytest
from conftest import ROOT, call_mmdet, data_options
from mmengine.config import Config
from mmengine.runner import Runner

from mmlth.deploy import deploy, kernel, tune
from mmlth.deploy.layers import SparseConv2d

pytestmark = pytest.mark.skipif(not kernel.is_available(), reason='no compiler')

HOOK = 'default_hooks.deployed.type=mmlth.DeployedHook'
# Task -> what its evaluator writes of each detection, and how far that may be off.
TASKS = {
    'faster-rcnn': dict(bbox='bbox'),
    'mask-rcnn': dict(bbox='bbox', segm='segmentation'),
    'keypoint-rcnn': dict(bbox='bbox', keypoints='keypoints')}


def config_of(task):
    return ROOT / 'configs' / 'digit_scenes' / f'{task}_r18-tiny_fpn_digitscenes.py'


@pytest.fixture(scope='module')
def deployed(tmp_path_factory):
    """Return what makes a round of a task and, in 'out', what it was deployed to; each once."""
    folders = {}

    def of(task):
        if task not in folders:
            folder = folders[task] = tmp_path_factory.mktemp(task)
            ticket = made_rounds.make_round(folder, Config.fromfile(str(config_of(task))))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tune, '_NEEDED', float('inf'))  # every layer is planned sparse
                patch.setattr(tune, '_REPETITIONS', 1)
                patch.setattr(tune, 'BLOCKINGS', tune.BLOCKINGS[:1])
                deploy.deploy_ticket(ticket, folder / 'out')
        return folders[task]
    return of


@pytest.fixture
def results(digit_scenes, tmp_path, monkeypatch):
    """Return what runs tools/test.py; it returns, by kind, the results that were written."""
    def run(task, checkpoint, *options, config=None, flags=()):
        prefix = tmp_path / checkpoint.name
        given = [*data_options(digit_scenes), 'test_dataloader.dataset.indices=4',
                 f'test_evaluator.outfile_prefix={prefix}', *options]
        call_mmdet(monkeypatch, 'test.py', config or config_of(task), checkpoint, '--work-dir',
                   tmp_path / 'log', *flags, '--cfg-options', *given)
        return {kind: json.loads((tmp_path / f'{prefix}.{kind}.json').read_text())
                for kind in TASKS[task]}
    return run


@pytest.fixture
def sparse_calls(monkeypatch):
    """List the calls of sparse convolutions."""
    calls, forward = [], SparseConv2d.forward
    monkeypatch.setattr(
        SparseConv2d, 'forward', lambda self, x: calls.append(self) or forward(self, x))
    return calls


def check_same(task, found, plain):
    for kind, key in TASKS[task].items():
        assert len(found[kind]) == len(plain[kind]) > 10
        for one, other in zip(found[kind], plain[kind]):
            assert one['image_id'] == other['image_id']
            assert one['category_id'] == other['category_id']
            assert one['score'] == pytest.approx(other['score'], abs=1e-5)
            if kind == 'segm':
                assert one[key] == other[key]
            else:
                assert np.allclose(one[key], other[key], atol=1e-2)


@pytest.mark.parametrize('task', [
    'keypoint-rcnn', pytest.param('mask-rcnn', marks=pytest.mark.slow)])
def test_one_option_tests_a_deployed_folder(deployed, results, sparse_calls, task):
    folder = deployed(task)
    sparse_calls.clear()
    plain = results(task, folder / 'epoch_1.pth')
    assert not sparse_calls
    found = results(task, folder / 'out', HOOK)
    assert sparse_calls
    check_same(task, found, plain)


def test_one_line_of_config_does_so_beside_an_average_and_augmentation(
        deployed, results, sparse_calls, tmp_path):
    folder = deployed('faster-rcnn')
    config = tmp_path / 'deployed.py'
    config.write_text(
        f"_base_ = '{config_of('faster-rcnn')}'\n"
        "custom_imports = dict(imports=['mmlth.deploy.hook'])\n"
        "custom_hooks = [dict(type='EMAHook')]\n"  # which tests with a copy of the model
        "default_hooks = dict(deployed=dict(type='DeployedHook'))\n")
    plain = results('faster-rcnn', folder / 'epoch_1.pth', flags=['--tta'])
    sparse_calls.clear()
    found = results('faster-rcnn', folder / 'out', config=config, flags=['--tta'])
    assert sparse_calls
    check_same('faster-rcnn', found, plain)


def runner_of(task, load_from, data, tmp_path):
    cfg = Config.fromfile(str(config_of(task)))
    options = dict(option.split('=') for option in data_options(data))
    cfg.merge_from_dict({key: value for key, value in options.items() if 'data' in value})
    cfg.default_hooks.deployed = dict(type='mmlth.DeployedHook')
    cfg.work_dir, cfg.load_from = str(tmp_path / 'log'), load_from and str(load_from)
    cfg.experiment_name = tmp_path.name
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize('given, error, message', [
    (None, ValueError, 'there is no folder to run'),
    ('epoch_1.pth', FileNotFoundError, 'epoch_1.pth is no deployed detector'),
    ('out', ValueError, 'out does not fit the model')])
def test_what_is_no_folder_of_the_model_is_refused(
        deployed, digit_scenes, tmp_path, given, error, message):
    path = given and deployed('faster-rcnn') / given
    runner = runner_of('mask-rcnn', path, digit_scenes, tmp_path)
    with pytest.raises(error, match=message):
        runner.test()


def test_a_deployed_folder_is_not_trained(deployed, digit_scenes, tmp_path):
    runner = runner_of('faster-rcnn', deployed('faster-rcnn') / 'out', digit_scenes, tmp_path)
    with pytest.raises(RuntimeError, match='cannot be trained'):
        runner.train()
