"""Check the versions of the stack by its modules: any distribution that has them will do."""
import re
from importlib import import_module
from importlib.util import find_spec

# module -> (first version that works, first that isn't known to)
SUPPORTED = {
    'torch': ('2.1', '3'),
    'mmengine': ('0.10.7', '1'),
    'mmcv': ('2.1.0', '3'),
    'mmdet': ('3.3.0', '4'),
}
_WORKING = ('Known to work: torch 2.13.0 with either OneDL mmengine 0.10.12, mmcv 2.3.6, '
            'mmdet 3.5.1, or upstream mmengine 0.10.7, mmcv 2.1.0, mmdet 3.3.0')


def check_versions(found: dict[str, str] | None = None) -> None:
    """Refuse a part of the stack that is too old or too new.

    Args:
        found: module -> version; None looks at what is installed (mmcv and mmdet may be missing).

    Raises:
        ImportError: if a version is outside of SUPPORTED; it says which would work.
    """
    versions = installed_versions() if found is None else found
    for module, version in versions.items():
        low, high = SUPPORTED[module]
        if not _numbers(low) <= _numbers(version) < _numbers(high):
            raise ImportError(
                f'mmlth needs {module} >={low},<{high}, but {version} is installed. {_WORKING}')


def installed_versions() -> dict[str, str]:
    """Return module -> ``__version__`` of the installed parts of the stack."""
    installed = [module for module in SUPPORTED if find_spec(module) is not None]
    return {module: import_module(module).__version__ for module in installed}


def _numbers(version: str) -> tuple[int, ...]:
    release = version.split('+')[0]
    return tuple(int(number) for number in re.findall(r'\d+', release)[:3])
