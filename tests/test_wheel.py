"""What a wheel holds, used from a folder where there is no checkout."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_process

CHECKOUT = ('mmlth', 'tools', 'configs', 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md',
            'LICENSE', 'CITATION.cff', 'CHANGELOG.md')
TINY = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py'


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Folder in which a wheel is installed that was built from an sdist."""
    root = tmp_path_factory.mktemp('wheel')
    source = root / 'source'
    source.mkdir()
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, '-m', 'pip', '--quiet']
    run_process(sys.executable, 'setup.py', '--quiet', 'sdist', '--dist-dir', root, cwd=source)
    (sdist, ) = root.glob('*.tar.gz')
    run_process(*pip, 'wheel', '--no-deps', '--no-build-isolation', '-w', root, sdist, cwd=root)
    (wheel, ) = root.glob('*.whl')
    run_process(*pip, 'install', '--no-deps', '--target', root / 'site', wheel, cwd=root)
    return root / 'site'


@pytest.fixture
def run(site, tmp_path):
    """Run a command in an empty folder, with the wheel before everything else."""
    def call(*command, code=0):
        env = {**os.environ, 'PYTHONPATH': str(site), 'OMP_NUM_THREADS': '1'}
        return run_process(*command, cwd=tmp_path, env=env, code=code)
    return call


def test_the_command_says_its_version_and_lists_what_it_does(run, site):
    where = run(sys.executable, '-c', 'import mmlth; print(mmlth.__file__)').stdout.strip()
    assert Path(where).is_relative_to(site)
    assert run(site / 'bin' / 'mmlth', '--version').stdout == 'mmlth 0.1.0\n'
    assert 'dry-run' in run(sys.executable, '-m', 'mmlth').stdout
    assert 'did you mean train?' in run(site / 'bin' / 'mmlth', 'tran', code=2).stderr


def test_tools_configs_and_studies_lie_where_mim_looks(site):
    mim = site / 'mmlth' / '.mim'
    for folder in ('tools', 'configs'):
        of_checkout = subprocess.run(['find', folder, '-name', '*.py'], cwd=ROOT, text=True,
                                     capture_output=True, check=True).stdout.split()
        assert of_checkout and all((mim / name).is_file() for name in of_checkout)
    assert (mim / 'tools' / 'dist_imp.sh').is_file()
    for name in ('sparse.cpp', 'roi_align.cpp', 'max_pool.cpp'):
        assert (site / 'mmlth' / 'deploy' / name).is_file()
    for name in ('page.html', 'page.css', 'page.js'):
        assert (site / 'mmlth' / 'html_report' / name).is_file()


def test_a_config_on_a_packaged_one_is_planned_in_an_empty_folder(run, site, tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = '{TINY}'\n")
    out = run(site / 'bin' / 'mmlth', 'dry-run', mine, '--rounds', '1').stdout
    assert '80.00%' in out


@pytest.mark.slow
def test_a_packaged_study_finds_its_configs(run, site):
    out = run(site / 'bin' / 'mmlth', 'study', 'plan', 'mmlth::studies/winning.py',
              '--only', 'direct_pruning').stdout
    assert 'trainings' in out


def test_no_help_waits_for_torch(run):
    code = ('import sys; from mmlth.cli.main import COMMANDS, main\n'
            'for name in COMMANDS:\n'
            '    try: main([name, "--help"])\n'
            '    except SystemExit as ended: assert ended.code == 0\n'
            'print([name for name in ("torch", "mmengine", "numpy") if name in sys.modules])')
    assert run(sys.executable, '-c', code).stdout.strip().endswith('[]')
