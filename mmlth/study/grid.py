"""Turn an entry with lists into single jobs' settings."""
import itertools
from typing import Any, Iterator, Mapping


def expand(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the product of all lists in nested dicts, the last list running fastest; a tuple is one value.

    >>> expand(dict(rounds=[1, 2], scope=('backbone', 'neck')))
    [{'rounds': 1, 'scope': ('backbone', 'neck')}, {'rounds': 2, 'scope': ('backbone', 'neck')}]

    Raises:
        ValueError: A list is empty; names it.
    """
    leaves = list(_leaves(entry))
    for path, value in leaves:
        if value == []:
            raise ValueError(f'{".".join(path)}=[] is an empty list: give at least one value')
    choices = [value if isinstance(value, list) else [value] for _, value in leaves]
    return [_nested([path for path, _ in leaves], values) for values in itertools.product(*choices)]


def _leaves(value: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, (*prefix, key))
        else:
            yield (*prefix, key), inner


def _nested(paths: list[tuple[str, ...]], values: tuple[Any, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for path, value in zip(paths, values):
        inner = out
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return out
