"""A summary as a table: printed, and as CSV."""
import csv
import io
import math
from typing import Any

from mmlth.core.records import Summary


def main_metric(summary: Summary) -> str | None:
    """Return the name of the metric that stands for a run: the first that ends in 'mAP'.

    Falls back to the first metric (a classifier's accuracy, say), and to None where no round has
    any: MMDet's evaluators return none for a model that detects nothing.
    """
    names = metric_names(summary)
    return next((name for name in names if name.endswith('mAP')), names[0] if names else None)


def metric_names(summary: Summary) -> list[str]:
    """Return the metrics of all rounds, in the evaluator's order."""
    return list(dict.fromkeys(name for record in summary.rounds for name in record['metrics']))


def rows(summary: Summary) -> list[dict[str, Any]]:
    """Return one flat dict per round: sparsities, change against dense, seconds, all metrics."""
    metric = main_metric(summary)
    values = [record['metrics'].get(metric, math.nan) for record in summary.rounds]
    return [dict(round=record['round'], sparsity=record['sparsity'],
                 network_sparsity=record['network_sparsity'], change_against_dense=value - values[0],
                 seconds=record['seconds'], **record['metrics'])
            for record, value in zip(summary.rounds, values)]


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
    main = main_metric(summary)
    names = [main] if main else []
    names += [n for n in metric_names(summary) if n != main and 'precision' not in n][:6]
    table = [['round', 'sparsity', 'network', *(n.rpartition('/')[2] for n in names), 'vs dense', 'seconds']]
    for row in rows(summary):
        table.append([str(row['round']), f'{100 * row["sparsity"]:.2f}%',
                      f'{100 * row["network_sparsity"]:.2f}%', *(_number(row.get(n)) for n in names),
                      _number(row['change_against_dense'], '+'), f'{row["seconds"]:.0f}'])
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return '\n'.join('  '.join(f'{cell:>{w}}' for cell, w in zip(line, widths)) for line in table)


def _number(value: float | None, sign: str = '') -> str:
    return '-' if value is None or math.isnan(value) else f'{value:{sign}.3f}'
