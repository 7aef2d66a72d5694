"""Figures of a summary: metric against sparsity, density per layer."""
import itertools
import math
from pathlib import Path
from typing import Any, Sequence

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

from mmlth.analysis.tables import main_metrics, metric_names  # noqa: E402
from mmlth.core.files import atomic_path  # noqa: E402
from mmlth.core.records import Summary  # noqa: E402

_COLOURS = ('#1f5fa8', '#c8551b', '#2f7d4f', '#7b4ea3')


def plot_metric(summary: Summary, path: str | Path, *, metrics: Sequence[str] | None = None,
                axis: str = 'sparsity') -> Path:
    """Draw metrics of every round against sparsity, each with the dense net as a line.

    Args:
        summary: At least one round.
        path: PNG, PDF or SVG to write.
        metrics: Names in the records, up to four; None takes the main ones. Controls are open markers.
        axis: 'sparsity' (of the scope) or 'network_sparsity'.

    Raises:
        ValueError: Unknown metric or axis; lists the known ones.
    """
    known = metric_names(summary)
    metrics = metrics or main_metrics(summary)[:len(_COLOURS)]
    if not metrics or len(metrics) > len(_COLOURS) or not set(metrics) <= set(known):
        raise ValueError(f'metrics={list(metrics)}: give up to {len(_COLOURS)} of those that the records hold: '
                         f'{", ".join(known) or "none"}')
    if axis not in ('sparsity', 'network_sparsity'):
        raise ValueError(f'axis={axis!r}: allowed are sparsity, network_sparsity')
    x = [100 * r[axis] for r in summary.rounds]
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout='constrained')
    for i, (metric, colour) in enumerate(zip(metrics, _COLOURS)):
        _curve(axes, x, [r['metrics'].get(metric, math.nan) for r in summary.rounds],
               metric.rpartition('/')[2], colour, above=i % 2 == 0)
        for name, marker in zip(dict.fromkeys(r['control'] for r in summary.controls), itertools.cycle('sDv^P')):
            _points(axes, [r for r in summary.controls if r['control'] == name], axis, metric, marker, colour)
    axes.set_xlabel(f'sparsity of the {"scope" if axis == "sparsity" else "whole network"} (%)')
    axes.set_ylabel(metrics[0].rpartition('/')[2] if len(metrics) == 1 else 'AP')
    axes.set_title(f'{Path(summary.config).stem}, {len(x) - 1} prunings', fontsize=10)
    axes.margins(y=0.25)
    axes.grid(alpha=0.25)
    axes.legend(loc='best', frameon=False, fontsize=9, ncols=len(metrics))
    return _save(figure, path)


def _curve(axes: Any, x: list[float], y: list[float], name: str, colour: str, *, above: bool) -> None:
    axes.axhline(y[0], color=colour, linestyle='--', linewidth=1, alpha=0.7, label=f'dense ({y[0]:.3f})')
    axes.plot(x, y, marker='o', color=colour, label=f'{name} of the ticket')
    for point in list(zip(x, y))[1:]:
        axes.annotate(f'{point[1]:.3f}', point, textcoords='offset points', ha='center', fontsize=9, color=colour,
                      xytext=(0, 8 if above else -15))


def _points(axes: Any, controls: list[dict], axis: str, metric: str, marker: str, colour: str) -> None:
    axes.plot([100 * r[axis] for r in controls], [r['metrics'].get(metric, math.nan) for r in controls],
              marker=marker, linestyle='', color='white', markeredgecolor=colour,
              label=f'control: {controls[0]["control"]}')


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
