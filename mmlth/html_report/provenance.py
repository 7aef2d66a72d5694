"""What decided each training: settings, machine, digests and files, from the records of a job."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmlth.analysis.metrics import format_share, short_name
from mmlth.core.records import Summary
from mmlth.core.store import Store

_PATHS = ('dense_from', 'ticket')  # settings that name files
_DIGEST = 12  # characters shown; the whole is in summary.json
_HEADER = ['training', 'sparsity', 'network', 'kept', 'of', 'parameters', 'steps', 'seconds',
           'metrics', 'policies', 'machine', 'ticket', 'checkpoint', 'digests', 'parent',
           'trained in', 'id']


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """One job, as text.

    Attributes:
        name: Of the job.
        config: That it was given.
        settings: Name -> value.
        header: Of the table of its trainings.
        rows: A training each, its name first.
    """

    name: str
    config: str
    settings: dict[str, str]
    header: list[str]
    rows: list[list[str]]


def provenance(summaries: Mapping[str, Summary]) -> list[JobFacts]:
    """Return the facts of every job; columns that say nothing in all its trainings are left out.

    Args:
        summaries: Name of the job -> its summary.
    """
    return [_facts(name, summary) for name, summary in summaries.items()]


def portable(store: Store) -> Summary:
    """Return the summary of a job with the paths in its settings relative to its work directory."""
    summary = store.summary()
    given = {key: summary.settings.get(key) for key in _PATHS}
    paths = {key: os.path.relpath(path, store.work_dir) for key, path in given.items()
             if path and os.path.isabs(path)}
    return replace(summary, settings={**summary.settings, **paths})


def _facts(name: str, summary: Summary) -> JobFacts:
    rows = [_row(record) for record in [*summary.rounds, *summary.controls]]
    used = [i for i in range(len(_HEADER)) if any(row[i] for row in rows)]
    return JobFacts(
        name=name,
        config=summary.config,
        settings={key: _text(value) for key, value in summary.settings.items()},
        header=[_HEADER[i] for i in used],
        rows=[[row[i] for i in used] for row in rows])


def _row(record: Mapping[str, Any]) -> list[str]:
    control = record.get('control', '')
    saved = record.get('saved_steps', 0)
    digests = {key: value[:_DIGEST] for key, value in record.get('digests', {}).items()}
    metrics = {short_name(key): f'{value:.4g}' for key, value in record['metrics'].items()}
    return [
        f'round {record["round"]}' + (f', control {control}' if control else ''),
        format_share(record['sparsity']),
        format_share(record['network_sparsity']),
        _count(record.get('kept')),
        _count(record.get('scope_size')),
        _count(record.get('parameters')),
        _count(record.get('steps')) + (f' ({saved} saved)' if saved else ''),
        f'{record["seconds"]:.0f}',
        _pairs(metrics) or 'none',
        _pairs(record.get('policies', {})),
        _pairs(record.get('machine', {})),
        record.get('ticket', ''),
        record.get('checkpoint', ''),
        _pairs(digests),
        record.get('parent', '')[:_DIGEST],
        record.get('trained_in', ''),
        record.get('id', '')[:_DIGEST],
    ]


def _count(number: int | None) -> str:
    return '' if number is None else f'{number:,}'


def _pairs(found: Mapping[str, Any]) -> str:
    return ', '.join(f'{key} {_text(value)}' for key, value in found.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f'{value:.6g}'
    if isinstance(value, (list, tuple)):
        return ', '.join(map(_text, value)) or '-'
    return '-' if value in (None, '', {}) else str(value)
