"""The error barrier on the straight line between two trained nets, as numbers and as a table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmlth.analysis.metrics import (
    NONE,
    choose_main,
    format_metric,
    format_share,
    metric_names,
    short_name,
)
from mmlth.analysis.verdict import MARGIN
from mmlth.core.files import read_json
from mmlth.core.tables import format_table

FILE = 'barrier.json'
VERSION = 1
LOSS = 'loss'
YES_OR_NO = {True: 'yes', False: 'no', None: 'unknown: no dense net in their jobs'}
Point = Mapping[str, Any]  # share, reestimated, loss, metrics


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """How far the error on a path rises above that of its ends.

    Attributes:
        height: Largest rise over the straight line between the values at the ends, at least 0
            (Entezari et al., ICLR 2022, definition 2.1).
        share: Where that is, in [0, 1]; the first such point.
        over_mean: Largest value minus the mean of the ends (Frankle et al., ICML 2020, section
            2). It equals ``height`` for ends that are equally good.
    """

    height: float
    share: float
    over_mean: float


def find_barrier(
    shares: Sequence[float], values: Sequence[float], *, falls: bool = False,
) -> Barrier:
    """Return the barrier of a path.

    Args:
        shares: Where the points lie, rising from 0 to 1.
        values: Error or loss at each point.
        falls: Whether smaller values are worse, as of mAP; the barrier is then a fall.

    Raises:
        ValueError: The path doesn't go from 0 to 1, or has another number of values.

    >>> find_barrier([0, 0.5, 1], [1.0, 4.0, 2.0])
    Barrier(height=2.5, share=0.5, over_mean=2.5)
    """
    if len(shares) < 2 or (shares[0], shares[-1]) != (0, 1) or len(shares) != len(values):
        raise ValueError(f'shares {list(shares)} with {len(values)} values: a path has a value at '
                         'each of its points, from 0 to 1')
    sign = -1 if falls else 1
    errors = [sign * value for value in values]
    first, last = errors[0], errors[-1]
    rises = [
        error - ((1 - share) * first + share * last)
        for share, error in zip(shares, errors, strict=True)
    ]
    height = max(rises)
    return Barrier(
        height=height,
        share=shares[rises.index(height)],
        over_mean=max(errors) - (first + last) / 2)


def values_of(points: Iterable[Point], name: str) -> list[float]:
    """Return the loss, or a metric, at each point; a net that detects nothing scores 0."""
    return [p[LOSS] if name == LOSS else p['metrics'].get(name, 0.0) for p in points]


def main_of(points: Iterable[Point]) -> list[str]:
    """Return the metrics that stand for each point, one a task."""
    return choose_main(metric_names(point['metrics'] for point in points))


def barriers_of(points: Sequence[Point]) -> dict[str, dict[str, float]]:
    """Return 'loss' and the name of each main metric -> its :class:`Barrier` as a dict."""
    shares = [point['share'] for point in points]
    return {
        name: asdict(find_barrier(shares, values_of(points, name), falls=name != LOSS))
        for name in (LOSS, *main_of(points))
    }


def matches(found: Mapping[str, float], dense: Mapping[str, float]) -> bool | None:
    """Tell whether every main metric of a net is at least the dense one's, less 0.005.

    None where the dense net has no metric to compare with.
    """
    names = choose_main(list(dense))
    if not names:
        return None
    return all(found.get(name, 0.0) >= dense[name] - MARGIN for name in names)


def same_metrics(found: Mapping[str, float], recorded: Mapping[str, float]) -> bool:
    """Tell whether two evaluations gave the same numbers; NaN, of a class without object, is one.

    >>> same_metrics({'a': math.nan}, {'a': math.nan}), same_metrics({'a': 0.5}, {})
    (True, False)
    """
    return found.keys() == recorded.keys() and all(
        value == recorded[name] or (math.isnan(value) and math.isnan(recorded[name]))
        for name, value in found.items())


def path_table(points: Sequence[Point]) -> str:
    """Return a line for each point: share of the second net, metrics, loss, statistics."""
    names = main_of(points)
    header = ['second net', *map(short_name, names), LOSS, 'statistics']
    rows = [
        [
            f'{100 * point["share"]:.0f}%',
            *(_metric(point, name) for name in names),
            f'{point[LOSS]:.4f}',
            _statistics(point),
        ]
        for point in points
    ]
    return format_table(header, rows, left=['statistics'])


def _statistics(point: Point) -> str:
    if point['reestimated']:
        return 'measured again'
    return 'interpolated' if 0 < point['share'] < 1 else 'of the checkpoint'


def _metric(point: Point, name: str) -> str:
    value = point['metrics'].get(name)
    return NONE if value is None else format_metric(value)


def report(result: Mapping[str, Any]) -> str:
    """Return what ``barrier.json`` holds as text: the path, the barriers, warnings."""
    lines = [path_table(result['points']), '']
    if result['ends_reestimated']:
        lines += ['the ends with statistics measured again, as a check of the measuring itself:',
                  path_table(result['ends_reestimated']), '']
    for name, each in result['barriers'].items():
        lines.append(
            f'barrier of {short_name(name)}: {each["height"]:.4f} over the line between the ends, '
            f'at {100 * each["share"]:.0f}%; {each["over_mean"]:.4f} over their mean')
    sparsities = [end['sparsity'] for end in result['ends']]
    lines.append(f'sparsity of the ends {" and ".join(map(format_share, sparsities))}, between '
                 f'them {format_share(result["sparsity_between"])}')
    lines.append(f'matching (mAP >= dense - {MARGIN}): {YES_OR_NO[result["matching"]]}')
    return '\n'.join([*lines, *warnings_of(result)])


def scalars_of(result: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """Return step -> name -> value of what ``barrier.json`` holds, for a visualizer.

    ``barrier/...`` lies at step k (0 where the ends have none in common), ``barrier_path/...`` at
    the per cent of the second net.
    """
    found: dict[int, dict[str, float]] = {}
    for point in result['points']:
        names = (LOSS, *main_of(result['points']))
        found[round(100 * point['share'])] = {
            f'barrier_path/{name}': values_of([point], name)[0] for name in names}
    at_k = found.setdefault(result['k'] or 0, {})
    at_k.update({f'barrier/{name}': each['height'] for name, each in result['barriers'].items()})
    if result['matching'] is not None:
        at_k['barrier/matching'] = float(result['matching'])
    return found


def warnings_of(result: Mapping[str, Any]) -> list[str]:
    """Return a line for each end whose metrics aren't those of its record, or that has none."""
    measured = (result['points'][0], result['points'][-1])
    lines = []
    for end, point in zip(result['ends'], measured, strict=True):
        if end['equals_record'] is None:
            lines.append(f'WARNING: {end["ticket"]} has no record to compare its metrics with')
        elif not end['equals_record']:
            lines.append(f'WARNING: {end["ticket"]} scores {point["metrics"]}, but its record says '
                         f'{end["recorded"]}. Other data, another config or another machine?')
    return lines or ['the metrics of both ends equal their records']


