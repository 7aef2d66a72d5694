"""What MMDet's CocoDataset would trip over in a file of COCO's format."""
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_LISTS = ('images', 'annotations', 'categories')
_KINDS = (
    ((int, str), 'id', ('id', 'image_id', 'category_id')),
    ((int, float), 'number', ('height', 'width', 'area')))
_CATEGORY = frozenset({'id', 'name'})
_IMAGE = frozenset({'id', 'file_name', 'height', 'width'})
_ANNOTATION = frozenset({'id', 'image_id', 'category_id', 'bbox', 'area'})


def coco_problems(
    content: Any, classes: Sequence[str], *, boxes: bool = True,
    filter_cfg: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Yield a line for everything that is wrong in annotations.

    Args:
        content: Of the JSON file.
        classes: That the data set trains; () if they aren't known.
        boxes: Whether every annotation needs a box, as for a CocoDataset.
        filter_cfg: Of the data set: ``filter_empty_gt``, ``min_size``.

    >>> image = dict(id=7, file_name='a.jpg', height=8, width=8)
    >>> box = dict(id=1, image_id=7, category_id=1, bbox=[0, 0, 4, 4])
    >>> cats = [dict(id=1, name='cat')]
    >>> print(*coco_problems(dict(images=[image], annotations=[box], categories=cats), ['cat']))
    annotation 1 (of image 7) has no 'area'
    """
    lists = {'annotations': [], **content} if isinstance(content, dict) else {}
    absent = [name for name in _LISTS if not isinstance(lists.get(name), list)]
    if absent:
        yield f'is not of COCO\'s format: it has no list of {", ".join(absent)}'
        return
    images, annotations, categories = (lists[name] for name in _LISTS)
    yield from _class_problems(categories, classes)
    if not images:
        yield 'holds no image'
    if not boxes:
        return
    counted = [each for each in annotations if not (isinstance(each, dict) and each.get('ignore'))]
    wrong = [
        *_fields('image', images, _IMAGE), *_fields('category', categories, _CATEGORY),
        *_fields('annotation', counted, _ANNOTATION)]
    yield from wrong
    if wrong:  # what follows takes them to be dicts of ids and numbers
        return
    yield from _repeated('image', images)
    yield from _repeated('annotation', annotations)
    yield from _box_problems(counted)
    if images and filter_cfg and not _is_any_left(lists, classes, filter_cfg):
        yield (f'no image is left by filter_cfg={dict(filter_cfg)}: none has an annotation of the '
               "data set's classes and that size")


def _class_problems(categories: list[Any], classes: Sequence[str]) -> Iterator[str]:
    names = [each.get('name') for each in categories if isinstance(each, dict)]
    unknown = [name for name in classes if name not in names]
    if unknown:
        yield (f'classes of the data set that are no category of the file: {_some(unknown)}; its '
               f'categories are {_some(names)}. Set metainfo=dict(classes=...) of the data sets '
               'and num_classes of the heads')


def _fields(what: str, found: list[Any], needed: frozenset[str]) -> Iterator[str]:
    for each in found:
        if not isinstance(each, dict):
            article = 'a' if what == 'category' else 'an'
            yield f'{article} {what} is {each!r:.60}, not a dict'
        elif not needed <= each.keys():
            lacking = ' and '.join(map(repr, sorted(needed - each.keys())))
            owner = f' (of image {each.get("image_id")!r})' if what == 'annotation' else ''
            yield f'{what} {each.get("id")!r}{owner} has no {lacking}'
        else:
            yield from (f'{what} {each["id"]!r}: {key} = {each[key]!r:.60} is no {kind}'
                        for kinds, kind, keys in _KINDS for key in keys
                        if key in needed and not isinstance(each[key], kinds))


def _repeated(what: str, found: list[Any]) -> Iterator[str]:
    counts = Counter(each['id'] for each in found if isinstance(each, dict) and 'id' in each)
    repeated = [key for key, count in counts.items() if count > 1]
    if repeated:
        yield f'{what} ids occur twice: {_some(repeated)}'


def _box_problems(found: Iterable[Any]) -> Iterator[str]:
    for each in found:
        if isinstance(each, dict) and 'bbox' in each and not _is_box(each['bbox']):
            yield (f'annotation {each.get("id")!r} (of image {each.get("image_id")!r}): bbox = '
                   f'{each["bbox"]!r:.60} is not [x, y, width, height]')


def _is_box(value: Any) -> bool:
    try:
        x, y, width, height = value
        return math.isfinite(x + y + width + height)
    except (TypeError, ValueError):
        return False


def _is_any_left(
    lists: Mapping[str, Any], classes: Sequence[str], filter_cfg: Mapping[str, Any],
) -> bool:
    wanted = {c.get('id') for c in lists['categories'] if not classes or c.get('name') in classes}
    having = {a.get('image_id') for a in lists['annotations'] if a.get('category_id') in wanted}
    smallest = filter_cfg.get('min_size', 0)
    needs_some = filter_cfg.get('filter_empty_gt', False)
    return any(
        min(image.get('width', 0), image.get('height', 0)) >= smallest
        and (not needs_some or image.get('id') in having) for image in lists['images'])


def _some(values: Sequence[Any]) -> str:
    more = f', ... ({len(values)})' if len(values) > 5 else ''
    return ', '.join(map(repr, values[:5])) + more
