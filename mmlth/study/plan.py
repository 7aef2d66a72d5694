"""Read a study: experiments with lists of settings -> jobs that share dense rounds and tickets."""
import json
from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from mmengine.config import Config

from mmlth.analysis.experiments import Experiment
from mmlth.core.rewind import capture_name
from mmlth.engine.settings import IMPConfig
from mmlth.engine.config_files import load_config
from mmlth.study.grid import expand
from mmlth.study.jobs import OF_STUDY, Job, check_transfer

X_AXES = ('sparsity', 'rounds', 'rewind', 'early_bird')
_ENTRY = ('config', 'cfg_options', 'label', 'line', 'transfer')
_STUDY = ('config', 'imp', 'experiments')
_DENSE_SETTINGS = ('seed', 'exact_resume', 'max_keep_ckpts')  # those that a dense round depends on, and how it is kept


@dataclass(frozen=True, kw_only=True)
class Point:
    """One job as an experiment shows it.

    Attributes:
        job: Its name.
        label, line: What the experiment calls the point, and the curve it belongs to.
        seed: Of the job.
    """

    job: str
    label: str
    line: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """Jobs in the order in which they should run, and what each experiment shows of them.

    Attributes:
        jobs: name -> job; what a job needs comes before it.
        experiments: name -> how it is drawn.
        points: name of the experiment -> its points.
        x: name of the experiment -> what is drawn along x, one of :data:`X_AXES`.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)
    x: dict[str, str] = field(default_factory=dict)

    def dense_of(self, job: Job) -> str:
        """Return the name of the job whose dense round is the one that ``job`` would train in full."""
        if job.dense:
            return job.dense
        same = [name for name, other in self.jobs.items() if other.settings.get('rounds') == 0
                and _dense_key(other) == _dense_key(job)]
        return same[0] if same else job.name


def read_study(cfg: Config, *, config: str | None = None, only: tuple[str, ...] = (),
               options: Mapping[str, Any] | None = None) -> Study:
    """Plan a study.

    Args:
        cfg: With ``config`` (of entries that name none), ``imp`` (settings of every job) and ``experiments``:
            name -> dict(title=, jobs=[entry, ...], and fields of Experiment). An entry holds settings of the
            ``imp`` block and ``config``, ``cfg_options``, ``label``, ``line`` and ``transfer``; each list in it
            is tried value by value, a tuple is one value.
        config: Takes the place of the study's own.
        only: Names of the experiments to plan; () plans all.
        options: Overrides of every config: dotted keys and values.

    Raises:
        ValueError: An unknown name or setting, or a bad value; names experiment, entry and what is allowed.
    """
    given = {**{k: v for k, v in cfg.to_dict().items() if k in _STUDY}, 'options': options or {}, 'read': {}}
    experiments = given.get('experiments')
    if not isinstance(experiments, dict) or not experiments:
        raise ValueError(f'{cfg.filename} is no study: it has no experiments = dict(name=dict(jobs=[...]))')
    unknown = [name for name in only if name not in experiments]
    if unknown:
        raise ValueError(f'--only {" ".join(unknown)}: the experiments of {cfg.filename} are '
                         f'{", ".join(experiments)}')
    chosen = {name: _experiment(name, experiments[name]) for name in experiments if not only or name in only}
    found: list[Job] = []
    shown: dict[str, list[tuple[dict[str, Any], Job]]] = {name: [] for name in chosen}
    for name in chosen:
        for entry, jobs in _read_experiment(name, given, config):
            found += jobs
            shown[name].append((entry, jobs[-1]))
    by_key = _share(found, _others(given, chosen, config))
    return Study(jobs={job.name: job for job in by_key.values()}, experiments=chosen,
                 points={n: [_point(n, entry, by_key[job.key]) for entry, job in pairs] for n, pairs in shown.items()},
                 x={name: experiments[name].get('x', 'sparsity') for name in chosen})


def _experiment(name: str, fields: Mapping[str, Any]) -> Experiment:
    own = {k: v for k, v in fields.items() if k not in ('jobs', 'x')}
    if not fields.get('jobs'):
        raise ValueError(f'experiment {name!r} has no jobs=[dict(...)]')
    if fields.get('x', 'sparsity') not in X_AXES:
        raise ValueError(f'experiment {name!r}: x={fields["x"]!r}; allowed are {", ".join(X_AXES)}')
    try:
        return Experiment(name=name, **own)
    except (TypeError, ValueError) as error:
        raise ValueError(f'experiment {name!r}: {error}') from error


def _read_experiment(name: str, study: Mapping[str, Any], config: str | None
                     ) -> list[tuple[dict[str, Any], list[Job]]]:
    return [(entry, _read_entry(name, entry, study, config))
            for raw in study['experiments'][name]['jobs'] for entry in expand(raw)]


def _others(study: Mapping[str, Any], chosen: Mapping[str, Any], config: str | None) -> list[Job]:
    """Read the jobs of experiments that aren't chosen now, as far as their configs can be read here.

    Dense nets keep weights for these too, so that they needn't be trained again later.
    """
    jobs: list[Job] = []
    for name in study['experiments']:
        try:
            found = [] if name in chosen else _read_experiment(name, study, config)
            jobs += [job for _, several in found for job in several]
        except (ValueError, OSError, KeyError):
            continue
    return jobs


def _read_entry(name: str, entry: Mapping[str, Any], study: Mapping[str, Any], config: str | None) -> list[Job]:
    """Return the job of an entry, after that of its transfer's source if it has one."""
    transfer = dict(entry.get('transfer') or {})
    source = _read_entry(name, transfer.pop('source'), study, config) if 'source' in transfer else []
    if transfer and not source:
        raise ValueError(f'experiment {name!r}: transfer={transfer} names no source=dict(...), the entry of '
                         'another job')
    if source and 'sparsity' not in transfer and source[-1].settings.get('rounds') == 0:
        raise ValueError(f'experiment {name!r}: the source has rounds=0, so it finds no ticket. Give transfer a '
                         'sparsity, to which its dense net is pruned, or raise rounds')
    chosen = entry.get('config') or config or study.get('config')
    options = {**study['options'], **(entry.get('cfg_options') or {})}
    if not chosen:
        raise ValueError(f'experiment {name!r}: no config. Give the study a config=, or --config')
    given = {**study.get('imp', {}), **{k: v for k, v in entry.items() if k not in _ENTRY}}
    try:
        check_transfer(transfer)
        settings = _settings(_read_config(chosen, options, study['read']), given, bool(source))
    except (ValueError, OSError) as error:
        raise type(error)(f'experiment {name!r}: {error}') from error
    own = Job(config=chosen, cfg_options=options, settings=settings, transfer=transfer,
              source_key=source[-1].key if source else '')
    return [*source, own]


