"""The page of a study: an experiment a section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmlth.analysis.comparison import HEADER, compare
from mmlth.analysis.experiments import Experiment
from mmlth.analysis.rows import Row
from mmlth.core.records import Summary
from mmlth.core.store import Store
from mmlth.html_report import page
from mmlth.html_report.detections import detections
from mmlth.html_report.provenance import portable, provenance
from mmlth.html_report.sections import Page, Table, section

Collected = Sequence[tuple[Experiment, Sequence[Row]]]


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another study: what it is called, and the rows of its experiments by name."""

    title: str
    rows: Mapping[str, Sequence[Row]]


def report_study(
    title: str, collected: Collected, stores: Mapping[str, Store], out: Path, command: str,
    other: Other | None = None,
) -> str:
    """Write ``index.html`` of a study; return the line that says where, or how to get it.

    Args:
        title: Of the page.
        collected: Experiments that have a finished ticket, each with its rows.
        stores: Name -> work directory of every job with finished rounds.
        out: Folder, in which NAME.png, NAME.pdf and NAME.csv of each experiment lie.
        command: That writes the page.
        other: A second study to compare with, whose equal points get a table in each section.
    """
    path = out / page.FILE
    if not page.is_installed():
        return page.how_to_get(path)
    jobs = {name: portable(store) for name, store in stores.items()}
    sections = [section(rows, each, _files(each), more=_compared(rows, each, other))
                for each, rows in collected]
    whole = Page(title=title, facts=_facts(collected, jobs), sections=sections, command=command,
                 detections=detections(stores.values()), jobs=provenance(jobs))
    page.write_page(whole, path)
    return page.where(path)


def _compared(rows: Sequence[Row], experiment: Experiment, other: Other | None) -> list[Table]:
    if other is None:
        return []
    lines = compare(rows, other.rows.get(experiment.name, ()), experiment)
    notes = [] if lines else [f'{other.title} has no point of this experiment.']
    return [Table(title=f'Compared with {other.title}: points that both have', header=HEADER,
                  rows=lines, notes=notes)]


def _files(experiment: Experiment) -> dict[str, str]:
    name = experiment.name
    files = {'figure as PDF': f'{name}.pdf', 'as PNG': f'{name}.png',
             'every training as CSV': f'{name}.csv'}
    return files | ({'what pruning changed': f'{name}.md'} if experiment.analyses else {})


def _facts(collected: Collected, jobs: Mapping[str, Summary]) -> list[str]:
    trained = [record for job in jobs.values() for record in [*job.rounds, *job.controls]
               if not record.get('trained_in')]
    hours = sum(record['seconds'] for record in trained) / 3600
    seeds = {row['seed'] for _, rows in collected for row in rows}
    return [page.count(len(collected), 'experiment'), page.count(len(jobs), 'job'),
            page.count(len(trained), 'training'), page.count(len(seeds), 'seed'),
            f'{hours:.1f} hours of training and evaluation']
