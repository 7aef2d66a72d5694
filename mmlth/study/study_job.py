"""One job of a study as a value: its settings, its ticket's origin, whose dense net it shares."""
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.core.training import Training
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.settings.imp_config import IMPConfig

SET_BY_STUDY = ('dense_from', 'capture', 'capture_states', 'ticket', 'control_rounds')
_ALWAYS_TOLD = ('seed', 'target_sparsity', 'rounds')
_DEFAULTS = IMPConfig().as_dict()


@dataclass(frozen=True, kw_only=True)
class StudyJob:
    """Describe one job; two that are equal in all but controls are one.

    Attributes:
        config: Path or ``mmdet::...``, as the study has it.
        config_file: What is read: the same, found from the study's own folder; '' is itself.
        cfg_options: Overrides of the config.
        settings: All of its ``imp`` block, without those of :data:`SET_BY_STUDY`; a job that is
            given its ticket has no sparsities, rounds and rewind of its own either.
        source: Name of the job whose ticket, or whose dense net, is carried over, or ''.
        source_key: Its key, or ''.
        transfer: Options of the transfer (:data:`mmlth.study.transfers.TRANSFER`).
        dense: Name of the job whose dense round it shares, or '' if it trains its own.
        capture, capture_states: Moments whose weights, whose whole states, its dense round keeps
            for others.
        predictions: Whether an experiment asks for the predictions of :attr:`compared`.
    """

    config: str
    config_file: str = ''
    cfg_options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ''
    source_key: str = ''
    transfer: dict[str, Any] = field(default_factory=dict)
    dense: str = ''
    capture: tuple[str | int, ...] = ()
    capture_states: tuple[str | int, ...] = ()
    predictions: bool = False

    @cached_property
    def name(self) -> str:
        """Readable name of its folder, which ends in a digest of all that decides its result."""
        told = '_'.join(f'{_last(key)}-{_flat(value)}' for key, value in self._told().items())
        stem = Path(self.config).stem
        readable = re.sub(r'[^A-Za-z0-9._-]+', '', f'{stem}_{told}')[:100]
        kept = f'{self.capture}{self.capture_states or ""}'
        digest = hashlib.sha256((self.key + kept).encode()).hexdigest()
        return f'{readable.rstrip("_-.")}_{digest[:6]}'

    def _told(self) -> dict[str, Any]:
        """Return what the name says: all that isn't as by default, and a few things always."""
        chosen = {key: value for key, value in self.settings.items()
                  if key in _ALWAYS_TOLD or value != _DEFAULTS[key]}
        origin = {'of': self.source.rpartition('_')[0]} if self.source else {}
        told = {**self.cfg_options, **chosen, **origin, **self.transfer}
        told.pop('controls', None)
        if told.get('rounds') == 0:
            told.pop('target_sparsity', None)
        return told

    @cached_property
    def key(self) -> str:
        """Text that is the same for two jobs with the same result, controls aside."""
        # Defaults aside: a setting that later versions add leaves names of finished jobs alone.
        aside = ('controls', *SET_BY_STUDY)
        settings = {key: value for key, value in self.settings.items()
                    if key not in aside and value != _DEFAULTS[key]}
        config = self.config.replace('mmlth::', 'configs/')  # where they lie in a checkout
        parts = [config, self.cfg_options, settings, self.source_key, self.transfer]
        return json.dumps(parts, sort_keys=True, default=str)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the jobs that must be done before."""
        return tuple(dict.fromkeys(name for name in (self.dense, self.source) if name))

    @property
    def is_dense_alone(self) -> bool:
        """Whether it trains a dense net and nothing else."""
        return self.settings.get('rounds') == 0

    def read_config(self, data_root: str | None = None) -> Config:
        """Read its config, with the overrides of job and study.

        Args:
            data_root: Where the data lies, or None for the config's own place.
        """
        cfg = load_config(self.config_file or self.config, self.cfg_options)
        return set_data_root(cfg, data_root) if data_root else cfg

    def imp_settings(self, **given: Any) -> IMPConfig:
        """Return the settings of its IMP job.

        Args:
            given: Settings that aren't known, or not final, while the study is planned.
        """
        kept = dict(capture=self.capture, capture_states=self.capture_states)
        return IMPConfig.from_dicts({**self.settings, **kept, **given})

    @cached_property
    def planned(self) -> IMPConfig:
        """Settings as far as they are known before its ticket exists.

        Raises:
            ValueError: Some contradict each other, or the ticket that it will be given.
        """
        if not self.source_key:
            return self.imp_settings()
        unknown = IMPConfig().target_sparsity
        return IMPConfig(**{**self.settings, 'schedule': (unknown, ), 'ticket': 'carried'})

    @cached_property
    def trainings(self) -> tuple[Training, ...]:
        """Every training, the dense one first, which may be another job's."""
        return self.planned.trainings()

    @property
    def compared(self) -> tuple[Training, Training]:
        """Its dense net and its last ticket, which analyses compare."""
        rounds = [training for training in self.trainings if not training.label]
        return rounds[0], rounds[-1]

    @property
    def own_trainings(self) -> tuple[Training, ...]:
        """Those that it trains itself."""
        return self.trainings[1:] if self.dense else self.trainings


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return '-'.join(f'{key}-{_flat(inner)}' for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return '-'.join(map(_flat, value))
    return str(value)


def _last(key: str) -> str:
    return key.rpartition('.')[2]
