"""The examples of the docstrings hold."""

import doctest

import pytest

from mmlth.analysis import experiments, metrics, paper, rows, style


@pytest.mark.parametrize('module', [experiments, metrics, paper, rows, style])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
