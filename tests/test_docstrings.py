"""The examples in the docstrings."""
import doctest
from importlib import import_module
from pathlib import Path

import pytest

import mmlth

PACKAGE = Path(mmlth.__file__).parent
EXAMPLES = sorted(path for path in PACKAGE.rglob('*.py') if '>>> ' in path.read_text())


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_examples_give_what_they_show(path):
    module = import_module('.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts))

    result = doctest.testmod(module)

    assert result.attempted and not result.failed
