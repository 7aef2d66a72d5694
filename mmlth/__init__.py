"""Winning lottery tickets in MMDetection detectors, by iterative magnitude pruning.

``custom_imports = dict(imports=['mmlth'])`` in a config registers the hooks and the wrapper; where
MMEngine is imported later than this, they are registered with its runner. So the command's help
needn't wait for torch, and ``mmlth.core`` works where MMEngine isn't installed.
"""
import sys

from mmlth.on_import import import_after
from mmlth.version import __version__

__all__ = ['__version__']

if sys.modules.get('mmengine'):  # which imports this for its registries
    import mmlth.engine  # noqa: F401
else:
    import_after('mmengine.runner', 'mmlth.engine')
