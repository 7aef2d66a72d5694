"""Who may import whom, and habits that no file may have."""
import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmlth'

# What each folder or module of mmlth may import, besides the standard library and itself.
# Read from the bottom: every row names rows above it, so there are no circles.
LAYERS = {
    'version': (),
    'versions': (),
    'on_import': (),
    'core': ('torch', 'numpy', 'safetensors'),
    'settings': ('mmlth.core', 'mmengine'),
    'engine': ('mmlth.core', 'mmlth.settings', 'mmlth.versions', 'mmengine', 'torch', 'numpy'),
    'trained': ('mmlth.core', 'mmlth.engine', 'mmengine', 'torch', 'numpy'),
    'deploy': ('mmlth.core', 'mmlth.engine', 'mmlth.trained', 'mmengine', 'mmcv', 'mmdet', 'torch',
               'numpy', 'safetensors'),
    'registry': ('mmdet', 'mmengine'),
    'job': ('mmlth.core', 'mmlth.version', 'mmlth.settings', 'mmlth.engine', 'mmengine', 'torch',
            'numpy'),
    'analysis': ('mmlth.core', 'matplotlib', 'numpy', 'scipy', 'pycocotools', 'tidecv'),
    'html_report': ('mmlth.core', 'mmlth.version', 'mmlth.analysis', 'altair', 'vl_convert',
                    'jinja2', 'PIL'),
    'transfer': ('mmlth.core', 'mmlth.version', 'mmlth.settings', 'mmlth.engine', 'mmlth.trained',
                 'mmlth.job', 'mmengine', 'torch', 'safetensors'),
    'study': ('mmlth.core', 'mmlth.settings', 'mmlth.engine', 'mmlth.trained', 'mmlth.job',
              'mmlth.analysis', 'mmlth.html_report', 'mmlth.transfer', 'mmengine',
              'torch.distributed', 'submitit', 'ray'),
    '__init__': ('mmlth.version', 'mmlth.on_import', 'mmlth.engine'),
    # the keypoint task: nothing of pruning
    'datasets': ('mmlth.core.files', 'mmdet', 'mmengine', 'mmcv', 'torch', 'numpy', 'cv2',
                 'pycocotools', 'sklearn', 'matplotlib'),
    'models': ('mmdet', 'mmengine', 'mmcv', 'torch'),
    'evaluation': ('mmdet', 'mmengine', 'numpy', 'pycocotools', 'terminaltables'),
    'visualization': ('mmdet', 'mmengine', 'numpy'),
    'keypoints': ('mmlth.datasets', 'mmlth.models', 'mmlth.evaluation', 'mmlth.visualization'),
    'cli': ('mmlth.version', 'mmlth.core', 'mmlth.settings', 'mmlth.engine', 'mmlth.trained',
            'mmlth.deploy', 'mmlth.job', 'mmlth.analysis', 'mmlth.html_report', 'mmlth.transfer',
            'mmlth.study', 'mmlth.datasets', 'mmengine'),
    '__main__': ('mmlth.cli',),
}
TOOLS = ('mmlth.cli',)

FILE_LINES = 250
FUNCTION_LINES = 60

TOO_MUCH = ('Exception', 'BaseException')
SAFE_UNPICKLER = 'mmlth/core/safe_unpickler.py'  # the one that says what may be unpickled
UNPICKLING = ('pickle.load', 'pickle.loads')


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob('*.py'))]
    assert found
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def faults(paths: list[Path], check: Callable[[Path], list]) -> dict[str, list]:
    """Return file -> what ``check`` finds in it, for the files in which it finds something."""
    found = {relative(path): check(path) for path in paths}
    return {name: problems for name, problems in found.items() if problems}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def imported(tree: ast.AST, package: str) -> list[str]:
    """List the dotted names that a file of ``package`` imports, wherever in the file it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = source_of(node, package)
            found += [f'{module}.{alias.name}' for alias in node.names]
    return found


def source_of(node: ast.ImportFrom, package: str) -> str:
    """Name the module that names are imported from, in full where it is given by dots."""
    if not node.level:
        return node.module
    parts = package.split('.')
    parent = parts[:len(parts) + 1 - node.level]
    return '.'.join([*parent, node.module] if node.module else parent)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def row_of(path: Path) -> str:
    """Name the row of LAYERS that a file of mmlth belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def foreign(path: Path, allowed: tuple[str, ...]) -> list[str]:
    """List what a file imports beyond ``allowed`` and the standard library."""
    package = '.'.join(path.parent.relative_to(ROOT).parts)
    names = imported(parse(path), package)
    return [name for name in names if not within(name, (*sys.stdlib_module_names, *allowed))]


def habits(tree: ast.AST) -> list[tuple[int, str]]:
    """List the bad habits in a file, each with its line."""
    found = [(0, name) for name in imported(tree, '') if name in ('pickle', *UNPICKLING)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and catches_too_much(node):
            found.append((node.lineno, 'catches too much'))
        if isinstance(node, ast.Call) and unpickles(node):
            found.append((node.lineno, 'unpickles'))
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append((node.lineno, f'{node.name} has {lines} lines'))
    return found


def catches_too_much(node: ast.ExceptHandler) -> bool:
    if node.type is None:
        return True
    names = [part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)]
    return any(name in TOO_MUCH for name in names)


