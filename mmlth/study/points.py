"""How an experiment shows its jobs: curve, point, and which jobs are seeds of one ticket."""
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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


def check_points(experiment: str, axis: str, shown: Sequence[tuple[Entry, Point]]) -> None:
    """Raise ValueError if different tickets would be averaged as if they were seeds of one.

    Args:
        experiment: Its name, for the message.
        axis: What is drawn along x.
        shown: Its entries, each with its point.
    """
    first: dict[tuple[str, ...], Point] = {}
    for entry, point in shown:
        if entry.job.is_dense_alone:
            continue
        place = (Path(entry.job.config).stem, point.line, point.label, _place(axis, entry))
        other = first.setdefault(place, point)
        if other.ticket != point.ticket:
            raise ValueError(
                f'experiment {experiment!r}: {other.job} and {point.job} are different tickets, '
                f'but would be one point (line={point.line!r}, label={point.label!r}) and be '
                "averaged. Tell them apart by line or label, such as line='{allocation}'")


def _place(axis: str, entry: Entry) -> str:
    """Return what is known of a point's x before anything is trained."""
    planned = entry.jobs[0].planned  # of what its ticket comes from, if that is another job
    if axis == 'rounds':
        return str(planned.rounds)
    if axis == 'rewind':
        return planned.moment.name
    if axis == 'early_bird':
        return str(planned.early_bird)
    density = entry.jobs[0].trainings[-1].density
    return str(entry.job.transfer.get('sparsity', 1 - density))
