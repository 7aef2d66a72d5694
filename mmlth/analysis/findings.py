"""What an experiment shows, in a sentence for each ticket that was judged, or else each line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from mmlth.analysis import verdicts
from mmlth.analysis.averages import Group, average
from mmlth.analysis.experiments import Experiment, metric_title, shown_metrics
from mmlth.analysis.metrics import NOTHING, format_metric
from mmlth.analysis.rows import (
    Row,
    is_dense,
    line_names,
    lines_of_points,
    lost,
    nothing_detected,
    place_name,
    value,
)
from mmlth.analysis.style import short_tensor
from mmlth.analysis.verdict import Verdict

NOT_JUDGED = 'not judged'


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that an experiment shows.

    Attributes:
        subject: The ticket or the line.
        claim: 'winning', 'not winning', 'undecided', or :data:`NOT_JUDGED` where no dense net of
            equal budget and no control stand beside the tickets; '' where nothing is to be judged.
        sentence: What is so, with n and interval.
    """

    subject: str
    claim: str
    sentence: str


def findings(
    rows: Sequence[Row], experiment: Experiment, judged: Mapping[verdicts.Point, Verdict]
) -> list[Finding]:
    """Say what an experiment shows.

    Args:
        rows: Its finished trainings.
        experiment: What they are drawn as.
        judged: Verdicts on its tickets, which go before everything else.

    Returns:
        One for each verdict; without any, one for each line and metric: the greatest and the least
        mean difference between its tickets and their dense nets, and those from its controls.
    """
    if judged:
        return [
            Finding(
                subject=verdicts.ticket_name(line, label, x),
                claim=verdict.claim,
                sentence=_after_claim(verdict),
            )
            for (_, line, label, x), verdict in judged.items()
        ]
    tickets = [row for row in rows if not is_dense(row) and not row['control']]
    if experiment.kind == 'layers':
        return _of_layers(tickets)
    names = line_names(tickets)
    found = []
    for line in dict.fromkeys(names.values()):
        own = [row for row in tickets if names[row['config'], row['line']] == line]
        for metric in shown_metrics(rows, experiment):
            found += _of_line(line, own, rows, metric, experiment.x_label)
    return found


def uneven_seeds(rows: Sequence[Row]) -> str:
    """Say which seeds all points share where some have others; '' where all have the same."""
    seeds: dict[tuple[object, ...], set[int]] = {}
    for row in rows:
        if not is_dense(row) and not row['control']:
            point = (row['config'], row['line'], row['label'], row['x'])
            seeds.setdefault(point, set()).add(row['seed'])
    shared = set.intersection(*seeds.values()) if seeds else set()
    if all(own == shared for own in seeds.values()):
        return ''
    common = f'seed {", ".join(map(str, sorted(shared)))}' if shared else 'no seed'
    return f'Points have different seeds; common to all is {common}.'


def _after_claim(verdict: Verdict) -> str:
    sentence = verdict.sentence().removeprefix(verdict.claim).strip()
    return sentence.removeprefix('(').replace(')', '', 1) + '.'


def _of_line(
    line: str, tickets: Sequence[Row], rows: Sequence[Row], metric: str, x_label: str
) -> list[Finding]:
    title = metric_title(metric, 'metric')
    differences = average(
        tickets, partial(value, metric=metric, y='difference'), partial(lost, metric=metric))
    known = sorted((group for group in differences if math.isfinite(group.mean)),
                   key=lambda group: -group.mean)
    if not known:
        if not any(map(nothing_detected, tickets)):
            return []  # a metric of another task
        return [Finding(subject=line, claim=NOT_JUDGED, sentence=f'{title}: {NOTHING}.')]
    best, worst = known[0], known[-1]
    at_best, at_worst = (place_name(each.label, each.x, x_label) for each in (best, worst))
    told = _difference(best, f' its dense net in {title}') + f', {at_best}'
    if len(known) > 1:
        told = f'at best {told}; at worst {_difference(worst)}, {at_worst}'
    told += _nothing_at(differences, x_label)
    sentence = f'{told}{_controls(tickets, rows, metric)}. {_seeds([best, worst])}'
    return [Finding(subject=line, claim=NOT_JUDGED, sentence=sentence)]


def _nothing_at(groups: Sequence[Group], x_label: str) -> str:
    """Name the points at which seeds detected nothing: they have no mean that could be worst."""
    without = [f'{place_name(each.label, each.x, x_label)} ({len(each.lost_seeds)} of {each.n} '
               'seeds)' for each in groups if each.lost_seeds]
    return f'; {NOTHING} at {", ".join(without)}' if without else ''


def _difference(group: Group, than: str = '') -> str:
    """Say a mean difference, with its interval if there is one."""
    where = 'above' if group.mean >= 0 else 'below'
    said = f'{abs(group.mean):.3f} {where}{than}'
    if group.ci is None:
        return said
    low, high = group.mean - group.ci, group.mean + group.ci
    return f'{said} [{format_metric(low, "+")}, {format_metric(high, "+")}]'


def _seeds(groups: Sequence[Group]) -> str:
    counts = sorted({group.n for group in groups})
    if counts == [1]:
        return 'n = 1, so there is no interval.'
    return f'n = {" and ".join(map(str, counts))}.'


def _controls(tickets: Sequence[Row], rows: Sequence[Row], metric: str) -> str:
    """Say the mean differences from controls beside a line's tickets, least and most of several."""
    trained = {(row['job'], row['round']): row for row in tickets}
    beside = [row for row in rows if row['control'] in verdicts.DESTROYED
              and (row['job'], row['round']) in trained]

    def lead(row: Row) -> float:
        ticket = trained[row['job'], row['round']]
        return ticket['metrics'].get(metric, 0.0) - row['metrics'].get(metric, 0.0)

    leads: dict[str, list[float]] = {}
    for group in average(beside, lead):
        leads.setdefault(group.control, []).append(group.mean)
    if not leads:
        return ''
    parts = [f'{name} {" to ".join(format_metric(each, "+") for each in _ends(means))}'
             for name, means in leads.items()]
    return f'; against its controls: {", ".join(parts)}'


def _ends(values: Sequence[float]) -> list[float]:
    return sorted({min(values), max(values)})


def _of_layers(tickets: Sequence[Row]) -> list[Finding]:
    tickets = lines_of_points(tickets)
    names = line_names(tickets)
    found = []
    for line in dict.fromkeys(names.values()):
        own = [row for row in tickets if names[row['config'], row['line']] == line]
        tensors = dict.fromkeys(name for row in own for name in row['layer_density'])
        kept = {name: fmean(row['layer_density'][name] for row in own
                            if name in row['layer_density']) for name in tensors}
        seeds = {row['seed'] for row in own}
        if not kept:
            continue
        least, most = min(kept, key=kept.__getitem__), max(kept, key=kept.__getitem__)
        found.append(Finding(subject=line, claim='', sentence=(
            f'{short_tensor(least)} keeps least, {100 * kept[least]:.1f}% of its weights, and '
            f'{short_tensor(most)} most, {100 * kept[most]:.1f}% (n = {len(seeds)}).')))
    return found
