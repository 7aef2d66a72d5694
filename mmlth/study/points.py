"""How an experiment shows its jobs: curve, point, and which jobs are seeds of one ticket."""
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmlth.study.entries import Entry
from mmlth.study.study_job import StudyJob

_OF_A_SEED = ('seed', 'order_seed')  # settings that differ between jobs that are averaged


@dataclass(frozen=True, kw_only=True)
class Point:
    """One job as an experiment shows it.

    Attributes:
        job: Its name.
        label, line: What the experiment calls the point, and the curve it belongs to.
        seed: Of the job.
        ticket: Text that is the same for jobs that differ in their seeds alone.
        controls: Those that the experiment asks for; the job may train more, for others.
    """

    job: str
    label: str
    line: str
    seed: int
    ticket: str
    controls: tuple[str, ...]


def point_of(experiment: str, entry: Entry, job: StudyJob) -> Point:
    """Return how an experiment shows the job of an entry.

    Raises:
        ValueError: A label or line can't be filled in.
    """
    text = entry.text
    source = (text.get('transfer') or {}).get('source', {})
    of_source = {f'source_{key}': value for key, value in source.items()}
    names = {**job.settings, **text, **of_source}
    label, line = text.get('label', ''), text.get('line', '')
    try:
        return Point(
            job=job.name,
            label=str(label).format(**names),
            line=str(line).format(**names),
            seed=job.settings['seed'],
            ticket=ticket_key(entry),
            controls=tuple(entry.job.settings['controls']))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f'experiment {experiment!r}: label={text.get("label")!r} or line={text.get("line")!r} '
            f'cannot be filled in ({error!r}). Known in {{}} are {", ".join(names)}') from error


def ticket_key(entry: Entry) -> str:
    """Return a text that is the same for entries which differ in their seeds alone."""
    return json.dumps([_without_seed(job).key for job in entry.jobs])


def _without_seed(job: StudyJob) -> StudyJob:
    settings = {**job.settings, **dict.fromkeys(_OF_A_SEED)}
    return replace(job, settings=settings, source_key='')  # the source is told beside it


def told_apart(axis: str, shown: Sequence[tuple[Entry, Point]]) -> list[Point]:
    """Return the points of an experiment, different tickets at one place by what differs.

    Else they would be averaged as if they were seeds of one: what an entry varies without naming
    it in ``line`` or ``label`` is added to its line.

    Args:
        axis: What is drawn along x.
        shown: Its entries, each with its point.
    """
    places: dict[tuple[str, ...], list[Entry]] = {}
    for entry, point in shown:
        places.setdefault(_where(axis, entry, point), []).append(entry)
    return [replace(point, line=_more(point.line, entry, places[_where(axis, entry, point)]))
            for entry, point in shown]


def _where(axis: str, entry: Entry, point: Point) -> tuple[str, ...]:
    place = 'dense' if entry.job.is_dense_alone else _place(axis, entry)
    return Path(entry.job.config).stem, point.line, point.label, place


def _more(line: str, entry: Entry, together: Sequence[Entry]) -> str:
    """Add to a line in what an entry differs from others at its place, seeds aside."""
    if len({ticket_key(other) for other in together}) < 2:
        return line
    facts = [_facts(other) for other in together]
    varied = [key for key in _facts(entry)
              if len({repr(other.get(key)) for other in facts}) > 1]
    told = [f'{key.rpartition(".")[2]}={_facts(entry)[key]}' for key in varied]
    return ', '.join(filter(None, (line, *told)))


def _facts(entry: Entry) -> dict[str, Any]:
    """Return all that tells two tickets apart, those that they are carried from included."""
    found: dict[str, Any] = {}
    for job in entry.jobs:
        kind = '' if job is entry.job else 'source '
        values = {'config': job.config, **job.settings, **job.cfg_options, **job.transfer}
        found |= {f'{kind}{key}': value for key, value in values.items()
                  if key not in (*_OF_A_SEED, 'controls')}
    return found


def _place(axis: str, entry: Entry) -> str:
    """Return what is known of a point's x before anything is trained."""
    planned = entry.job.planned
    if axis == 'rounds':
        return str(len(planned.densities()) - 1)
    if axis == 'rewind':
        return planned.moment.name
    if axis == 'early_bird':
        return str(planned.early_bird)
    ticket = entry.jobs[0].compared[-1]  # of what it comes from, if that is another job
    return str(entry.job.transfer.get('sparsity', 1 - ticket.density))
