"""Style and types of the code; pyproject.toml holds the rules."""
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize('command', ['ruff check mmlth tools tests benchmarks', 'mypy mmlth'])
def test_nothing_is_found(command):
    done = subprocess.run([sys.executable, '-m', *command.split()], cwd=ROOT, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, f'{command}\n{done.stdout}{done.stderr}'


@pytest.mark.parametrize('text, rule', [
    (f'x = {"1 + " * 30}1\n', 'E501'),
    ('x = "double"\n', 'Q000'),
    ('def f(x=[]):\n    return x\n', 'B006'),
    ('def f(x):\n' + '    if x:\n        x -= 1\n' * 10 + '    return x\n', 'C901'),
])
def test_rules_bite(text, rule):
    command = [sys.executable, '-m', 'ruff', 'check', '--stdin-filename', 'mmlth/some.py', '-']
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and rule in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize('folder, text, rule', [
    ('analysis', 'def f(x):\n    return x\n', 'no-untyped-def'),
    ('core', 'def f(x: list) -> None:\n    x.clear()\n', 'type-arg'),
])
def test_types_are_asked_for(tmp_path, folder, text, rule):
    module = tmp_path / 'mmlth' / folder / 'some.py'
    module.parent.mkdir(parents=True)
    for package in (module.parent, module.parent.parent):
        (package / '__init__.py').touch()
    module.write_text(text)
    command = [sys.executable, '-m', 'mypy', '--config-file', str(ROOT / 'pyproject.toml'),
               'mmlth/' + folder]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and rule in done.stdout, done.stdout + done.stderr
