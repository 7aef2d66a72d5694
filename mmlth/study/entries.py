"""Read the entries of a study: what somebody wrote -> the jobs that are meant."""
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.engine.config_files import load_config
from mmlth.job.identity import config_identity
from mmlth.settings.checks import check_settings
from mmlth.settings.imp_config import IMPConfig
from mmlth.study.grid import expand
from mmlth.study.study_job import SET_BY_STUDY, StudyJob
from mmlth.study.transfers import read_choice

_NO_SETTINGS = ('config', 'cfg_options', 'label', 'line', 'transfer')  # keys of an entry
_FROM_TICKET = ('target_sparsity', 'rounds', 'schedule', 'rewind')
_FROM_SCHEDULE = ('target_sparsity', 'rounds')


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry without lists.

    Attributes:
        text: As it was written.
        jobs: Its job, after that of its transfer's source if it has one.
    """

    text: Mapping[str, Any]
    jobs: tuple[StudyJob, ...]

    @property
    def job(self) -> StudyJob:
        """The job that the entry describes."""
        return self.jobs[-1]


@dataclass(frozen=True, kw_only=True)
class EntryReader:
    """Read entries, with what all entries of a study have in common.

    Attributes:
        config: Of entries that name none, or None.
        folder: Of the study's file, from which paths of configs start.
        given: Takes the place of ``config``; its path starts from the current folder.
        imp: Settings of every job.
        options: Overrides of every config: dotted keys and values.
    """

    config: str | None
    folder: Path
    given: str | None
    imp: Mapping[str, Any]
    options: Mapping[str, Any]
    _configs: dict[str, Config] = field(default_factory=dict)
    _identities: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(self, experiment: str, entry: Mapping[str, Any]) -> list[Entry]:
        """Read an entry with lists.

        Raises:
            ValueError, OSError: An unknown name or setting, or a bad value; names the experiment.
        """
        try:
            return [Entry(text=text, jobs=self._jobs(text)) for text in expand(entry)]
        except (ValueError, OSError) as error:
            raise type(error)(f'experiment {experiment!r}: {error}') from error
        except (TypeError, AttributeError) as error:  # a text for a dict, and the like
            raise ValueError(f'experiment {experiment!r}: {entry!r} holds a value of another kind '
                             f'than is allowed ({error})') from error

    def _jobs(self, entry: Mapping[str, Any]) -> tuple[StudyJob, ...]:
        transfer = dict(entry.get('transfer') or {})
        source = self._jobs(transfer.pop('source')) if 'source' in transfer else ()
        _check_source(transfer, source)
        read_choice(transfer)
        config = entry.get('config') or self.given or self.config
        if not config:
            raise ValueError('no config. Give the study a config=, or --config')
        options = {**self.options, **(entry.get('cfg_options') or {})}
        own = {key: value for key, value in entry.items() if key not in _NO_SETTINGS}
        file = self._find(config)
        cfg = self._read_config(file, options)
        job = StudyJob(
            config=config,
            config_file=file,
            cfg_options=options,
            settings=_settings(cfg, {**self.imp, **own}, is_given=bool(source)),
            transfer=transfer,
            source_key=source[-1].key if source else '')
        check_settings(job.planned)
        return *source, job

    def identity(self, job: StudyJob) -> dict[str, Any]:
        """Return what of a job's config decides its numbers, in one process."""
        key = json.dumps([job.config_file, job.cfg_options], default=str)
        if key not in self._identities:
            cfg = self._read_config(job.config_file, job.cfg_options)
            self._identities[key] = config_identity(cfg)
        return self._identities[key]

    def _find(self, config: str) -> str:
        if '::' in config or config == self.given:
            return config
        return str(self.folder / config)

    def _read_config(self, name: str, options: dict[str, Any]) -> Config:
        """Read a config, or take it from those read before: a study asks for few, many times."""
        key = json.dumps([name, options], default=str)
        if key not in self._configs:
            self._configs[key] = load_config(name, options)
        return self._configs[key]


def _check_source(transfer: Mapping[str, Any], source: tuple[StudyJob, ...]) -> None:
    if transfer and not source:
        raise ValueError(
            f'transfer={transfer} names no source=dict(...), the entry of another job')
    if source and source[-1].is_dense_alone and 'sparsity' not in transfer:
        raise ValueError('the source has rounds=0, so it finds no ticket. Give transfer a '
                         'sparsity, to which its dense net is pruned, or raise rounds')


def _settings(cfg: Config, given: dict[str, Any], *, is_given: bool) -> dict[str, Any]:
    """Return all settings of a job, those of the config included, so that equal jobs look equal.

    Args:
        cfg: Config of the job.
        given: Settings of study and entry.
        is_given: Whether the job is given its ticket.
    """
    block = cfg.get('imp', {})
    refused = [name for name in SET_BY_STUDY if name in block or name in given]
    if refused:
        raise ValueError(f'{refused} are set by the study itself; leave them out of it and of '
                         f'{cfg.filename}')
    settings = IMPConfig.from_config(cfg, given).as_dict()
    implied: tuple[str, ...] = ()
    if is_given:
        implied = _FROM_TICKET
    elif isinstance(settings['schedule'], list):
        implied = _FROM_SCHEDULE
    aside = (*SET_BY_STUDY, *implied)
    return {name: value for name, value in settings.items() if name not in aside}
