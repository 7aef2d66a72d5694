"""Winning lottery tickets in MMDetection detectors, by iterative magnitude pruning.

``custom_imports = dict(imports=['mmlth'])`` in a config registers the hooks and the wrapper.
``mmlth.core`` needs torch alone and works where MMEngine isn't installed.
"""
from importlib.util import find_spec

from mmlth.version import __version__

__all__ = ['__version__']

if find_spec('mmengine') is not None:
    from mmlth.versions import check_versions

    check_versions()

    import mmlth.engine  # noqa: F401  registers hooks and the wrapper
