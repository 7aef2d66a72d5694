"""Check the versions of the stack by its modules: any distribution that provides them will do."""
import re
from importlib import import_module
from importlib.util import find_spec

# module -> (first version that works, first that isn't known to)
SUPPORTED = dict(torch=('2.6', '3'), mmengine=('0.10.7', '1'), mmcv=('2.1.0', '3'), mmdet=('3.3.0', '4'))
_WORKING = ('Known to work: torch 2.13.0 with either OneDL mmengine 0.10.12, mmcv 2.3.6, mmdet 3.5.1, or '
            'upstream mmengine 0.10.7, mmcv 2.1.0, mmdet 3.3.0')


def check_versions(found: dict[str, str] | None = None) -> None:
    """Raise ImportError if an installed part of the stack is too old or too new.

    Args:
        found: module -> version; None looks at what is installed (mmcv and mmdet may be missing).
    """
    for module, version in (installed_versions() if found is None else found).items():
        low, high = SUPPORTED[module]
        if not _numbers(low) <= _numbers(version) < _numbers(high):
            raise ImportError(f'mmlth needs {module} >={low},<{high}, but {version} is installed. '
                              + _WORKING)


def installed_versions() -> dict[str, str]:
    """Return module -> ``__version__`` of the installed parts of the stack."""
    return {m: import_module(m).__version__ for m in SUPPORTED if find_spec(m) is not None}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r'\d+', version.split('+')[0])[:3])
