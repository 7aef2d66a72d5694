"""What a page holds, section by section."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmlth.analysis import verdicts
from mmlth.analysis.experiments import Experiment, means_table, shown_metrics
from mmlth.analysis.findings import Finding, findings
from mmlth.analysis.points import PlotPoint
from mmlth.analysis.rows import Row, is_dense
from mmlth.analysis.verdict import Verdict
from mmlth.html_report import charts
from mmlth.html_report.detections import Detections
from mmlth.html_report.figures import OWN, Figure, figures
from mmlth.html_report.provenance import JobFacts


@dataclass(frozen=True, kw_only=True)
class Table:
    """Header, lines and notes of a table, as text."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One experiment.

    Attributes:
        name: For links.
        title, source: What it is, and where the paper has it.
        findings: What it shows.
        figures: Charts.
        tables: Under them.
        files: What lies beside the page: text -> relative path.
    """

    name: str
    title: str
    source: str
    findings: list[Finding]
    figures: list[Figure]
    tables: list[Table]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report.

    Attributes:
        title: Of the study or the job.
        facts: Counts and sums, each a few words.
        sections: One for each experiment.
        command: That writes the page.
        detections: Of dense net and ticket in the same images.
        jobs: Provenance; empty where it would make the page too large.
        notes: What is left out, and how to get it; a line each.
    """

    title: str
    facts: list[str]
    sections: list[Section]
    command: str
    detections: Detections = field(default_factory=Detections)
    jobs: list[JobFacts] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def section(
    rows: Sequence[Row], experiment: Experiment, files: Mapping[str, str] | None = None,
    tables: Sequence[Table] = (), more: Sequence[Table] = (),
) -> Section:
    """Return findings, figures and tables of an experiment.

    Args:
        rows: Finished trainings, one of a ticket or control at least.
        experiment: How they are drawn.
        files: See :class:`Section`.
        tables: Under the figures, in place of the means over seeds.
        more: Under all others.

    Raises:
        RuntimeError: Altair isn't installed.
    """
    judged = verdicts.verdicts(rows, shown_metrics(rows, experiment))
    found = list(tables) or [_means(rows, experiment)]
    found += [Table(title=f'The verdict on {verdicts.ticket_name(line, label, x)} rests on',
                    header=header, rows=lines)
              for (_, line, label, x), verdict in judged.items()
              for header, lines in [verdicts.comparison_table(verdict)]]
    drawn = figures(rows, experiment)
    return Section(
        name=experiment.name, title=experiment.title, source=experiment.section,
        findings=findings(rows, experiment, judged),
        figures=[*([_of_verdicts(judged)] if judged else []), *drawn],
        tables=[*found, *more], files=dict(files or {}))


def _means(rows: Sequence[Row], experiment: Experiment) -> Table:
    header, lines, notes = means_table(rows, experiment)
    return Table(title='Means over seeds ± 95% confidence', header=header, rows=lines, notes=notes)


def has_tickets(rows: Sequence[Row]) -> bool:
    """Tell whether there is anything but dense nets to draw."""
    return not all(map(is_dense, rows))


def _of_verdicts(judged: Mapping[verdicts.Point, Verdict]) -> Figure:
    """Draw the differences that verdicts rest on, with the bounds that they must be above."""
    points, bounds = [], {}
    for (_, line, label, x), verdict in judged.items():
        for each in verdict.comparisons:
            bounds[each.bound] = f'must be above {each.bound:g}'
            points.append(_point(verdicts.ticket_name(line, label, x), each.name, each.n,
                                 each.mean, each.low, each.high))
    lines = list(dict.fromkeys(point.line for point in points))
    title = 'ticket minus the other training'
    drawn = [*points, *(_bound(name, y) for y, name in bounds.items())]
    return Figure(
        title=title, source=OWN, spec=charts.bars(drawn, lines, x=title),
        lines={line: i for i, line in enumerate(lines)}, controls=[], has_dense=False,
        note='95% intervals of paired differences; dashed: the bounds that they must be above')


def _point(line: str, label: str, n: int, mean: float, low: float, high: float) -> PlotPoint:
    known = math.isfinite(low)
    return PlotPoint(line=line, label=label, control='', x=math.nan, y=mean, n=n, dense=False,
                     low=low if known else math.nan, high=high if known else math.nan)


def _bound(name: str, y: float) -> PlotPoint:
    return PlotPoint(line=name, label=name, control='', x=math.nan, y=y, low=math.nan,
                     high=math.nan, dense=True)
