"""Means over seeds, with their 95% confidence intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from mmlth.analysis.rows import Row, Y, is_dense, lost, value
from mmlth.analysis.statistics import half_width
from mmlth.core.collapse import collapsed


@dataclass(frozen=True, kw_only=True)
class Group:
    """The seeds of one point.

    Attributes:
        config, line, x, label, control: Those of its rows.
        dense: Whether it is of dense nets.
        mean: Over the seeds; NaN if any seed's value is: a mean without the seeds that failed
            would look too good.
        values: Of each seed; NaN where it has none.
        ci: Half-width of the 95% confidence interval by Student's t; None for n = 1.
        lost_seeds: Those for which the evaluator returned no metric.
        collapsed: Tensors that keep next to nothing in one of the rows, with the least that they
            keep (:func:`mmlth.core.collapse.collapsed`).
        sparsity: Mean over the rows; ``network_sparsity`` likewise.
    """

    config: str
    line: str
    x: float | None
    label: str
    control: str
    dense: bool
    mean: float
    values: tuple[float, ...]
    ci: float | None
    lost_seeds: tuple[int, ...]
    collapsed: dict[str, float]
    sparsity: float
    network_sparsity: float

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


def aggregate(rows: Iterable[Row], metric: str, y: str = 'metric') -> list[Group]:
    """Average a metric over the seeds of each config, line, x, label and control.

    Args:
        rows: Finished trainings.
        metric: Name in the rows' metrics.
        y: 'metric', 'change' or 'difference' (see :func:`mmlth.analysis.rows.value`).

    Returns:
        One a group, in the order of the rows.

    Raises:
        ValueError: Unknown y.
    """
    if y not in Y:
        raise ValueError(f'y={y!r}: allowed are {", ".join(Y)}')
    return average(rows, partial(value, metric=metric, y=y), partial(lost, metric=metric))


def _never(row: Row) -> bool:
    return False


def average(
    rows: Iterable[Row],
    value_of: Callable[[Row], float],
    is_lost: Callable[[Row], bool] = _never,
) -> list[Group]:
    """Do what :func:`aggregate` does for any number of a row.

    Args:
        rows: Finished trainings.
        value_of: The number; NaN where a row has none.
        is_lost: Tells whether it has none because nothing was detected.
    """
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        point = (row['config'], row['line'], row['x'], row['label'], row['control'])
        groups.setdefault((*point, is_dense(row)), []).append(row)
    return [_group(group, value_of, is_lost) for group in groups.values()]


def by_seed(rows: Iterable[Row], value_of: Callable[[Row], float]) -> dict[int, float]:
    """Return seed -> mean of its rows: jobs of one seed don't make a result more certain."""
    seeds: dict[int, list[float]] = {}
    for row in rows:
        seeds.setdefault(row['seed'], []).append(value_of(row))
    return {seed: fmean(several) for seed, several in seeds.items()}


def _group(
    rows: Sequence[Row], value_of: Callable[[Row], float], is_lost: Callable[[Row], bool]
) -> Group:
    values = list(by_seed(rows, value_of).values())
    lost_seeds = dict.fromkeys(row['seed'] for row in rows if is_lost(row))
    first = rows[0]
    return Group(
        config=first['config'],
        line=first['line'],
        x=first['x'],
        label=first['label'],
        control=first['control'],
        dense=is_dense(first),
        mean=fmean(values),
        values=tuple(values),
        ci=half_width(values),
        lost_seeds=tuple(lost_seeds),
        collapsed=collapsed_in(rows),
        sparsity=fmean(row['sparsity'] for row in rows),
        network_sparsity=fmean(row['network_sparsity'] for row in rows),
    )


def collapsed_in(rows: Iterable[Row]) -> dict[str, float]:
    """Return the tensors that keep next to nothing in one of the rows, and the least of it."""
    least: dict[str, float] = {}
    for row in rows:
        for name, share in collapsed(row['layer_density'], 1 - row['sparsity']).items():
            least[name] = min(share, least.get(name, share))
    return least