def unpickles(node: ast.Call) -> bool:
    called = ast.unparse(node.func)
    if called != 'torch.load':
        return called in UNPICKLING
    settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    return settings.get('weights_only') != 'True'


def private(tree: ast.AST) -> list[tuple[int, str]]:
    """List the private names that a file takes from modules of mmlth, each with its line."""
    found, modules = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and within(source_of(node, 'mmlth.x'), ('mmlth', )):
            modules.update(alias.asname or alias.name for alias in node.names)
            found += [(node.lineno, alias.name) for alias in node.names if is_private(alias.name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner in modules:
                found.append((node.lineno, f'{owner}.{node.attr}'))
    return found


def is_private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__')


def test_every_folder_of_mmlth_has_a_row():
    assert {row_of(path) for path in python_files('mmlth')} <= set(LAYERS)


def test_the_layers_have_no_circles():
    above = set()
    for row, allowed in LAYERS.items():
        own = {name.split('.')[1] for name in allowed if within(name, ('mmlth', ))}
        assert own <= above, row
        above.add(row)


def test_every_file_imports_what_its_layer_may():
    def check(path: Path) -> list[str]:
        row = row_of(path)
        return foreign(path, (*LAYERS[row], f'mmlth.{row}'))
    assert faults(python_files('mmlth'), check) == {}


def test_the_tools_import_mmlth_and_mmengine_alone():
    assert faults(python_files('tools'), lambda path: foreign(path, TOOLS)) == {}


def test_no_file_has_bad_habits():
    paths = [path for path in python_files('mmlth', 'tools', 'benchmarks')
             if relative(path) != SAFE_UNPICKLER]
    assert faults(paths, lambda path: habits(parse(path))) == {}


def test_no_file_takes_private_names_from_another():
    assert faults(python_files('mmlth', 'tools', 'benchmarks'),
                  lambda path: private(parse(path))) == {}


def test_no_file_is_long():
    lines = {relative(path): len(path.read_text(encoding='utf-8').splitlines())
             for path in python_files('mmlth', 'tools', 'benchmarks')}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


@pytest.mark.parametrize('text, expected', [
    pytest.param('import os, mmdet.apis', ['os', 'mmdet.apis'], id='import'),
    pytest.param('def f():\n  from mmdet import apis', ['mmdet.apis'], id='inside a function'),
    pytest.param('from ..core import masks', ['mmlth.core.masks'], id='relative to the parent'),
    pytest.param('from . import config', ['mmlth.engine.config'], id='relative'),
    pytest.param('from mmlth import analysis', ['mmlth.analysis'], id='from the root'),
])
def test_imports_are_found(text, expected):
    assert imported(ast.parse(text), 'mmlth.engine') == expected


@pytest.mark.parametrize('name, is_within', [
    ('mmlth.core', True), ('mmlth.core.masks', True), ('mmlth.cores', False), ('mmlth', False)])
def test_a_package_holds_what_is_below_it(name, is_within):
    assert within(name, ('mmlth.core', )) == is_within


@pytest.mark.parametrize('text, line', [
    ('try:\n  pass\nexcept:\n  pass', 3),
    ('try:\n  pass\nexcept (OSError, Exception):\n  pass', 3),
    ('try:\n  pass\nexcept BaseException as e:\n  raise', 3),
    ('pickle.load(f)', 1),
    ('torch.load(f)', 1),
    ('torch.load(f, weights_only=False)', 1),
    ('from pickle import loads', 0),
    ('import pickle', 0),
    ('def f():' + '\n  pass' * FUNCTION_LINES, 1),
])
def test_bad_habits_are_found(text, line):
    assert [number for number, _ in habits(ast.parse(text))] == [line]


@pytest.mark.parametrize('text', [
    'try:\n  pass\nexcept (OSError, ValueError):\n  pass',
    'torch.load(f, weights_only=True)',
    'from pickle import UnpicklingError',
    'def f():' + '\n  pass' * (FUNCTION_LINES - 1),
])
def test_good_habits_pass(text):
    assert habits(ast.parse(text)) == []


@pytest.mark.parametrize('text, names', [
    ('from mmlth.core.masks import _pack', ['_pack']),
    ('from .masks import _pack as pack', ['_pack']),
    ('from mmlth.core import masks\nmasks._pack(m)', ['masks._pack']),
    ('from mmlth.core import masks\nmasks.pack(m)\nself._own\nmasks.__name__', []),
    ('import os\nos._exit(3)', []),
])
def test_private_names_of_other_modules_are_found(text, names):
    assert [name for _, name in private(ast.parse(text))] == names


def test_core_works_where_the_rest_of_the_stack_is_missing():
    modules = [path.stem for path in python_files('mmlth/core') if path.stem != '__init__']
    code = f"""
import sys
sys.modules.update(dict.fromkeys(('mmengine', 'mmcv', 'mmdet', 'matplotlib')))  # None hides them
import torch
from mmlth.core import {', '.join(modules)}
print(masks.kept({{'w': torch.tensor([True, False, True])}}), 'mmlth.engine' in sys.modules)
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.stdout.split() == ['2', 'False'], done.stderr
