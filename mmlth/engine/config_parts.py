"""Parts of a config that may be written in several ways: types, one or several, evaluators."""
from collections.abc import Iterator
from typing import Any


def type_name(part: Any) -> str:
    """Return the name of a part's type, written as a name, with a scope, or as a class; or ''.

    >>> type_name(dict(type='mmdet.CocoMetric')), type_name(dict(type=dict)), type_name(None)
    ('CocoMetric', 'dict', '')
    """
    kind = part.get('type', '') if isinstance(part, dict) else ''
    name: str = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition('.')[2]


def as_list(given: Any) -> list[Any]:
    """Return what may be one part, several or none as a list.

    >>> as_list(dict(type='CocoMetric')), as_list(None)
    ([{'type': 'CocoMetric'}], [])
    """
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def metrics_of(evaluator: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (config key, config) of every metric of an evaluator.

    Args:
        evaluator: One metric, a list of them, or an evaluator with ``metrics``.
        key: Of the evaluator.

    >>> [key for key, _ in metrics_of([dict(type='VOCMetric')] * 2, 'val_evaluator')]
    ['val_evaluator.0', 'val_evaluator.1']
    """
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        yield from metrics_of(evaluator['metrics'], f'{key}.metrics')
    elif isinstance(evaluator, (list, tuple)):
        for i, metric in enumerate(evaluator):
            yield f'{key}.{i}', metric
    else:
        yield key, evaluator
