"""The kernels as other processors and the address sanitizer would have them built."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT, tool_env

from mmlth.deploy import kernel

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not kernel.is_available(), reason='no compiler')]

TESTS = [f'tests/deploy/test_{name}.py' for name in ('sparse_conv', 'pooling')]
LANES = 'from mmlth.deploy import kernel; assert kernel.is_available(); ' \
    'print("lanes", kernel.operators().lanes())'


def environment(folder, flags):
    """An environment in which the kernels are built with more flags, into a folder of its own."""
    compiler = folder / 'g++'
    compiler.write_text(f'#!/bin/sh\nexec g++ {flags} "$@"\n')
    compiler.chmod(0o755)
    return {**tool_env(), 'CXX': str(compiler), 'TORCH_EXTENSIONS_DIR': str(folder / 'built')}


def run(env, *arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize('flags, most', [('-mno-avx512f', 8), ('-mno-avx', 4)])
def test_kernels_of_narrower_registers_compute_the_same(tmp_path, flags, most):
    env = environment(tmp_path, flags)
    lanes = int(run(env, '-c', LANES).split('lanes')[-1])
    assert lanes == min(most, kernel.operators().lanes())
    assert ' passed' in run(env, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *TESTS)


def test_no_kernel_reads_or_writes_outside_of_its_memory(tmp_path):
    found = [subprocess.run(['g++', f'-print-file-name={name}'], text=True, capture_output=True)
             .stdout.strip() for name in ('libasan.so', 'libstdc++.so')]
    if not all(map(os.path.isabs, found)):
        pytest.skip('g++ has no address sanitizer')
    env = environment(tmp_path, '-fsanitize=address -fno-omit-frame-pointer -g')
    env |= {'LD_PRELOAD': ' '.join(map(os.path.realpath, found)),  # which Python hasn't linked
            'ASAN_OPTIONS': f'detect_leaks=0:log_path={tmp_path / "report"}'}
    assert ' passed' in run(env, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *TESTS)
    assert not list(tmp_path.glob('report*'))
