"""Two studies side by side: the points that both have, and how far they are apart."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from mmlth.analysis.averages import by_seed
from mmlth.analysis.experiments import Experiment, metric_title, shown_metrics
from mmlth.analysis.metrics import format_metric
from mmlth.analysis.rows import Row, dense_rows, is_dense, line_names, point_name
from mmlth.analysis.statistics import half_width, paired

Point = tuple[str, str, str]  # line, point, control
HEADER = ['line', 'point', 'metric', 'here (n)', 'there (n)', 'here - there', '95% interval (n)']


def compare(
    ours: Sequence[Row], theirs: Sequence[Row], experiment: Experiment
) -> list[list[str]]:
    """Return a line of :data:`HEADER` for each metric of each point that both studies have.

    Differences and intervals are of the seeds that both have; '-' where there are too few.

    Args:
        ours: Finished trainings of an experiment in this study.
        theirs: The same of the other study.
        experiment: That both are of.
    """
    lines = []
    for metric in shown_metrics(ours, experiment):
        here, there = _scores(ours, metric), _scores(theirs, metric)
        for point, scores in here.items():
            if point in there:
                lines.append([*_names(point), metric_title(metric, 'metric'),
                              *_cells(scores, there[point])])
    return lines


def _names(point: Point) -> list[str]:
    line, name, control = point
    return [line, name if control in ('', name) else f'{name}, control: {control}']


def _cells(here: dict[int, float], there: dict[int, float]) -> list[str]:
    differences = paired(here, there)
    half = half_width(differences)
    mean = fmean(differences) if differences else float('nan')
    interval = '-' if half is None else (
        f'{format_metric(mean - half, "+")} to {format_metric(mean + half, "+")}')
    means = [f'{format_metric(fmean(each.values()))} ({len(each)})' for each in (here, there)]
    return [*means, format_metric(mean, '+'), f'{interval} ({len(differences)})']


def _scores(rows: Iterable[Row], metric: str) -> dict[Point, dict[int, float]]:
    """Return point -> seed -> metric, of those that have it."""
    rows = list(rows)
    rows = dense_rows(rows) + [row for row in rows if not is_dense(row)]
    names = line_names(rows)
    found: dict[Point, list[Row]] = {}
    for row in rows:
        if metric in row['metrics']:
            line = names[row['config'], row['line']]
            name = 'dense' if is_dense(row) else point_name(row['label'], row['x'])
            found.setdefault((line, name, row['control']), []).append(row)
    return {point: by_seed(own, lambda row: float(row['metrics'][metric]))
            for point, own in found.items()}
