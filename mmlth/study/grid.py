"""Turn an entry with lists into single jobs' settings."""
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Keys = tuple[str, ...]  # that lead to a value in nested dicts


def expand(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the product of all lists in nested dicts, the last list running fastest.

    A tuple is one value.

    >>> expand(dict(rounds=[1, 2], scope=('backbone', 'neck')))
    [{'rounds': 1, 'scope': ('backbone', 'neck')}, {'rounds': 2, 'scope': ('backbone', 'neck')}]

    Raises:
        ValueError: A list is empty; names it.
    """
    leaves = list(_leaves(entry))
    for path, value in leaves:
        if value == []:
            name = '.'.join(path)
            raise ValueError(f'{name}=[] is an empty list: give at least one value')
    paths = [path for path, _ in leaves]
    choices = [value if isinstance(value, list) else [value] for _, value in leaves]
    return [_nested(paths, values) for values in itertools.product(*choices)]


def _leaves(value: Mapping[str, Any], prefix: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for key, inner in value.items():
        path = (*prefix, key)
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, path)
        else:
            yield path, inner


def _nested(paths: Sequence[Keys], values: Sequence[Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        inner = out
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return out
