"""What a config of unknown origin may build: modules of known packages, and nothing else."""
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.utils import get_object_from_string

_KNOWN = ('mmdet', 'mmengine', 'mmcv', 'mmlth', 'mmpretrain', 'torch')  # packages


def check_foreign(cfg: dict[str, Any], path: Path) -> None:
    """Raise ValueError if building a config's parts would run more than known packages' classes.

    MMEngine calls whatever object a dotted ``type`` names, and imports what ``custom_imports``
    lists. A type without a dot, or with a scope (``mmdet.ResNet``), is looked up in a registry.

    Args:
        cfg: That was read, and of which nothing was built.
        path: Its file, for the message.
    """
    for name in (cfg.get('custom_imports') or {}).get('imports', ()):
        if name not in sys.modules and _package(name) not in _KNOWN:
            raise ValueError(
                f'{path}: custom_imports would import {name!r}. If it is yours, import it before')
    for name in _types(cfg):
        if '.' in name and not _is_harmless(name):
            raise ValueError(f'{path}: type={name!r} is no class of {", ".join(_KNOWN)}; a '
                             'deployed detector is made of such, and of registered ones')


def _is_harmless(name: str) -> bool:
    if _package(name) not in _KNOWN:
        return False
    scope, _, rest = name.partition('.')
    if '.' not in rest and scope != 'torch':
        return True
    found = get_object_from_string(name)  # a module of a known package may hold others
    return inspect.isclass(found) and _package(found.__module__) in _KNOWN


def _package(name: str) -> str:
    return name.partition('.')[0]


def _types(part: Any) -> Iterator[str]:
    """Yield every ``type`` that is a text, at any depth."""
    if isinstance(part, dict):
        kind = part.get('type')
        if isinstance(kind, str):
            yield kind
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for each in part:
            yield from _types(each)
