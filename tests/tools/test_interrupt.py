"""Ctrl-C at a moment at which another package makes another error of it."""
import signal
import sys

import pytest
import toys
from conftest import run_process

INTERRUPTING = """
import os, signal
from yapf.yapflib import yapf_api
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
format_code = yapf_api.FormatCode
def interrupted(*args, **keywords):
    os.kill(os.getpid(), signal.SIGINT)
    return format_code(*args, **keywords)
yapf_api.FormatCode = interrupted
"""


@pytest.fixture
def command(tmp_path):
    """A job that is sent SIGINT when MMEngine formats its config."""
    (tmp_path / 'interrupting.py').write_text(INTERRUPTING)
    imports = dict(imports=['toys', 'interrupting'])
    config = toys.write_config(tmp_path, custom_imports=imports)
    start = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); from mmlth.cli.main import main'
    call = [sys.executable, '-c', f'{start}; sys.exit(main())']
    return [*call, 'train', config, '--work-dir', tmp_path / 'job']


def test_ctrl_c_while_a_config_is_formatted_is_said_in_one_line(command):
    stopped = run_process(*command, code=128 + signal.SIGINT)
    assert 'stopped; give the same command again to go on' in stopped.stderr
    assert 'SyntaxError' not in stopped.stderr and 'Traceback' not in stopped.stderr
