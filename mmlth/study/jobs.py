"""One job of a study: an IMP job, where its ticket comes from, and whose dense round it shares."""
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping

from mmlth.core.layout import Layout
from mmlth.core.records import load_summary
from mmlth.engine.settings import IMPConfig
from mmlth.transfer.mapping import LEFT_OUT, Choice
from mmlth.transfer.names import BACKBONE
from mmlth.transfer.source import VALUES

OF_STUDY = ('dense_from', 'capture', 'ticket', 'control_rounds')
_TOLD = ('seed', 'target_sparsity', 'rounds')
_DEFAULTS = IMPConfig().as_dict()
TRANSFER = ('values', 'sparsity', 'scope', 'groups', 'prefixes', 'leave_out')


@dataclass(frozen=True, kw_only=True)
class Job:
    """Describe one job; two that are equal in all but controls are one.

    Attributes:
        config: Path, or ``mmdet::...``.
        cfg_options: Overrides of the config.
        settings: All of its ``imp`` block, without those that the study sets (:data:`OF_STUDY`).
        source: Name of the job whose ticket, or whose dense net, is carried over, or ''.
        source_key: Its key, or ''.
        transfer: Options of the transfer, :data:`TRANSFER`.
        dense: Name of the job whose dense round it shares, or '' if it trains its own.
        capture: Points that its dense round keeps for others.
    """

    config: str
    cfg_options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ''
    source_key: str = ''
    transfer: dict[str, Any] = field(default_factory=dict)
    dense: str = ''
    capture: tuple[str | int, ...] = ()

    @cached_property
    def name(self) -> str:
        """Readable name of its folder, which ends in a digest of all that decides its result."""
        told = {**self.cfg_options, **{k: v for k, v in self.settings.items() if k in _TOLD or v != _DEFAULTS[k]},
                **({'of': self.source.rpartition('_')[0]} if self.source else {}), **self.transfer}
        for key in ('controls', *(['target_sparsity'] if told.get('rounds') == 0 else [])):
            told.pop(key, None)
        slug = '_'.join(f'{_last(key)}-{_flat(value)}' for key, value in told.items())
        start = re.sub(r'[^A-Za-z0-9._-]+', '', f'{Path(self.config).stem}_{slug}')[:100]
        digest = hashlib.sha256((self.key + str(self.capture)).encode()).hexdigest()
        return f'{start.rstrip("_-.")}_{digest[:6]}'

    @cached_property
    def key(self) -> str:
        """Text that is the same for two jobs with the same result, controls aside."""
        # Defaults aside: a setting that later versions add leaves the names of finished jobs as they are.
        settings = {k: v for k, v in self.settings.items() if k not in ('controls', *OF_STUDY) and v != _DEFAULTS[k]}
        parts = [self.config, self.cfg_options, settings, self.source_key, self.transfer]
        return json.dumps(parts, sort_keys=True, default=str)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the jobs that must be done before."""
        return tuple(dict.fromkeys(name for name in (self.dense, self.source) if name))

    def trainings(self) -> tuple[tuple[int, str], ...]:
        """List (round, control) of every training of its own."""
        if self.source_key:
            controls = tuple((1, name) for name in self.settings['controls'])
            found = ((0, ''), (1, ''), *controls)
        else:
            found = IMPConfig.from_dicts(self.settings).trainings()
        return tuple(t for t in found if not (self.dense and t == (0, '')))

    def is_done(self, work_dir: Path) -> bool:
        """Tell whether every training has its record in the job's work directory, and the summary holds it."""
        layout, wanted = Layout(work_dir), {(0, ''), *self.trainings()}
        if not layout.summary.exists() or not all(layout.record(*training).exists() for training in wanted):
            return False
        summary = load_summary(layout.summary)  # written after the records: a kill may fall in between
        return wanted <= {(r['round'], r.get('control', '')) for r in [*summary.rounds, *summary.controls]}


def check_transfer(transfer: Mapping[str, Any]) -> Choice:
    """Return which tensors a transfer may carry.

    Args:
        transfer: Options of :data:`TRANSFER`.

    Raises:
        ValueError: An unknown option or group, ``values`` or ``sparsity``; says what is allowed.
    """
    unknown = sorted(set(transfer) - set(TRANSFER))
    if unknown:
        raise ValueError(f'transfer has unknown settings {unknown}; known are source, {", ".join(TRANSFER)}')
    values, sparsity = transfer.get('values', 'initial'), transfer.get('sparsity')
    if values not in VALUES:
        raise ValueError(f'transfer: values={values!r}; allowed are {", ".join(VALUES)}')
    if sparsity is not None and not (isinstance(sparsity, float) and 0 < sparsity < 1 and 'values' not in transfer):
        raise ValueError(f'transfer: sparsity={sparsity!r} must be a number in (0, 1) and goes without values: it '
                         "prunes the source's dense net, which keeps its values")
    return Choice(values=values != 'none', groups=tuple(transfer.get('groups', ())),
                  leave_out=tuple(transfer.get('leave_out', LEFT_OUT)),
                  prefixes=tuple(transfer.get('prefixes', [BACKBONE] if sparsity else [])))


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return '-'.join(f'{k}-{_flat(v)}' for k, v in value.items())
    return '-'.join(map(_flat, value)) if isinstance(value, (list, tuple)) else str(value)


def _last(key: str) -> str:
    return key.rpartition('.')[2]
