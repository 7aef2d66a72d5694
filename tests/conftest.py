"""Shared fixtures and helpers: toy jobs, a small DigitScenes, tools in and out of this process."""
import os
import runpy
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yapf  # noqa: F401  here, once: its first import writes a cache that processes beside it read half-written

from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

ROOT = Path(__file__).resolve().parent.parent
COCO = ROOT.parent / 'shared' / 'data' / 'coco_inst'
MMDET = find_spec('mmdet')  # tests of the engine alone run without it
MMDET_TOOLS = Path(MMDET.submodule_search_locations[0]) / '.mim' / 'tools' if MMDET else None
# A shell lets its background jobs ignore Ctrl-C, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [str(ROOT / name) for name in ('tests', 'tests/analysis', 'benchmarks')]

import quick  # noqa: E402
import toys  # noqa: E402


@pytest.fixture(scope='session', autouse=True)
def _quick():
    with quick.quick():
        yield


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(0)


# toy jobs


@pytest.fixture
def toy_cfg(tmp_path):
    """A toy config as a user would have it: read from a file."""
    return toys.read_config(tmp_path)


def run_job(cfg, work_dir, **settings):
    """Run a whole job in this process; returns its summary."""
    settings = IMPConfig.from_dicts(cfg.get('imp', {}), settings)
    return IMPRunner(cfg, settings, work_dir).run()


@pytest.fixture
def run_imp():
    """:func:`run_job`, for tests that need nothing else from here."""
    return run_job


# detection data


@pytest.fixture(scope='session')
def digit_scenes(tmp_path_factory):
    """A DigitScenes of 16 + 8 images."""
    from mmlth.datasets.digit_scenes import generate
    out = tmp_path_factory.mktemp('data') / 'digit_scenes'
    generate(out, seed=0, train=16, val=8)
    return out


def data_options(root):
    """Point a config of DigitScenes to ``root`` and train one epoch without loader processes."""
    ann_file = f'{root}/annotations/instances_val.json'
    return [
        f'train_dataloader.dataset.data_root={root}/',
        f'val_dataloader.dataset.data_root={root}/',
        f'test_dataloader.dataset.data_root={root}/',
        f'val_evaluator.ann_file={ann_file}',
        f'test_evaluator.ann_file={ann_file}',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'test_dataloader.num_workers=0',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    ]


def coco_part(part, count):
    """Point one loader of a COCO config to the first images of the real sample."""
    options = [
        f'dataset.data_root={COCO}/',
        f'dataset.ann_file=annotations/instances_{part}.json',
        'dataset.data_prefix.img=images/',
        f'dataset.indices={count}',
        'num_workers=0',
        'persistent_workers=False',
    ]
    return [f'{part}_dataloader.{option}' for option in options]


def coco_options(train=4, val=2):
    """Train a COCO config on the real sample, small, for one epoch from random weights."""
    return [
        'model.backbone.init_cfg=None',
        'train_cfg.max_epochs=1',
        f'val_evaluator.ann_file={COCO}/annotations/instances_val.json',
        *coco_part('train', train),
        *coco_part('val', val),
        'train_dataloader.dataset.pipeline.2.scale=(256,160)',
        'val_dataloader.dataset.pipeline.1.scale=(256,160)',
    ]


# tools


def tool_env():
    """Environment in which the tools and the toys can be imported, on one thread."""
    path = [str(ROOT), str(ROOT / 'tests'), os.environ.get('PYTHONPATH', '')]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(path), 'OMP_NUM_THREADS': '1'}


def tool_main(name, *args):
    """Call main() of tools/NAME.py in this process; returns its exit code."""
    main = runpy.run_path(str(ROOT / 'tools' / name))['main']
    return main([str(arg) for arg in args])


@pytest.fixture
def call_tool(capsys):
    """Call main() of tools/NAME.py in this process; returns (exit code, stdout, stderr)."""
    def call(name, *args, code=0):
        capsys.readouterr()
        found = tool_main(name, *args)
        done = subprocess.CompletedProcess(args, found, *capsys.readouterr())
        assert found == code, f'exit {found}\n{done.stdout}\n{done.stderr}'
        return done
    return call


def run_process(*command, code=0, **options):
    """Run a command as a person would, from the root; returns it, checks the exit code."""
    options = dict(cwd=ROOT, env=tool_env()) | options
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    tail = f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    assert done.returncode == code, f'exit {done.returncode}\n{tail}'
    return done


def run_tool(name, *args, **options):
    """Run tools/NAME.py in a process of its own."""
    return run_process(sys.executable, ROOT / 'tools' / name, *args, **options)


def call_mmdet(monkeypatch, tool, *args):
    """Run a tool that MMDet installs, in this process."""
    path = str(MMDET_TOOLS / tool)
    monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
    runpy.run_path(path, run_name='__main__')


def run_mmdet(tool, *args):
    """Run a tool that MMDet installs, in a process of its own."""
    return run_process(sys.executable, MMDET_TOOLS / tool, *args)


def run_on_two_ranks(config, work_dir, *args):
    """Run a job in two gloo processes."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    env = {**tool_env(), 'PATH': path}
    script = ROOT / 'tools' / 'dist_imp.sh'
    return run_process('bash', script, config, 2, '--work-dir', work_dir, *args, env=env)
