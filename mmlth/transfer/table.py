"""Draw a coverage report for people."""
from typing import Any, Mapping

from mmlth.transfer.report import STATUSES, CoverageReport, TensorRow, signs


def format_report(report: CoverageReport) -> str:
    """Draw every weight tensor in question, the groups, the totals, and what the numbers say."""
    parts = [_tensors(report), _groups(report), _counts(report), _totals(report)]
    said = [f'- {sign}' for sign in signs(report)]
    facts = [*_facts(report.source, 'source'), *_facts(report.source.get('provenance', {}), 'provenance')]
    return '\n\n'.join([*parts, *('\n'.join(lines) for lines in (facts, said) if lines)])


def _facts(facts: Mapping[str, Any], title: str) -> list[str]:
    """List what a line can hold; a report's JSON has the rest."""
    return [f'{title} {key}: {value}' for key, value in facts.items()
            if isinstance(value, (str, int, float)) and value != '']


def _tensors(report: CoverageReport) -> str:
    rows = [row for row in report.tensors if row.in_scope or row.source_density is not None]
    width = max(len(row.name) for row in rows)
    mapping = report.source.get('mapping', {})
    lines = [f'{"tensor":<{width}}  {"group":<13} {"weights":>11}  {"status":<10} {"takes":<11} '
             f'{"source keeps":>12}']
    for row in rows:
        old = mapping.get(row.source, row.source)
        renamed = f'  from {old}' if old not in (None, row.name) else ''
        note = f'  {row.note}' if row.note else ''
        lines.append(f'{row.name:<{width}}  {row.group:<13} {row.size:>11,}  {row.status:<10} '
                     f'{_takes(row):<11} {_percent(row.source_density):>12}{renamed}{note}')
    return '\n'.join(lines)


def _takes(row: TensorRow) -> str:
    return '+'.join(what for what in ('mask', 'values') if getattr(row, what)) or '-'


def _groups(report: CoverageReport) -> str:
    lines = [f'{"group":<13} {"scope":>11} {"covered":>8} {"density":>8} {"of tensors":>15} '
             f'{"median |w| kept":>15} {"pruned":>9} {"follows |w|":>11}']
    for g in report.groups:
        spread = f'{_percent(g.least_dense)}-{_percent(g.most_dense)}' if g.covered else '-'
        lines.append(
            f'{g.group:<13} {g.scope_size:>11,} {_percent(g.covered / g.scope_size):>8} '
            f'{_percent(g.kept / g.covered if g.covered else None):>8} {spread:>15} '
            f'{_number(g.median_kept):>15} {_number(g.median_pruned):>9} '
            f'{"-" if g.follows is None else f"{g.follows:.2f}":>11}')
    return '\n'.join(lines)


def _counts(report: CoverageReport) -> str:
    """Count the tensors of each status, biases, statistics and predictors included."""
    lines = [f'{"status":<10} {"tensors":>8} {"elements":>12} {"with values":>11}']
    for status in STATUSES:
        rows = report.of_status(status)
        lines.append(f'{status:<10} {len(rows):>8} {sum(r.size for r in rows):>12,} '
                     f'{sum(r.values for r in rows):>11}')
    return '\n'.join(lines)


def _totals(report: CoverageReport) -> str:
    return (f'covered: {report.covered:,} of {report.scope_size:,} weights in the scope '
            f'({_percent(report.coverage)}); pruned: {report.pruned:,}, which is '
            f'{_percent(report.sparsity)} of the scope and {_percent(report.network_sparsity)} of the '
            'network')


def _percent(share: float | None) -> str:
    return '-' if share is None else f'{100 * share:.2f}%'


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.2e}'
