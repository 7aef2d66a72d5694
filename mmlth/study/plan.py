"""Read a study: experiments with lists of settings -> jobs that share dense rounds and tickets."""
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.analysis.experiments import Experiment
from mmlth.core.choices import FROM_PREDICTIONS
from mmlth.core.training import Key
from mmlth.engine.config_files import MissingPackageError
from mmlth.engine.state_moments import check_state_moments
from mmlth.study.dense_nets import dense_key, share
from mmlth.study.entries import Entry, EntryReader
from mmlth.study.points import Point, point_of, ticket_key, told_apart
from mmlth.study.study_job import StudyJob

X_AXES = ('sparsity', 'multiply_adds', 'rounds', 'rewind', 'early_bird')


@dataclass(frozen=True, kw_only=True)
class Study:
    """Jobs in the order in which they should run, and what each experiment shows of them.

    Attributes:
        jobs: name -> job; what a job needs comes before it.
        experiments: name -> how it is drawn.
        points: name of the experiment -> its points.
        x: name of the experiment -> what is drawn along x, one of :data:`X_AXES`.
        left_out: name of an experiment -> the package that it misses.
        ids: name of a job -> id of each of its trainings that another job may take over.
    """

    jobs: dict[str, StudyJob] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)
    x: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    ids: dict[str, dict[Key, str]] = field(default_factory=dict)

    def dense_of(self, job: StudyJob) -> str:
        """Return the name of the job that trains in full the dense net of ``job``."""
        if job.dense:
            return job.dense
        wanted = dense_key(job)
        same = [name for name, other in self.jobs.items()
                if other.is_dense_alone and dense_key(other) == wanted]
        return same[0] if same else job.name


def read_study(
    cfg: Config,
    *,
    config: str | None = None,
    only: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
) -> Study:
    """Plan a study.

    Args:
        cfg: With ``config`` (of entries that name none), ``imp`` (settings of every job) and
            ``experiments``: name -> dict(title=, jobs=[entry, ...], and fields of Experiment). An
            entry holds settings of the ``imp`` block and ``config``, ``cfg_options``, ``label``,
            ``line`` and ``transfer``; each list in it is tried value by value, a tuple is one
            value.
        config: Takes the place of the study's own.
        only: Names of the experiments to plan; () plans all whose packages are installed.
        options: Overrides of every config: dotted keys and values.

    Raises:
        ValueError: An unknown name or setting, or a bad value; names experiment, entry and what
            is allowed.
    """
    given = cfg.to_dict()
    written = _experiments(given.get('experiments'), only, cfg.filename)
    chosen = [name for name in written if not only or name in only]
    experiments = {name: _experiment(name, written[name]) for name in chosen}
    reader = EntryReader(
        config=given.get('config'), given=config, folder=Path(cfg.filename).absolute().parent,
        imp=given.get('imp', {}), options=options or {})
    entries, left_out = _all_entries(reader, {name: written[name] for name in chosen}, only)
    chosen = list(entries)
    others = {name: fields for name, fields in written.items() if name not in chosen}
    by_key = share(_jobs(entries), _later_jobs(reader, others))
    for name in chosen:
        if experiments[name].analyses:
            _check_analysed(name, entries[name])
        if set(experiments[name].analyses) & set(FROM_PREDICTIONS):
            by_key |= {entry.job.key: replace(by_key[entry.job.key], predictions=True)
                       for entry in entries[name]}
    return Study(
        jobs={job.name: job for job in by_key.values()},
        experiments={name: experiments[name] for name in chosen},
        points={name: told_apart(written[name].get('x', 'sparsity'), [
            (entry, point_of(name, entry, by_key[entry.job.key])) for entry in entries[name]])
            for name in chosen},
        x={name: written[name].get('x', 'sparsity') for name in chosen},
        left_out=left_out,
        ids={job.name: _ids(reader, job) for job in by_key.values()})


