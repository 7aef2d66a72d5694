"""Draw a coverage report for people."""

from collections.abc import Mapping
from typing import Any

from mmlth.core.tables import format_table
from mmlth.transfer.report import (
    STATUSES,
    CoverageReport,
    GroupRow,
    TensorRow,
    signs,
)

_REMARKS = ''  # a column without a name


def format_report(report: CoverageReport) -> str:
    """Draw every weight tensor in question, the groups, the totals, and what the numbers say."""
    parts = [_tensors(report), _groups(report), _counts(report), _totals(report)]
    source = report.source
    facts = _facts(source, 'source') + _facts(source.get('provenance', {}), 'provenance')
    said = [f'- {sign}' for sign in signs(report)]
    parts += ['\n'.join(lines) for lines in (facts, said) if lines]
    return '\n\n'.join(parts)


def _facts(facts: Mapping[str, Any], title: str) -> list[str]:
    """List what a line can hold; a report's JSON has the rest."""
    return [
        f'{title} {key}: {value}'
        for key, value in facts.items()
        if isinstance(value, (str, int, float)) and value != ''
    ]


def _tensors(report: CoverageReport) -> str:
    mapping = report.source.get('mapping', {})
    header = ['tensor', 'group', 'weights', 'status', 'takes', 'source keeps', _REMARKS]
    rows = [
        _tensor(row, mapping)
        for row in report.tensors
        if row.in_scope or row.source_density is not None
    ]
    return format_table(header, rows, left=['tensor', 'group', 'status', 'takes', _REMARKS])


def _tensor(row: TensorRow, mapping: Mapping[str, str]) -> list[str]:
    old = mapping.get(row.source, row.source) if row.source else None
    renamed = f'from {old}' if old not in (None, row.name) else ''
    remarks = '  '.join(filter(None, [renamed, row.note]))
    keeps = _percent(row.source_density)
    return [row.name, row.group, f'{row.size:,}', row.status, _takes(row), keeps, remarks]


def _takes(row: TensorRow) -> str:
    taken = {'mask': row.mask, 'values': row.values}
    return '+'.join(what for what, is_taken in taken.items() if is_taken) or '-'


def _groups(report: CoverageReport) -> str:
    header = [
        'group',
        'scope',
        'covered',
        'density',
        'of tensors',
        'median |w| kept',
        'pruned',
        'follows |w|',
    ]
    return format_table(header, map(_group, report.groups), left=['group'])


def _group(row: GroupRow) -> list[str]:
    has_any = bool(row.covered)
    spread = f'{_percent(row.least_dense)}-{_percent(row.most_dense)}'
    return [
        row.group,
        f'{row.scope_size:,}',
        _percent(row.covered / row.scope_size),
        _percent(row.kept / row.covered) if has_any else '-',
        spread if has_any else '-',
        _number(row.median_kept),
        _number(row.median_pruned),
        '-' if row.follows is None else f'{row.follows:.2f}',
    ]


def _counts(report: CoverageReport) -> str:
    """Count the tensors of each status, biases, statistics and predictors included."""
    rows = []
    for status in STATUSES:
        found = report.of_status(status)
        elements = sum(row.size for row in found)
        with_values = sum(row.values for row in found)
        rows.append([status, str(len(found)), f'{elements:,}', str(with_values)])
    return format_table(['status', 'tensors', 'elements', 'with values'], rows, left=['status'])


def _totals(report: CoverageReport) -> str:
    return (
        f'covered: {report.covered:,} of {report.scope_size:,} weights in the scope '
        f'({_percent(report.coverage)}); pruned: {report.pruned:,}, which is '
        f'{_percent(report.sparsity)} of the scope and {_percent(report.network_sparsity)} of the '
        'network'
    )


def _percent(share: float | None) -> str:
    return '-' if share is None else f'{100 * share:.2f}%'


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.2e}'
