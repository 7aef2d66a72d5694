"""Verdicts on the tickets of a study: each against its controls, seed by seed."""
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mmlth.analysis.averages import by_seed
from mmlth.analysis.metrics import format_metric, short_name
from mmlth.analysis.rows import Row, is_dense, point_name
from mmlth.analysis.verdict import (
    NOT_WINNING,
    UNDECIDED,
    WINNING,
    Comparison,
    Verdict,
    judge,
)
from mmlth.core.tables import to_markdown_table

BUDGET = 'dense_budget'  # the control that dense of equal budget is
# Controls in which something of the ticket is destroyed: places, start weights, or the training
# that chose it. Others (signs, reverse, dense) answer questions of their own.
DESTROYED = ('random', 'shuffle', 'shuffle_rms', 'init_magnitude', 'reinit', 'reinit_rms')
CLAIMS = {WINNING: 1.0, UNDECIDED: 0.0, NOT_WINNING: -1.0}
Point = tuple[str, str, str, float | None]  # config, line, label, x


def verdicts(rows: Sequence[Row], metrics: Sequence[str]) -> dict[Point, Verdict]:
    """Judge every ticket that was trained beside a dense net of its budget and a control.

    Args:
        rows: Finished trainings of an experiment, controls in the job of their ticket. A control
            that is asked for and has no row yet, as others have, is compared with no seed.
        metrics: Names in the rows' metrics. Each ticket is judged by the first that it or what
            it is compared with has: tasks differ. A row without any counts as 0: nothing detected.

    Returns:
        Point of the ticket -> verdict over the seeds that have ticket and control.
    """
    found = {}
    for point, tickets in _tickets(rows).items():
        metric = _metric_of(tickets, rows, metrics)
        if not metric:
            continue
        controls = _controls_of(tickets, rows, metric)
        asked = {name for row in tickets for name in row['settings'].get('controls', ())}
        names = {*controls, *asked}
        destroyed = {
            name: controls.get(name, {})
            for name in DESTROYED
            if name in names
        }
        if controls and BUDGET in names and destroyed:
            dense = controls.get(BUDGET, {})
            planned = max(row['planned'] for row in tickets)
            verdict = judge(_scores(tickets, metric), dense, destroyed, planned=planned)
            found[point] = replace(verdict, metric=metric)
    return found


def _metric_of(tickets: Sequence[Row], rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Return the first metric that the jobs of these tickets have, or ''."""
    jobs = {row['job'] for row in tickets}
    known = {name for row in rows if row['job'] in jobs
             for name in (*row['metrics'], *row['dense'])}
    return next((name for name in metrics if name in known), '')


def _controls_of(
    tickets: Sequence[Row],
    rows: Sequence[Row],
    metric: str,
) -> dict[str, dict[int, float]]:
    """Return control -> its scores, of those that stand beside these tickets."""
    trained = {(row['job'], row['round']) for row in tickets}
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row['control'] and (row['job'], row['round']) in trained:
            found.setdefault(row['control'], []).append(row)
    return {name: _scores(own, metric) for name, own in found.items()}


def _scores(rows: Sequence[Row], metric: str) -> dict[int, float]:
    return by_seed(rows, lambda row: row['metrics'].get(metric, 0.0))


def _tickets(rows: Sequence[Row]) -> dict[Point, list[Row]]:
    found: dict[Point, list[Row]] = {}
    for row in rows:
        if not is_dense(row) and not row['control']:
            point = (row['config'], row['line'], row['label'], row['x'])
            found.setdefault(point, []).append(row)
    return found


def to_markdown(found: dict[Point, Verdict]) -> str:
    """Return a sentence for every ticket and a table of what it rests on; '' without any."""
    parts = []
    for (_, line, label, x), verdict in found.items():
        table = to_markdown_table(*comparison_table(verdict))
        parts += [f'**{ticket_name(line, label, x)}: {verdict.sentence()}.**', '', table, '']
    return '\n'.join(parts)


def ticket_name(line: str, label: str, x: float | None) -> str:
    """Return what people call a ticket: its line and its point."""
    return ', '.join(filter(None, (line, point_name(label, x))))


def comparison_table(verdict: Verdict) -> tuple[list[str], list[list[str]]]:
    """Return header and lines of what a verdict rests on."""
    title = f'mean, {short_name(verdict.metric).replace("_", " ")}'
    header = ['ticket minus', 'n', title, '95% interval', 'bound', 'p, below the bound (Holm)']
    return header, [_cells(each) for each in verdict.comparisons]


def _cells(each: Comparison) -> list[str]:
    interval = '-'  # of one seed
    if math.isfinite(each.low):
        interval = f'{format_metric(each.low, "+")} to {format_metric(each.high, "+")}'
    return [each.name, each.seeds_done, format_metric(each.mean, '+'), interval,
            format_metric(each.bound, '+'), '<0.001' if each.p < 0.001 else f'{each.p:.3f}']


def as_dicts(found: dict[Point, Verdict]) -> Iterator[dict[str, Any]]:
    """Yield every verdict as plain values, for JSON; what isn't finite becomes None."""
    for (config, line, label, x), verdict in found.items():
        comparisons = [{key: _plain(value) for key, value in vars(each).items()}
                       for each in verdict.comparisons]
        yield dict(config=config, line=line, label=label, x=x, metric=verdict.metric,
                   claim=verdict.claim, seeds=verdict.seeds, comparisons=comparisons)


def scalars_of(found: dict[Point, Verdict]) -> dict[int, dict[str, float]]:
    """Return step -> name -> value for a visualizer; the step is the point's place on its axis.

    ``claim`` is 1 for winning, 0 for undecided, -1 for not winning; ``mean``, ``low`` and ``high``
    are those of ticket minus another training.
    """
    scalars: dict[int, dict[str, float]] = {}
    for (_, line, label, x), verdict in found.items():
        ticket = 'verdict/' + (line or ('ticket' if x is not None else label)).replace(' ', '_')
        at_x = scalars.setdefault(round(x or 0), {})
        at_x[f'{ticket}/claim'] = CLAIMS[verdict.claim]
        for each in verdict.comparisons:
            minus = f'{ticket}/minus_{each.name.replace(" ", "_")}'
            at_x.update({f'{minus}/{key}': getattr(each, key) for key in ('mean', 'low', 'high')})
    return scalars


def _plain(value: Any) -> Any:
    is_finite = not isinstance(value, float) or abs(value) < float('inf')
    return value if is_finite else None
