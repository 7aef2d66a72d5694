"""Shared fixtures: toy jobs, a small DigitScenes, subprocesses of the tools."""
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmlth.engine.settings import IMPConfig
from mmlth.engine.imp_runner import IMPRunner

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

import toys  # noqa: E402


@pytest.fixture(autouse=True)
def _same_start(monkeypatch):
    torch.manual_seed(0)
    torch.set_num_threads(1)  # two threads wait for each other on a busy machine
    # Every Runner asks compilers for their versions, which takes longer than a toy job.
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)


@pytest.fixture
def toy_cfg(tmp_path):
    """A toy config as a user would have it: read from a file."""
    return Config.fromfile(str(toys.write_config(tmp_path)))


@pytest.fixture
def run_imp():
    """Run a whole toy job in this process; returns its summary."""
    def run(cfg, work_dir, **settings):
        return IMPRunner(cfg, IMPConfig.from_dicts(cfg.get('imp', {}), settings), work_dir).run()
    return run


@pytest.fixture(scope='session')
def digit_scenes(tmp_path_factory):
    """A DigitScenes of 16 + 8 images."""
    from mmlth.datasets.digit_scenes import generate
    out = tmp_path_factory.mktemp('data') / 'digit_scenes'
    generate(out, seed=0, train=16, val=8)
    return out


def tool_env():
    """Environment in which the tools and the toys can be imported, on one thread."""
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests'), os.environ.get('PYTHONPATH', '')])
    return {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}


@pytest.fixture
def call_tool(capsys):
    """Call main() of tools/NAME.py in this process; returns (exit code, stdout, stderr)."""
    def call(name, *args, code=0):
        main = runpy.run_path(str(ROOT / 'tools' / name))['main']
        capsys.readouterr()
        found = main([str(a) for a in args])
        done = subprocess.CompletedProcess(args, found, *capsys.readouterr())
        assert found == code, f'exit {found}\n{done.stdout}\n{done.stderr}'
        return done
    return call


@pytest.fixture
def run_tool():
    """Run tools/NAME.py in a process of its own; returns it with output, checks the exit code."""
    def run(name, *args, code=0, cwd=ROOT, **kwargs):
        done = subprocess.run([sys.executable, str(ROOT / 'tools' / name), *map(str, args)], cwd=cwd,
                              env=tool_env(), capture_output=True, text=True, timeout=600, **kwargs)
        assert done.returncode == code, f'exit {done.returncode}\n{done.stdout}\n{done.stderr}'
        return done
    return run


COCO = ROOT.parent / 'shared' / 'data' / 'coco_inst'


def coco_options(train=4, val=2):
    """Point a COCO config to the first images of the real sample, small, for one epoch from random weights."""
    return ['model.backbone.init_cfg=None', 'train_cfg.max_epochs=1',
            f'val_evaluator.ann_file={COCO}/annotations/instances_val.json',
            *(f'{part}_dataloader.{key}' for part, count in (('train', train), ('val', val)) for key in (
                f'dataset.data_root={COCO}/', f'dataset.ann_file=annotations/instances_{part}.json',
                'dataset.data_prefix.img=images/', f'dataset.indices={count}', 'num_workers=0',
                'persistent_workers=False')),
            'train_dataloader.dataset.pipeline.2.scale=(256,160)',
            'val_dataloader.dataset.pipeline.1.scale=(256,160)']


MMDET_TOOLS = Path(find_spec('mmdet').submodule_search_locations[0]) / '.mim' / 'tools'


def run_mmdet(tool, *args):
    """Run a tool that MMDet installs, in a process of its own."""
    done = subprocess.run([sys.executable, MMDET_TOOLS / tool, *map(str, args)], cwd=ROOT, env=tool_env(),
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def data_options(root):
    """Point a config of DigitScenes to ``root`` and train one epoch without loader processes."""
    val = f'{root}/annotations/instances_val.json'
    return [f'train_dataloader.dataset.data_root={root}/', f'val_dataloader.dataset.data_root={root}/',
            f'test_dataloader.dataset.data_root={root}/', f'val_evaluator.ann_file={val}',
            f'test_evaluator.ann_file={val}', 'train_dataloader.num_workers=0',
            'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
            'test_dataloader.num_workers=0', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
