"""What MMDet's XMLDataset would trip over in annotations of VOC's format."""
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


def voc_problems(listing: Path, folder: Path, classes: Sequence[str]) -> Iterator[str]:
    """Yield a line for everything that is wrong in annotations.

    Args:
        listing: Text file with an image id a line.
        folder: Of the XML files, ``ID.xml``.
        classes: That the data set trains; () if they aren't known.
    """
    ids = [line.strip() for line in listing.read_text().splitlines() if line.strip()]
    if not ids:
        yield 'names no image'
        return
    names: set[str] = set()
    for each in ids:
        yield from _file_problems(folder / f'{each}.xml', names)
    if classes and names.isdisjoint(classes):
        yield (f'no object is of the classes of the data set ({", ".join(classes[:5])}); in '
               f'{folder} are {", ".join(sorted(names)[:5]) or "none"}')


def _file_problems(path: Path, names: set[str]) -> Iterator[str]:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        yield f'{path} does not exist'
        return
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        yield f'{path} is no XML: {error}'
        return
    size = root.find('size')
    if size is not None and not all(_is_number(size.findtext(k)) for k in ('width', 'height')):
        yield f'{path}: size has no width or no height'
    for number, each in enumerate(root.findall('object'), 1):
        name = each.findtext('name')
        if not name:
            yield f'{path}: object {number} has no name'
            continue
        names.add(name)
        wrong = [side for side in _SIDES if not _is_number(each.findtext(f'bndbox/{side}'))]
        if wrong:
            yield f'{path}: object {number} ({name}) has no bndbox/{" ".join(wrong)}'


def _is_number(text: str | None) -> bool:
    try:
        return float(text or '') == float(text or '')
    except ValueError:
        return False
