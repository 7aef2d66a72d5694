"""Numbers that analyses find, one a training, and how they are shown beside the dense net's."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from mmlth.analysis.metrics import csv_number
from mmlth.analysis.statistics import half_width
from mmlth.core.tables import format_table, to_markdown_table

DENSE = 'dense'
_CSV = ('question', 'task', 'item', 'objects', 'training', 'n', 'value', 'vs_dense', 'half_width')


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number of one training.

    Attributes:
        question: What is asked, such as 'size'; names a table.
        job: Work directory of the training; those of several seeds are averaged.
        training: :data:`DENSE`, or the sparsity and the control.
        task: 'bbox', 'segm', 'keypoints', or a metric.
        item: Row of the table, such as 'small'.
        value: The number; NaN where it doesn't exist.
        objects: How many ground truths it rests on, or None.
        shows: How tables show the change: in 'percent' of the dense value, in 'points', or 'none'.
    """

    question: str
    job: str
    training: str
    task: str
    item: str
    value: float
    objects: int | None = None
    shows: str = 'percent'


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A number averaged over jobs, and what it is beside the dense net's.

    Attributes:
        n: Jobs that it is averaged over; the others are as those of :class:`Measurement`.
        change: Mean of value - dense value of the same job; NaN for the dense net, or where a job
            lacks one of them.
        half: Half of the 95% t interval of ``change``, or None for one job.
    """

    question: str
    task: str
    item: str
    training: str
    objects: int | None
    n: int
    value: float
    change: float
    half: float | None
    shows: str = 'percent'


def average(measured: Iterable[Measurement]) -> list[Mean]:
    """Average over jobs, in order of first appearance; pairs each with its job's dense net."""
    groups: dict[tuple[str, str, str, str], dict[str, Measurement]] = {}
    for one in measured:
        groups.setdefault((one.question, one.task, one.item, one.training), {})[one.job] = one
    return list(_means(groups))


def _means(groups: dict[tuple[str, str, str, str], dict[str, Measurement]]) -> Iterator[Mean]:
    for (question, task, item, training), jobs in groups.items():
        dense = groups.get((question, task, item, DENSE), {})
        both = [job for job in jobs if job in dense and training != DENSE]
        changes = [jobs[job].value - dense[job].value for job in both]
        yield Mean(
            question=question,
            task=task,
            item=item,
            training=training,
            objects=next(iter(jobs.values())).objects,
            n=len(jobs),
            value=fmean(one.value for one in jobs.values()),
            change=fmean(changes) if changes else math.nan,
            half=half_width(changes),
            shows=next(iter(jobs.values())).shows,
        )


def to_text(means: Sequence[Mean]) -> str:
    """Draw one table a question: a row an item, a column a training.

    A cell is the mean and, of what isn't the dense net, the change, in per cent of the dense net's
    value or in points, with half of its 95% interval where there are several jobs. '-' is a number
    that doesn't exist.
    """
    return '\n\n'.join(
        f'{question}\n{format_table(header, rows, left=["task", "item"])}'
        for question, header, rows in _tables(means))


def to_markdown(means: Sequence[Mean]) -> str:
    """Return the tables of :func:`to_text` in Markdown, a heading of the third level each."""
    return '\n\n'.join(f'### {question}\n\n{to_markdown_table(header, rows)}'
                       for question, header, rows in _tables(means)) + '\n'


def _tables(means: Sequence[Mean]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield every question with the header and the rows of its table."""
    for question in dict.fromkeys(mean.question for mean in means):
        yield question, *_table([mean for mean in means if mean.question == question])


def _table(means: Sequence[Mean]) -> tuple[list[str], list[list[str]]]:
    trainings = list(dict.fromkeys(mean.training for mean in means))
    cells = {(mean.task, mean.item, mean.training): mean for mean in means}
    first = {(mean.task, mean.item): mean for mean in reversed(means)}
    keys = dict.fromkeys((mean.task, mean.item) for mean in means)
    rows = []
    for task, item in keys:
        found = [cells.get((task, item, training)) for training in trainings]
        objects = first[task, item].objects
        rows.append([task, item, '-' if objects is None else f'{objects:,}',
                     str(min(mean.n for mean in found if mean)), *map(_cell, found)])
    return ['task', 'item', 'objects', 'n', *trainings], rows


def _cell(mean: Mean | None) -> str:
    if mean is None or math.isnan(mean.value):
        return '-'
    dense = mean.value - mean.change
    in_points = mean.shows == 'points'
    if math.isnan(mean.change) or mean.shows == 'none' or not (dense or in_points):
        return _number(mean.value)
    scale, digits, unit = (1.0, 1, '') if in_points else (100 / abs(dense), 0, '%')
    half = '' if mean.half is None else f' ± {scale * mean.half:.{digits}f}'
    return f'{_number(mean.value)} ({scale * mean.change:+.{digits}f}{unit}{half})'


def _number(value: float) -> str:
    is_count = value > 1 and value == round(value)
    return f'{value:,.0f}' if is_count or value >= 1000 else f'{value:.3f}'


def to_csv(means: Iterable[Mean]) -> str:
    """Return the means as CSV with a header; what doesn't exist is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(_CSV)
    for mean in means:
        numbers = (math.nan if each is None else each
                   for each in (mean.value, mean.change, mean.half))
        writer.writerow([mean.question, mean.task, mean.item, mean.objects, mean.training, mean.n,
                         *map(csv_number, numbers)])
    return out.getvalue()
