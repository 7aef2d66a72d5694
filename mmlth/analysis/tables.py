"""A summary as a table: printed, and as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmlth.analysis import metrics
from mmlth.core.collapse import describe_collapse
from mmlth.core.records import Summary
from mmlth.core.tables import format_table

_CSV_FIRST = ('round', 'control', 'sparsity', 'network_sparsity', 'seconds')
_METRIC_COLUMNS = 7  # as many as a terminal of 120 characters has room for


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """What tables and figures show of a training.

    Attributes:
        round: Number of prunings before this training (0 = dense).
        control: What was trained in place of the ticket, or ''.
        sparsity: Of the scope, in [0, 1).
        network_sparsity: Of the whole model, in [0, 1).
        seconds: Wall time of training and evaluation.
        metrics: The evaluator's; empty for a detector that found nothing.
        changes: Main metric -> metric - that of the dense round; NaN where either is missing.
        collapsed: Kept share of the tensors that keep next to nothing
            (:func:`mmlth.core.collapse.collapsed`).
    """

    round: int
    control: str
    sparsity: float
    network_sparsity: float
    seconds: float
    metrics: dict[str, float]
    changes: dict[str, float]
    collapsed: dict[str, float] = field(default_factory=dict)

    @property
    def nothing_detected(self) -> bool:
        """Whether the evaluator returned no metric at all."""
        return not self.metrics

    @property
    def name(self) -> str:
        """What notes call the training."""
        return f'round {self.round}' + (f', control {self.control}' if self.control else '')


def main_metrics(summary: Summary) -> list[str]:
    """Return the metrics that stand for a round, one a task.

    None where no round or control has any; see :func:`mmlth.analysis.metrics.choose_main`.
    """
    return metrics.choose_main(metric_names(summary))


def metric_names(summary: Summary) -> list[str]:
    """Return the metrics of all rounds and controls, in the evaluator's order."""
    records = [*summary.rounds, *summary.controls]
    return metrics.metric_names(record['metrics'] for record in records)


def rows(summary: Summary) -> list[SummaryRow]:
    """Return a row per round, then per control."""
    records = [*summary.rounds, *summary.controls]
    if not records:
        return []
    mains = main_metrics(summary)
    found = [metrics.without_absent(record['metrics']) for record in records]
    dense = found[0]
    return [
        SummaryRow(
            round=record['round'],
            control=record.get('control', ''),
            sparsity=record['sparsity'],
            network_sparsity=record['network_sparsity'],
            seconds=record['seconds'],
            metrics=own,
            changes={name: _change(own, dense, name) for name in mains},
            collapsed=record.get('collapsed', {}),
        )
        for record, own in zip(records, found, strict=True)
    ]


def _change(own: dict[str, float], dense: dict[str, float], name: str) -> float:
    return own.get(name, math.nan) - dense.get(name, math.nan)


def to_csv(summary: Summary) -> str:
    """Return :func:`rows` as CSV with a header.

    Metrics and changes that are missing are empty; ``nothing_detected`` is True in the rows for
    which the evaluator returned no metric.
    """
    table = rows(summary)
    names = metric_names(summary)
    mains = main_metrics(summary)
    changes = [f'{name}_change' for name in mains]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow([*_CSV_FIRST, *changes, *names, 'nothing_detected'])
    for row in table:
        numbers = [row.changes[name] for name in mains]
        numbers += [row.metrics.get(name, math.nan) for name in names]
        first = [getattr(row, name) for name in _CSV_FIRST]
        cells = [metrics.csv_number(number) for number in numbers]
        writer.writerow([*first, *cells, row.nothing_detected])
    return out.getvalue()


def to_text(summary: Summary) -> str:
    """Return the table that is printed at the end of a job (:func:`summary_table`)."""
    if not summary.rounds:
        return 'no round is finished yet'
    header, cells, notes = summary_table(summary)
    return '\n'.join([format_table(header, cells), *notes])


def summary_table(summary: Summary) -> tuple[list[str], list[list[str]], list[str]]:
    """Return header, lines and notes of a job's trainings: mAP and its parts in columns.

    ``none`` stands in the rows of a model that detected nothing, which a note names; ``-`` for one
    metric that the evaluator didn't return or had no object for.

    Args:
        summary: At least one round.
    """
    table = rows(summary)
    mains = main_metrics(summary) or [metrics.UNKNOWN_METRIC]
    parts = _parts(summary, mains)
    with_controls = bool(summary.controls)
    header = ['round', *(['control'] if with_controls else []), 'sparsity', 'network']
    for name in mains:
        header += [metrics.short_name(name), 'vs dense']
    header += [*map(metrics.short_name, parts), 'seconds']
    cells = [_cells(row, mains, parts, with_controls) for row in table]
    notes = [f'{row.name}: {metrics.NO_METRIC}' for row in table if row.nothing_detected]
    notes += [f'{row.name}: {describe_collapse(row.collapsed)}' for row in table if row.collapsed]
    return header, cells, notes


def _parts(summary: Summary, mains: Sequence[str]) -> list[str]:
    """Return as many of the other metrics as there is room for."""
    others = [name for name in metric_names(summary) if name not in mains]
    room = max(0, _METRIC_COLUMNS - 2 * len(mains))
    return [name for name in others if 'precision' not in name][:room]


def _cells(
    row: SummaryRow, mains: Sequence[str], parts: Sequence[str], with_control: bool
) -> list[str]:
    cells = [str(row.round)]
    if with_control:
        cells.append(row.control or '-')
    cells += [metrics.format_share(row.sparsity), metrics.format_share(row.network_sparsity)]
    for name in mains:
        change = row.changes.get(name, math.nan)
        cells += [_metric(row, name), metrics.format_metric(change, '+')]
    return [*cells, *(_metric(row, name) for name in parts), f'{row.seconds:.0f}']


def _metric(row: SummaryRow, name: str) -> str:
    if row.nothing_detected:
        return metrics.NONE
    return metrics.format_metric(row.metrics.get(name, math.nan))
