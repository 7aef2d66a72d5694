"""Every code block of README and docs: what it names exists, what it asks for is accepted.

Commands are read by their own parsers, and configs they name are read; the slow test makes the plan
(``--dry-run``) of each training. Nothing is trained here.
"""
import ast
import re
from collections import Counter
from importlib import import_module

import pytest
import recipes
from conftest import ROOT

from mmlth.cli.main import COMMANDS, main
from mmlth.core.config_text import read_config_text
from mmlth.engine.config_files import load_config
from mmlth.settings.imp_config import IMPConfig

BLOCKS = recipes.all_blocks()
LINES = [line for block in BLOCKS for line in recipes.commands(*block)]
OF_MMLTH = [line for line in LINES if line.words[0] == 'mmlth' and line.words[1] in COMMANDS]
OF_FILES = [line for line in LINES if line.words[0] in ('bash', 'python')]
CODE = [block for block in BLOCKS
        if not recipes.commands(*block) and not recipes.is_table(block[2])
        and not recipes.is_shell(block[2])]
PLANNED = sorted({(line.words[2], *recipes.settings_of(line)) for line in OF_MMLTH
                  if line.words[1] == 'train' and recipes.can_be_planned(line)})
TINY = "_base_ = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py'\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder as a reader's: the checkout's configs, and a config of their own."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'my_config.py').write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('line', OF_MMLTH, ids=str)
def test_a_command_is_read_by_its_parser(line, folder):
    name, *rest = line.words[1:]
    module = import_module(f'mmlth.cli.{COMMANDS[name][0]}')
    parse = module.make_parser().parse_args if name == 'digit-scenes' else module.parse_args
    args = parse(rest)
    if name == 'study':
        known = load_config(args.study).experiments
        assert set(args.only) <= set(known)
    named = [word for word in rest if word.startswith(('configs/', 'mmdet::'))]
    assert all(load_config(word) for word in named if 'imagenet' not in word)


@pytest.mark.slow
@pytest.mark.parametrize('args', PLANNED, ids=' '.join)
def test_a_training_can_be_planned(args, folder, capsys):
    capsys.readouterr()
    assert main(['dry-run', *args]) == 0, capsys.readouterr().err
    assert 'round' in capsys.readouterr().out


@pytest.mark.parametrize('line', OF_FILES, ids=str)
def test_a_script_is_there_and_knows_its_flags(line):
    script = line.words[1]
    if script.startswith('$MMDET/'):  # MMDet's own
        return
    text = (ROOT / script).read_text()
    if script == 'tools/dist_imp.sh':
        config, gpus, *rest = line.words[2:]
        import_module('mmlth.cli.train').parse_args([config, *rest])
        assert int(gpus) > 0
    elif script == 'tools/quickstart.sh':
        import_module('mmlth.cli.train').parse_args(['config.py', *line.words[2:]])
    else:
        assert all(flag in text for flag in line.words if flag.startswith('--'))
    assert all((ROOT / word).exists() for word in line.words if word.startswith('tests/'))


@pytest.mark.parametrize('block', CODE, ids=lambda block: f'{block[0]}:{block[1]}')
def test_python_is_python_and_its_imp_blocks_are_settings(block):
    text = '\n'.join(block[2])
    ast.parse(text)
    for written in re.findall(r'^imp = (dict\(.*\)) *(?:#.*)?$', text, re.M):
        assert IMPConfig.from_dicts(read_config_text(f'imp = {written}')['imp'])


def test_no_two_trainings_of_a_page_share_a_work_dir_by_default():
    """The second of them would be refused as another job."""
    for page in {line.page for line in OF_MMLTH}:
        lines = [line for line in OF_MMLTH if line.page == page and line.words[1] == 'train'
                 and '--dry-run' not in line.words]
        trained = {(line.words[2], *recipes.deciding(line)): recipes.work_dir(line)
                   for line in lines}
        shared = {key for key, count in Counter(trained.values()).items() if count > 1}
        assert not shared, f'{page}: {shared}'


def test_no_two_recipes_write_the_same_file():
    written = {line.text: line.words[{'export': 3, 'transfer': 4}[line.words[1]]]
               for line in OF_MMLTH if line.words[1] in ('export', 'transfer')}
    twice = {key for key, count in Counter(written.values()).items() if count > 1}
    assert not twice, twice


def test_there_are_recipes():
    assert len(OF_MMLTH) > 40 and len(CODE) > 5
