"""Hooks are registered whichever is imported first, mmlth or MMEngine."""
import sys

import pytest
from conftest import run_process

LOOK = """
from mmengine.runner import Runner
from mmengine.registry import HOOKS
assert HOOKS.get('TicketHook').__module__ == 'mmlth.engine.hooks.ticket_hook'
"""
CONFIG = """
from mmengine.config import Config
Config.fromfile('c.py')
"""


def run(code, **options):
    run_process(sys.executable, '-W', 'ignore', '-c', code, **options)


@pytest.mark.parametrize('order', [
    'import mmengine, mmlth',
    'import mmlth, mmdet.apis',
    'import mmlth.engine'])
def test_hooks_are_registered(order):
    run(order + LOOK)


def test_a_config_imports_what_the_program_has_imported_already(tmp_path):
    (tmp_path / 'c.py').write_text("custom_imports = dict(imports=['mmlth'])\n")
    run('import mmlth.core.masks' + CONFIG + LOOK, cwd=tmp_path)
