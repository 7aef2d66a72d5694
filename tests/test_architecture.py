"""Who may import whom, and habits that no file may have."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / 'mmlth').rglob('*.py'))
STDLIB = tuple(sys.stdlib_module_names)
TOO_MUCH = ('bare', 'Exception', 'BaseException')
UNPICKLING = ('pickle.load', 'pickle.loads')


def imported(tree, package):
    """List the dotted names that a file of ``package`` imports, wherever in the file it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.split('.')[:len(package.split('.')) + 1 - node.level] if node.level else []
            module = '.'.join([*parent, *([node.module] if node.module else [])])
            found += [f'{module}.{alias.name}' for alias in node.names]
    return found


def within(name, packages):
    return any(name == p or name.startswith(p + '.') for p in packages)


def habits(tree):
    """List the bad habits in a file, each with its line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = [getattr(n, 'id', None) for n in ast.walk(node.type)] if node.type else ['bare']
            found += [(node.lineno, 'except') for name in caught if name in TOO_MUCH]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = any(k.arg == 'weights_only' and ast.unparse(k.value) == 'True' for k in node.keywords)
            if called in UNPICKLING or (called == 'torch.load' and not safe):
                found.append((node.lineno, called))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
            found.append((node.lineno, f'{node.name} is long'))
    return found + [(0, name) for name in imported(tree, '') if name in ('pickle', *UNPICKLING)]


def relative(path):
    return path.relative_to(ROOT).as_posix()


def foreign(path, allowed):
    package = '.'.join(path.parent.relative_to(ROOT).parts)
    return [name for name in imported(ast.parse(path.read_text()), package) if not within(name, allowed)]


def files_of(folder):
    found = [path for path in FILES if path.is_relative_to(ROOT / 'mmlth' / folder)]
    assert found
    return found


@pytest.mark.parametrize('path', files_of('core'), ids=relative)
def test_core_imports_torch_numpy_and_safetensors_alone(path):
    assert foreign(path, (*STDLIB, 'torch', 'numpy', 'safetensors', 'mmlth.core')) == []


@pytest.mark.parametrize('path', files_of('analysis'), ids=relative)
def test_analysis_imports_core_and_matplotlib_alone(path):
    assert foreign(path, (*STDLIB, 'numpy', 'matplotlib', 'mmlth.core', 'mmlth.analysis')) == []


@pytest.mark.parametrize('path', files_of('engine'), ids=relative)
def test_engine_knows_neither_mmdet_nor_analysis(path):
    names = imported(ast.parse(path.read_text()), '.'.join(path.parent.relative_to(ROOT).parts))
    assert [name for name in names if within(name, ('mmdet', 'mmlth.analysis', 'mmlth.datasets'))] == []


@pytest.mark.parametrize('path', FILES, ids=relative)
def test_no_bad_habits_and_no_long_files(path):
    text = path.read_text()
    assert habits(ast.parse(text)) == []
    assert text.count('\n') <= 300


@pytest.mark.parametrize('text, expected', [
    pytest.param('import os, mmdet.apis', ['os', 'mmdet.apis'], id='import'),
    pytest.param('def f():\n  from mmdet import apis', ['mmdet.apis'], id='inside a function'),
    pytest.param('from ..core import masks', ['mmlth.core.masks'], id='relative to the parent'),
    pytest.param('from . import config', ['mmlth.engine.config'], id='relative'),
    pytest.param('from mmlth import analysis', ['mmlth.analysis'], id='from the root'),
])
def test_imports_are_found(text, expected):
    assert imported(ast.parse(text), 'mmlth.engine') == expected


@pytest.mark.parametrize('text, line', [
    ('try:\n  pass\nexcept:\n  pass', 3), ('try:\n  pass\nexcept (OSError, Exception):\n  pass', 3),
    ('try:\n  pass\nexcept BaseException as e:\n  raise', 3), ('pickle.load(f)', 1),
    ('torch.load(f)', 1), ('torch.load(f, weights_only=False)', 1),
    ('from pickle import loads', 0), ('import pickle', 0),
    ('def f():' + '\n  pass' * 60, 1)])
def test_bad_habits_are_found(text, line):
    assert [number for number, _ in habits(ast.parse(text))] == [line]


@pytest.mark.parametrize('text', [
    'try:\n  pass\nexcept (OSError, ValueError):\n  pass', 'torch.load(f, weights_only=True)',
    'from pickle import UnpicklingError', 'def f():' + '\n  pass' * 59])
def test_good_habits_pass(text):
    assert habits(ast.parse(text)) == []


def test_core_works_where_the_rest_of_the_stack_is_missing():
    code = """
import sys
sys.modules.update(dict.fromkeys(('mmengine', 'mmcv', 'mmdet', 'matplotlib')))  # None hides them
import torch
from mmlth.core import (allocations, controls, criteria, early_bird, files, layout, mask_coding, mask_history, masks, overlap,
                        patterns, ranking, records, rewind, schedules, scope, seeds, selection, ticket)
print(masks.kept({'w': torch.tensor([True, False, True])}), 'mmlth.engine' in sys.modules)
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.stdout.split() == ['2', 'False'], done.stderr
