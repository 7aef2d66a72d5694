"""A summary as a table: printed, and as CSV."""
import csv
import io
import math
from typing import Any

from mmlth.core.records import Summary


def main_metrics(summary: Summary) -> list[str]:
    """Return the metrics that stand for a run, one a task: those that end in 'mAP'.

    Falls back to the first metric (a classifier's accuracy, say), and to none where no round has
    any: MMDet's evaluators return none for a model that detects nothing.
    """
    names = metric_names(summary)
    return [name for name in names if name.endswith('mAP')] or names[:1]


def metric_names(summary: Summary) -> list[str]:
    """Return the metrics of all rounds, in the evaluator's order."""
    return list(dict.fromkeys(name for record in summary.rounds for name in record['metrics']))


def rows(summary: Summary) -> list[dict[str, Any]]:
    """Return one flat dict per round, then per control.

    Each holds sparsities, seconds, all metrics, and the changes of the main ones against the dense round.
    """
    return [dict(round=record['round'], control=record.get('control', ''), sparsity=record['sparsity'],
                 network_sparsity=record['network_sparsity'], seconds=record['seconds'],
                 **{f'{name}_change': _value(record, name) - _value(summary.rounds[0], name)
                    for name in main_metrics(summary)}, **record['metrics'])
            for record in [*summary.rounds, *summary.controls]]


def _value(record: dict[str, Any], name: str) -> float:
    return record['metrics'].get(name, math.nan)


def to_csv(summary: Summary) -> str:
    """Return :func:`rows` as CSV text with a header."""
    table = rows(summary)
    names = list(dict.fromkeys(name for row in table for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def to_text(summary: Summary) -> str:
    """Return the table that is printed at the end of a job: mAP and its parts in columns.

    ``-`` stands for a metric that the evaluator didn't return.
    """
    if not summary.rounds:
        return 'no round is finished yet'
    mains = main_metrics(summary)
    parts = [n for n in metric_names(summary) if n not in mains and 'precision' not in n]
    parts = parts[:max(0, 7 - 2 * len(mains))]
    control = ['control'] if summary.controls else []
    table = [['round', *control, 'sparsity', 'network', *(cell for n in mains for cell in (_short(n), 'vs dense')),
              *map(_short, parts), 'seconds']]
    for row in rows(summary):
        table.append([str(row['round']), *(row[c] or '-' for c in control), f'{100 * row["sparsity"]:.2f}%',
                      f'{100 * row["network_sparsity"]:.2f}%',
                      *(cell for n in mains for cell in (_number(row.get(n)), _number(row[f'{n}_change'], '+'))),
                      *(_number(row.get(n)) for n in parts), f'{row["seconds"]:.0f}'])
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return '\n'.join('  '.join(f'{cell:>{w}}' for cell, w in zip(line, widths)) for line in table)


def _short(metric: str) -> str:
    return metric.rpartition('/')[2]


def _number(value: float | None, sign: str = '') -> str:
    return '-' if value is None or math.isnan(value) else f'{value:{sign}.3f}'
