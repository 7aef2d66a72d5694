"""Read the annotations once before training: what MMDet would trip over in them, by name."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmlth.core.files import read_json
from mmlth.job.checks import is_local, kind_of, leaf_datasets
from mmlth.job.coco_annotations import coco_problems
from mmlth.job.voc_annotations import voc_problems

_SHOWN = 5  # of the problems of a data set


def check_annotations(cfg: Config) -> None:
    """Check the annotations of all data sets in COCO's and VOC's formats; others pass.

    Every file is read once. Takes seconds for all of COCO.

    Args:
        cfg: Whose files exist.

    Raises:
        ValueError: Names the data set's key, file, id and field of what is wrong, all data sets
            at once.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    read: dict[Path, Any] = {}
    lines = []
    for loader in ('train_dataloader', 'val_dataloader'):
        for key, dataset in leaf_datasets(cfg[loader].dataset, f'{loader}.dataset'):
            found = list(_problems(dataset, read)) if is_local(dataset) else []
            if found:
                more = f'\n  and {len(found) - _SHOWN} more' if len(found) > _SHOWN else ''
                shown = '\n  '.join(found[:_SHOWN])
                lines.append(f'{key} ({dataset.get("ann_file")}):\n  {shown}{more}')
    if lines:
        raise ValueError('the annotations cannot be trained with:\n' + '\n'.join(lines))


def _problems(dataset: Any, read: dict[Path, Any]) -> Iterator[str]:
    kind = kind_of(dataset)
    bases = [base.__name__ for base in getattr(kind, '__mro__', ())]
    root, name = dataset.get('data_root') or '', dataset.get('ann_file')
    if not isinstance(name, str) or not name:
        return
    path = Path(root, name)
    prefixes = dict(dataset.get('data_prefix') or {})
    if 'CocoDataset' in bases:
        if path not in read:
            read.clear()  # those of a big set take gigabytes
            read[path] = _json(path)
        content = read[path]
        if isinstance(content, str):
            yield content
            return
        yield from coco_problems(
            content, classes_of(dataset), boxes=_reads_boxes(kind),
            filter_cfg=_filter(dataset))
        images = prefixes.get('img') or prefixes.get('img_path') or ''
        if dataset.get('indices') is None and _reads_boxes(kind):
            yield from missing_images(content, Path(root, images))
    elif 'XMLDataset' in bases:
        folder = Path(root, prefixes.get('sub_data_root', ''))
        yield from voc_problems(
            path, folder / dataset.get('ann_subdir', 'Annotations'), classes_of(dataset))


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Return the classes of a data set, () where only the built one knows them."""
    known = {**getattr(kind_of(dataset), 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    classes = known.get('classes') or known.get('CLASSES') or ()
    return () if isinstance(classes, str) else tuple(classes)


def missing_images(content: Any, folder: Path) -> list[str]:
    """Return a line for the images of a COCO file that don't lie in their folder."""
    names = [str(i['file_name']) for i in content['images']
             if isinstance(i, dict) and 'file_name' in i]
    parents = {Path(name).parent for name in names}
    there = {parent: _listing(folder / parent) for parent in parents}
    lost = [name for name in names if Path(name).name not in there[Path(name).parent]]
    if not lost:
        return []
    return [f'{len(lost)} of {len(names)} images are not in {folder}: {", ".join(lost[:3])}']


def _listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except ValueError as error:
        return f'is no JSON: {error}'


def _reads_boxes(kind: Any) -> bool:
    """Tell whether a data set reads annotations just as MMDet's CocoDataset does."""
    owners = {next(base.__name__ for base in kind.__mro__ if method in vars(base))
              for method in ('load_data_list', 'parse_data_info')}
    return owners == {'CocoDataset'}


def _filter(dataset: Any) -> dict[str, Any]:
    return {} if dataset.get('test_mode') else dict(dataset.get('filter_cfg') or {})