def against_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each run: k, its barriers, whether its nets match the dense one."""
    names = list(dict.fromkeys(name for each in results for name in each['barriers']))
    header = ['k', *(f'barrier of {short_name(name)}' for name in names), 'matching']
    return format_table(header, [
        [
            str(each['k']),
            *(f'{each["barriers"][name]["height"]:.4f}' if name in each['barriers'] else NONE
              for name in names),
            YES_OR_NO[each['matching']],
        ]
        for each in results
    ])


def load_barriers(folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Read what ``mmlth barrier`` wrote into several folders, in order of k.

    Raises:
        FileNotFoundError: A folder has no ``barrier.json``.
        ValueError: The ends of one don't start from one w_k, or nothing tells its k.
    """
    found = []
    for folder in folders:
        path = Path(folder) / FILE
        if not path.exists():
            raise FileNotFoundError(f'{path} does not exist: run mmlth barrier there first')
        result = read_json(path)
        if not isinstance(result, dict) or result.get('version') != VERSION:
            raise ValueError(f'{path} was not written by mmlth barrier, or by another version')
        if result['k'] is None:
            raise ValueError(f'{path}: its two nets did not start from the same w_k, so it has no '
                             'place on an axis of k. Leave it out')
        found.append(result)
    return sorted(found, key=lambda each: each['k'])
