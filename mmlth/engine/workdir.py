"""Claim a work directory: the same job goes on there, any other is refused."""
import os
import shutil
from pathlib import Path
from typing import Any, Iterator, TextIO

from mmengine.config import Config
from mmengine.dist import get_world_size

from mmlth.core.files import lock_folder, read_json, write_json
from mmlth.core.layout import Layout
from mmlth.engine.config import IMPConfig

# Parts of a config that change neither weights nor metrics of the rounds. Controls may be added to a finished job.
_FREE = ('imp.controls', 'imp.control_rounds', 'imp.dense_from')
_IRRELEVANT = ('imp', 'work_dir', 'launcher', 'log_level', 'log_processor', 'visualizer', 'vis_backends',
               'env_cfg', 'model_wrapper_cfg', 'resume', 'default_hooks.logger',
               'default_hooks.visualization', 'default_hooks.checkpoint', 'experiment_name')


def identity(cfg: Config, settings: IMPConfig) -> dict[str, Any]:
    """Return all that decides a job's result, as flat JSON: 'imp.rounds', 'optim_wrapper...'."""
    values = {f'imp.{k}': v for k, v in settings.as_dict().items() if f'imp.{k}' not in _FREE}
    values['world_size'] = get_world_size()
    for key, value in _flatten(cfg.to_dict()):
        if not any(f'{key}.'.startswith(f'{part}.') for part in _IRRELEVANT):
            values[key] = value
    return values


def check(layout: Layout, job: dict[str, Any], *, overwrite: bool = False) -> str:
    """Tell what lies in the work directory: 'this job', 'another job' or 'nothing'.

    A job that was claimed but has not captured or trained anything yet counts as nothing.

    Args:
        layout: Of the work directory.
        job: From :func:`identity`.
        overwrite: Accept another job there.

    Raises:
        FileExistsError: The directory holds another job and ``overwrite`` is False (names the
            settings that differ), or files that aren't of mmlth.
        PermissionError: It can't be written.
        NotADirectoryError: It is a file.
    """
    folder = layout.work_dir
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if not parent.is_dir():
        raise NotADirectoryError(f'--work-dir {folder}: {parent} is a file; choose a folder')
    if not os.access(parent, os.W_OK):
        raise PermissionError(f'--work-dir {folder} cannot be written; choose another')
    if not layout.settings.exists():
        _refuse_foreign(layout)
        return 'nothing'
    there = read_json(layout.settings)
    if not isinstance(there, dict) or 'identity' not in there:
        raise FileExistsError(f'{layout.settings} was not written by mmlth. Choose a new folder')
    if there['identity'] == job:
        return 'this job'
    if not layout.rewind.exists() and not list(folder.glob('round_*/*.pth')):
        return 'nothing'
    if not overwrite:
        _refuse_other(there['identity'], job, folder)
    return 'another job'


def claim(layout: Layout, cfg: Config, settings: IMPConfig, job: dict[str, Any]) -> None:
    """Write ``imp.json``, from which moment the directory belongs to this job."""
    layout.work_dir.mkdir(parents=True, exist_ok=True)
    write_json(layout.settings, dict(version=1, config=str(cfg.filename), settings=settings.as_dict(),
                                     identity=job))


def lock(layout: Layout) -> TextIO:
    """Keep every other process off the work directory until this one ends.

    Raises:
        BlockingIOError: Another process works there; names its pid.
    """
    return lock_folder(layout.lock)


def clear(layout: Layout) -> None:
    """Delete what an IMP job wrote into the work directory, and nothing else (``--overwrite``)."""
    for path in reversed(layout.own_files()):  # imp.json last: a killed clear can be repeated
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _refuse_foreign(layout: Layout) -> None:
    """Raise unless the folder is empty or holds only what a dry run or a kill before imp.json left."""
    own = {layout.preflight.name, layout.preflight_text.name, layout.lock.name}
    paths = layout.work_dir.iterdir() if layout.work_dir.exists() else ()
    foreign = [p.name for p in paths if p.name not in own and not p.name.endswith('.tmp')]
    if foreign:
        raise FileExistsError(f'--work-dir {layout.work_dir} is not an IMP job (no imp.json) and holds '
                              f'{foreign[:3]}, which --overwrite never deletes. Choose a new folder')


def _refuse_other(there: dict[str, Any], job: dict[str, Any], folder: Path) -> None:
    different = [k for k in sorted(set(there) | set(job)) if there.get(k) != job.get(k)]
    if different:
        shown = '; '.join(f'{k}: {there.get(k)!r} there, {job.get(k)!r} now' for k in different[:8])
        more = f' and {len(different) - 8} more' if len(different) > 8 else ''
        raise FileExistsError(f'--work-dir {folder} holds another job. Different settings: {shown}{more}. '
                              'Choose a new --work-dir, or --overwrite to delete what is there')


def _flatten(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f'{prefix}.{key}' if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _flatten(inner, f'{prefix}.{i}')
    else:
        plain = isinstance(value, (str, int, float, bool, type(None)))
        yield prefix, value if plain else repr(value)
