"""Where packages keep their configs, and which config was meant by a name that doesn't exist."""
import difflib
from importlib.util import find_spec
from pathlib import Path

from mmengine.config.utils import MODULE2PACKAGE

_GUESSES = 3
_LIKENESS = 0.8  # of the files' names, for difflib


def configs_of(package: str) -> Path | None:
    """Return the folder of the configs that an installed package ships, or None."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / '.mim' / 'configs'


def similar_configs(name: str) -> list[str]:
    """List up to three configs of the same file name or, if there is none, of similar ones.

    Args:
        name: ``package::path``, for which the configs of that package are looked at, or a path:
            the files beside it, then the configs of all installed packages of OpenMMLab.
    """
    package, _, path = name.rpartition('::')
    known = _packaged(package) if package else _beside(Path(path)) + _of_all_packages()
    wanted = _stem(path)
    stems = {_stem(each) for each in known}
    alike = [wanted] if wanted in stems else difflib.get_close_matches(
        wanted, sorted(stems), n=_GUESSES, cutoff=_LIKENESS)
    found = [each for stem in alike for each in known if _stem(each) == stem]
    return found[:_GUESSES]


def _stem(name: str) -> str:
    return name.replace('::', '/').rpartition('/')[2].removesuffix('.py')


def _beside(path: Path) -> list[str]:
    return [str(file) for file in sorted(path.parent.glob('*.py'))]


def _packaged(package: str) -> list[str]:
    folder = configs_of(package)
    if folder is None:
        return []
    paths = sorted(file.relative_to(folder) for file in folder.rglob('*.py'))
    return [f'{package}::{path.as_posix()}' for path in paths if '_base_' not in path.parts]


def _of_all_packages() -> list[str]:
    return [name for package in sorted(MODULE2PACKAGE) for name in _packaged(package)]
