"""Write the pages of a study: a page, figures and a CSV for each experiment."""
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from mmlth.analysis import experiment_figures, experiments, verdicts
from mmlth.analysis.analyse import analyse
from mmlth.analysis.findings import NOT_JUDGED, findings, uneven_seeds
from mmlth.analysis.report import FORMATS
from mmlth.analysis.verdict import Verdict
from mmlth.core.files import write_json, write_text

Collected = list[tuple[experiments.Experiment, list[experiments.Row]]]


def write_pages(
    collected: Collected, out: Path, command: str,
    analysed: Mapping[str, Mapping[str, list[Path]]], unfinished: Mapping[str, int],
) -> None:
    """Write NAME.md, NAME.png, NAME.pdf and NAME.csv for each experiment.

    A page leads with what is found, its n and interval. Where tickets can be judged,
    NAME_verdict.json is written too; where they are analysed, NAME_analyses/.

    Args:
        collected: Experiments that have a finished ticket, each with its rows.
        out: Folder, made if it is missing.
        command: That runs an experiment; ``{name}`` stands for it.
        analysed: Name of an experiment -> job -> folders of what it has analyses of.
        unfinished: Name of an experiment -> trainings that are still to be done.
    """
    out.mkdir(parents=True, exist_ok=True)
    for experiment, rows in collected:
        name = experiment.name
        write_text(out / f'{name}.csv', experiments.to_csv(rows))
        for form in FORMATS:
            experiment_figures.plot(rows, experiment, out / f'{name}.{form}')
        judged = judge(rows, experiment)
        if judged:
            write_json(out / f'{name}_verdict.json', list(verdicts.as_dicts(judged)))
        page = _page(experiment, rows, judged, command.replace('{name}', name), unfinished[name])
        if analysed.get(name):
            page += _analyses(experiment, analysed[name], out)
        write_text(out / f'{name}.md', page)


def _analyses(
    experiment: experiments.Experiment, jobs: Mapping[str, list[Path]], out: Path,
) -> str:
    """Analyse trainings into a folder of their own; return the section of the page about it."""
    folder = out / f'{experiment.name}_analyses'
    given = list(chain.from_iterable(jobs.values()))
    try:
        analyse(given, experiment.analyses, out=folder)
    except (OSError, ValueError, RuntimeError) as error:  # the pages of others don't depend on it
        command = f'mmlth analyse {" ".join(map(str, given))}'
        return f'\n## What pruning changed\n\nCould not be told: {error}\n\n    {command}\n'
    figures = [name for name in experiment.analyses if (folder / f'{name}.png').exists()]
    return '\n'.join([
        '', '## What pruning changed', '',
        f'Beside the dense nets of the same seeds (n={len(jobs)}); half of the 95% t interval '
        f'of the change after ±. Every number: [analyses.csv]({folder.name}/analyses.csv).', '',
        *(f'![{name}]({folder.name}/{name}.png)\n' for name in figures),
        (folder / 'analyses.md').read_text(encoding='utf-8')])


def judge(
    rows: list[experiments.Row], experiment: experiments.Experiment,
) -> dict[verdicts.Point, Verdict]:
    """Return the verdict on each ticket that can be judged, by the first metric that it has."""
    return verdicts.verdicts(rows, experiments.shown_metrics(rows, experiment))


def _page(
    experiment: experiments.Experiment, rows: list[experiments.Row],
    judged: dict[verdicts.Point, Verdict], command: str, unfinished: int,
) -> str:
    name, title = experiment.name, experiment.title
    to_come = f' Still to be done: {unfinished}.' if unfinished else ''
    return '\n'.join([
        f'# {title}', '',
        *_found(rows, experiment, judged),
        f'{experiment.section}. Made by', '',
        f'    {command}', '',
        f'![{title}]({name}.png)', '',
        experiments.to_markdown(rows, experiment).rstrip(), '',
        f'{len(rows)} trainings, each a line of [{name}.csv]({name}.csv).{to_come}', ''])


def _found(
    rows: list[experiments.Row], experiment: experiments.Experiment,
    judged: dict[verdicts.Point, Verdict],
) -> list[str]:
    """Return lines of the verdicts, or else of what is found."""
    if judged:
        return [verdicts.to_markdown(judged)]
    found = findings(rows, experiment, judged)
    lines = [f'- **{each.subject}**: {each.sentence}' for each in found]
    notes = [uneven_seeds(rows)]
    if any(each.claim == NOT_JUDGED for each in found):
        notes.append('No ticket is judged: that takes a dense net of equal budget and controls '
                     'beside it.')
    lines += ['', *filter(None, notes)] if any(notes) else []
    return [*lines, ''] if lines else []
