"""Figures of a summary: metric against sparsity, density per layer."""
import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

from mmlth.analysis.tables import main_metric, metric_names  # noqa: E402
from mmlth.core.files import atomic_path  # noqa: E402
from mmlth.core.records import Summary  # noqa: E402

_BLUE, _GREY = '#1f5fa8', '#777777'


def plot_metric(summary: Summary, path: str | Path, *, metric: str | None = None,
                axis: str = 'sparsity') -> Path:
    """Draw a metric of every round against sparsity, with the dense net as a line.

    Args:
        summary: At least one round.
        path: PNG, PDF or SVG to write.
        metric: Name in the records; None takes the main one.
        axis: 'sparsity' (of the scope) or 'network_sparsity'.

    Raises:
        ValueError: Unknown metric or axis; lists the known ones.
    """
    known = metric_names(summary)
    metric = metric or main_metric(summary)
    if metric not in known:
        raise ValueError(f'metric={metric!r}: the records hold {", ".join(known) or "no metric"}')
    if axis not in ('sparsity', 'network_sparsity'):
        raise ValueError(f'axis={axis!r}: allowed are sparsity, network_sparsity')
    x = [100 * r[axis] for r in summary.rounds]
    y = [r['metrics'].get(metric, math.nan) for r in summary.rounds]
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout='constrained')
    axes.axhline(y[0], color=_GREY, linestyle='--', linewidth=1.2, label=f'dense ({y[0]:.3f})')
    axes.plot(x, y, marker='o', color=_BLUE, label='ticket, rewound and trained')
    for number, point in enumerate(zip(x, y)):
        if number:
            axes.annotate(f'{point[1]:.3f}', point, textcoords='offset points', xytext=(0, 8),
                          ha='center', fontsize=9, color=_BLUE)
    axes.set_xlabel(f'sparsity of the {"scope" if axis == "sparsity" else "whole network"} (%)')
    axes.set_ylabel(metric.rpartition('/')[2])
    axes.set_title(f'{Path(summary.config).stem}, {len(x) - 1} prunings', fontsize=10)
    axes.margins(y=0.25)
    axes.grid(alpha=0.25)
    axes.legend(loc='best', frameon=False)
    return _save(figure, path)


def plot_layers(summary: Summary, path: str | Path) -> Path:
    """Draw the kept share of every tensor of the scope (rows: rounds; columns: tensors)."""
    names = list(summary.rounds[0]['layer_density'])
    kept = [[100 * r['layer_density'][n] for n in names] for r in summary.rounds]
    figure, axes = plt.subplots(figsize=(max(6.4, 0.22 * len(names) + 1.5), 4.6), layout='constrained')
    shades = plt.get_cmap('viridis_r')
    for i, (record, values) in enumerate(zip(summary.rounds, kept)):
        colour = shades(0.15 + 0.8 * i / max(1, len(kept) - 1))
        axes.plot(range(len(names)), values, marker='.', linewidth=1, color=colour,
                  label=f'{100 * record["sparsity"]:.0f}%')
    axes.set_xticks(range(len(names)), [_short(n) for n in names], rotation=90, fontsize=7)
    axes.set_ylabel('weights kept in the layer (%)')
    axes.set_ylim(0, 104)
    axes.grid(alpha=0.25)
    axes.legend(title='sparsity of scope', frameon=False, fontsize=8, ncols=2)
    axes.set_title('Where the kept weights are, round by round', fontsize=10)
    return _save(figure, path)


def _short(name: str) -> str:
    return name.removesuffix('.weight').removesuffix('.conv').replace('roi_head.', '')


def _save(figure: Any, path: str | Path) -> Path:
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=path.suffix[1:] or 'png')
    plt.close(figure)
    return path
