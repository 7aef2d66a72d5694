"""Pretrained weights that a config fetches: from where, where they are kept, and by hand.

MMEngine reads ``torchvision://`` with torchvision, of which it only takes the addresses. Where that
package is missing they come from MMEngine's own table.
"""
import hashlib
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.files import atomic_path, read_json

_TORCHVISION = ('torchvision://', 'modelzoo://')
_OPENMMLAB = ('open-mmlab://', 'openmmlab://')
_HTTP = ('https://', 'http://')
_HASH = re.compile(r'-([0-9a-f]{8,})\.\w+')  # torch.hub: resnet18-f37072fd.pth
_CHUNK = 1 << 20


def register_schemes() -> None:
    """Let MMEngine read remote weights by :func:`load_remote`, whichever rank asks for them."""
    schemes = (*_TORCHVISION, *_OPENMMLAB, *_HTTP)
    CheckpointLoader.register_scheme(schemes, loader=load_remote, force=True)


def load_remote(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read weights from torch's cache, fetched into it if they aren't there yet.

    No rank waits for another, as those of MMEngine's own loader do: rank 0 reads them alone when it
    plans a job. Only tensors and harmless classes are unpickled.

    Args:
        filename: 'torchvision://resnet50', 'open-mmlab://detectron2/resnet50_caffe', or a URL.
        map_location: Where MMEngine would have tensors; they are read on the CPU, and copied into
            the model from there.

    Raises:
        ValueError: No such model, which lists those of a like name; or the file is damaged.
        OSError: It can't be fetched.
    """
    url = address(filename)
    path = cache_path(url)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _hash_in(path.name), progress=False)
    return load_checkpoint(path)


def address(name: str) -> str:
    """Return the URL of weights that a config names.

    Args:
        name: With ``torchvision://``, ``open-mmlab://`` or ``https://``.

    Raises:
        ValueError: A model that the table doesn't hold.
    """
    if name.startswith(_HTTP):
        return name
    scheme, _, model = name.partition('://')
    short = model.lower().removesuffix('.imagenet1k_v1').removesuffix('_weights')
    table = _torchvision_table() if f'{scheme}://' in _TORCHVISION else _openmmlab_table()
    for each in (model, short):
        if each in table:
            return table[each]
    like = [known for known in table if known[:4] == short[:4]] or list(table)
    raise ValueError(f'{name}: no address of it is known; known are {", ".join(like[:12])}')


def cache_path(url: str) -> Path:
    """Return where torch keeps what it has fetched from a URL."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / url.rpartition('/')[2]


def missing(cfg: Config) -> dict[str, tuple[str, Path]]:
    """Return name in the config -> (URL, file) of pretrained weights that aren't here yet."""
    found = {}
    for name in dict.fromkeys(_names([cfg.get('model'), cfg.get('load_from')])):
        url = _known_address(name)
        if url and not cache_path(url).exists():
            found[name] = url, cache_path(url)
    return found


def how_to_get(cfg: Config) -> str:
    """Say which files to fetch by hand and where they go; '' if none is missing."""
    lines = [f'{name}: fetch {url} to {path}' for name, (url, path) in missing(cfg).items()]
    if not lines:
        return ''
    return '; '.join(lines) + ' (or give the fetched file with --init-from FILE)'


def place(files: list[str], cfg: Config) -> None:
    """Lay files that were fetched by hand where torch looks for them.

    Args:
        files: Named as their URLs end.
        cfg: Whose pretrained weights they are.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The config fetches no file of that name, or it isn't the whole file.
    """
    urls = filter(None, map(_known_address, _names([cfg.get('model'), cfg.get('load_from')])))
    targets = {cache_path(url).name: cache_path(url) for url in urls}
    for file in map(Path, files):
        if not file.is_file():
            raise FileNotFoundError(f'--init-from {file}: there is no such file')
        if file.name not in targets:
            raise ValueError(f'--init-from {file}: the config fetches no file of that name, but '
                             f'{", ".join(targets) or "none at all"}')
        _check_hash(file)
        target = targets[file.name]
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as part:
                shutil.copyfile(file, part)


def _check_hash(file: Path) -> None:
    wanted = _hash_in(file.name)
    if wanted is None:
        return
    sha = hashlib.sha256()
    with file.open('rb') as stream:
        while chunk := stream.read(_CHUNK):
            sha.update(chunk)
    digest = sha.hexdigest()
    if not digest.startswith(wanted):
        raise ValueError(f'--init-from {file}: its SHA-256 begins with {digest[:len(wanted)]}, not '
                         f'{wanted} as its name says; it is damaged or another file. Fetch it '
                         'again')


def _hash_in(name: str) -> str | None:
    found = _HASH.search(name)
    return found[1] if found else None


def _torchvision_table() -> dict[str, str]:
    """Map names to URLs: torchvision's own where it is installed, else those of 0.12."""
    if find_spec('torchvision') is None:
        return _table('torchvision_0.12')
    from mmengine.runner.checkpoint import get_torchvision_models
    return {**_table('torchvision_0.12'), **get_torchvision_models()}


def _openmmlab_table() -> dict[str, str]:
    table = _table('openmmlab')
    renamed = {old: table[new] for old, new in _table('deprecated').items() if new in table}
    return {**renamed, **table}


def _table(name: str) -> dict[str, str]:
    folder = Path(mmengine.__file__).parent / 'hub'
    table: dict[str, str] = read_json(folder / f'{name}.json')
    return table


def _known_address(name: str) -> str:
    try:
        return address(name)
    except ValueError:
        return ''


def _names(value: Any) -> Iterator[str]:
    """Yield every name of remote weights in a config."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _names(inner)
    elif isinstance(value, str) and value.startswith((*_TORCHVISION, *_OPENMMLAB, *_HTTP)):
        yield value