def _check_analysed(experiment: str, entries: list[Entry]) -> None:
    """Raise ValueError unless the entries are one ticket in several seeds, which are averaged."""
    jobs = [entry.job for entry in entries]
    seeds = [job.settings['seed'] for job in jobs]
    tickets = {ticket_key(entry) for entry in entries}
    if len(set(seeds)) < len(seeds) or len(tickets) > 1:
        raise ValueError(f'experiment {experiment!r} has analyses, so that its jobs must be one '
                         'ticket of one config, each with a seed of its own. Give other tickets '
                         'experiments of their own')
    if any(not job.planned.rounds for job in jobs):
        raise ValueError(f'experiment {experiment!r} has analyses, which compare tickets with '
                         'dense nets, but rounds=0; at least 1 is needed')


def _ids(reader: EntryReader, job: StudyJob) -> dict[Key, str]:
    """Return the ids of a job's trainings, those left aside that depend on files made later."""
    if job.source:
        return {}
    config = reader.identity(job)
    return {training.key: training.id(config) for training in job.own_trainings
            if training.is_shareable}


def _experiments(written: Any, only: tuple[str, ...], file: str) -> dict[str, Any]:
    if not isinstance(written, dict) or not written:
        raise ValueError(f'{file} is no study: it has no experiments = dict(name=dict(jobs=[...]))')
    if any(name not in written for name in only):
        raise ValueError(f'--only {" ".join(n for n in only if n not in written)}: the experiments '
                         f'of {file} are {", ".join(written)}')
    return written


def _experiment(name: str, fields: Mapping[str, Any]) -> Experiment:
    jobs = fields.get('jobs') if isinstance(fields, Mapping) else None
    if not isinstance(jobs, (list, tuple)) or not jobs:
        raise ValueError(f'experiment {name!r} has no jobs=[dict(...)]')
    own = {key: value for key, value in fields.items() if key not in ('jobs', 'x')}
    if fields.get('x', 'sparsity') not in X_AXES:
        raise ValueError(f'experiment {name!r}: x={fields["x"]!r}; allowed are {", ".join(X_AXES)}')
    try:
        return Experiment(name=name, **own)
    except (TypeError, ValueError) as error:
        raise ValueError(f'experiment {name!r}: {error}') from error


def _entries(reader: EntryReader, name: str, fields: Mapping[str, Any]) -> list[Entry]:
    return [entry for written in fields['jobs'] for entry in reader.read(name, written)]


def _all_entries(
    reader: EntryReader, chosen: Mapping[str, Any], only: tuple[str, ...],
) -> tuple[dict[str, list[Entry]], dict[str, str]]:
    """Read the entries of each experiment; say which miss a package and weren't asked for."""
    entries, left_out = {}, {}
    for name, fields in chosen.items():
        try:
            _check_packages(name, fields)
            entries[name] = _entries(reader, name, fields)
        except MissingPackageError as error:
            if name in only:
                raise
            left_out[name] = str(error)
    if not entries:
        raise ValueError(f'no experiment can run: {"; ".join(left_out.values())}')
    return entries, left_out


def _check_packages(experiment: str, fields: Mapping[str, Any]) -> None:
    if 'errors' in fields.get('analyses', ()) and find_spec('tidecv') is None:
        raise MissingPackageError(
            f"experiment {experiment!r} asks which errors are made, which takes tidecv: `pip "
            "install 'mmlth[errors]'`, or leave 'errors' out of its analyses")


def _jobs(entries: Mapping[str, list[Entry]]) -> list[StudyJob]:
    return [job for several in entries.values() for entry in several for job in entry.jobs]


def _later_jobs(reader: EntryReader, others: Mapping[str, Any]) -> list[StudyJob]:
    """Read the jobs of experiments that aren't chosen now, as far as they can be read here.

    Dense nets keep weights for these too, so that they needn't be trained again later.
    """
    jobs: list[StudyJob] = []
    for name, fields in others.items():
        try:
            found = _jobs({name: _entries(reader, name, fields)})
            for job in found:
                if states := job.trainings[0].states:
                    check_state_moments(job.read_config(), states)
        except (ValueError, OSError, KeyError):
            continue
        jobs += found
    return jobs