def _read_config(name: str, options: dict[str, Any], read: dict[str, Config]) -> Config:
    """Read a config, or take it from those that were ``read`` before: a study asks for few, many times."""
    key = json.dumps([name, options], default=str)
    if key not in read:
        read[key] = load_config(name, options)
    return read[key]


def _settings(cfg: Config, given: dict[str, Any], transferred: bool) -> dict[str, Any]:
    """Return all settings of a job, the config's ``imp`` block included, so that equal jobs look equal."""
    of_study = [k for k in OF_STUDY if k in {**cfg.get('imp', {}), **given}]
    if of_study:
        raise ValueError(f'{of_study} are set by the study itself; leave them out of it and of {cfg.filename}')
    settings = IMPConfig.from_config(cfg, given).as_dict()
    planned = ('target_sparsity', 'rounds', 'schedule', 'rewind') if transferred else (
        ('target_sparsity', 'rounds') if isinstance(settings['schedule'], list) else ())
    return {k: v for k, v in settings.items() if k not in (*OF_STUDY, *planned)}


def _share(found: list[Job], others: list[Job]) -> dict[str, Job]:
    """Merge equal jobs, give each its dense job, and order them: what a job needs comes first. Keys -> jobs."""
    merged: dict[str, Job] = {}
    for job in found:
        before = merged[job.key].settings['controls'] if job.key in merged else []
        controls = [*before, *job.settings['controls']]
        merged[job.key] = replace(job, settings={**job.settings, 'controls': list(dict.fromkeys(controls))})
    dense = {key: _dense_job([job for job in [*merged.values(), *others] if _dense_key(job) == key and _can_share(job)])
             for key in dict.fromkeys(_dense_key(job) for job in merged.values() if _can_share(job))}
    out: dict[str, Job] = {}
    for key, job in merged.items():
        if _can_share(job):
            shared = dense[_dense_key(job)]
            out[shared.key] = shared
            job = shared if job.settings.get('rounds') == 0 else replace(job, dense=shared.name)
        if job.source_key:
            job = replace(job, source=out[job.source_key].name)
        out[key] = job
    return out


def _can_share(job: Job) -> bool:
    settings = job.settings
    return not (settings['early_bird'] is not None or settings['optimizer'] == 'rewound'
                or settings['lr_schedule'] == 'continue')


def _dense_key(job: Job) -> str:
    return Job(config=job.config, cfg_options=job.cfg_options, settings=_dense_settings(job)).key


def _dense_settings(job: Job) -> dict[str, Any]:
    return {**IMPConfig(rounds=0).as_dict(), **{k: job.settings[k] for k in _DENSE_SETTINGS}, 'rounds': 0}


def _dense_job(sharing: list[Job]) -> Job:
    """Return the job that trains a dense net for all these, and keeps the weights that they rewind to."""
    first = sharing[0]
    points = {capture_name(job.settings.get('rewind', 'init')): job.settings.get('rewind', 'init') for job in sharing}
    late = tuple(points[name] for name in sorted(points) if name != capture_name('init'))
    return Job(config=first.config, cfg_options=first.cfg_options, settings=_dense_settings(first), capture=late)


def _point(experiment: str, entry: Mapping[str, Any], job: Job) -> Point:
    source = (entry.get('transfer') or {}).get('source', {})
    names = {**job.settings, **entry, **{f'source_{k}': v for k, v in source.items()}}
    try:
        label, line = (str(entry.get(key, '')).format(**names) for key in ('label', 'line'))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f'experiment {experiment!r}: label={entry.get("label")!r} or line={entry.get("line")!r} '
                         f'cannot be filled in ({error!r}). Known in {{}} are {", ".join(names)}') from error
    return Point(job=job.name, label=label, line=line, seed=job.settings['seed'])
