"""The file beside dumped predictions that says what they are of."""
from pathlib import Path
from typing import Any

from mmlth.core.files import read_json, write_json

VERSION = 1
PREFIX = 'predictions'
_FACTS = f'{PREFIX}.json'
_TYPES = dict(version=int, annotations=str, train_annotations=str, classes=list, files=dict,
              sigmas=list, mirrored=list, positions=dict)


def result_name(task: str) -> str:
    """Return the file of the results of a task, as COCO writes them.

    >>> result_name('bbox')
    'predictions.bbox.json'
    """
    return f'{PREFIX}.{task}.json'


def has_dump(folder: Path) -> bool:
    """Tell whether the folder of a training holds dumped predictions."""
    return (folder / _FACTS).is_file()


def write_facts(folder: Path, **facts: Any) -> None:
    """Say of a dump what it is of; written last, it makes the dump whole.

    Args:
        folder: Of the training.
        facts: ``annotations`` and ``train_annotations``, paths of COCO files ('' for none);
            ``images``, the folder of the images, which the first dumps lack; ``classes``, names;
            ``files``, 'bbox', 'segm' or 'keypoints' -> name in the folder; ``sigmas`` and
            ``mirrored`` of keypoints, empty for other tasks; ``positions``, tensor ->
            [positions an image at which its weights are used, weights].
    """
    write_json(folder / _FACTS, dict(version=VERSION, **facts))


def read_facts(folder: Path) -> dict[str, Any]:
    """Read :func:`write_facts`.

    Raises:
        FileNotFoundError: There is no dump, or a file of it is missing; names the command.
        ValueError: The file isn't ours, or of another version.
    """
    path = folder / _FACTS
    if not path.is_file():
        raise FileNotFoundError(f'{folder} holds no predictions. Dump them: {dump_command(folder)}')
    facts = read_json(path)
    wrong = not isinstance(facts, dict) or facts.get('version') != VERSION or any(
        not isinstance(facts.get(key), kind) for key, kind in _TYPES.items())
    if wrong:
        raise ValueError(f'{path} is no description of predictions of version {VERSION}. Dump them '
                         f'again: {dump_command(folder)}')
    missing = [name for name in facts['files'].values() if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f'{folder} lacks {", ".join(missing)}. Dump the predictions again: '
                                f'{dump_command(folder)}')
    found: dict[str, Any] = facts
    return found


def dump_command(folder: Path) -> str:
    """Return the command that dumps the predictions of a training."""
    return f'`mmlth test {folder} --dump`'
