"""Figures of an experiment, with the paper's numbers beside them."""
import itertools
import math
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from mmlth.analysis import figures, paper  # noqa: E402
from mmlth.analysis.experiments import (Experiment, Point, Row, average, control_note, dense_rows,  # noqa: E402
                                        is_dense, line_names, lines_of_points, metric_title, points_of,
                                        shown_metrics, value)

# Okabe and Ito's colours, which are told apart with any colour vision; their yellow is too pale for a line.
_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_GREY, _BAND = '#666666', '3 sd of 5 runs'
Colours = dict[str, str]
Panel = tuple[Callable[[Any], None], float]  # draws on axes; its height in inches
Grid = list[list[Panel | None]]


def plot(rows: Sequence[Row], experiment: Experiment, path: str | Path) -> Path:
    """Draw an experiment; error bars are 95% confidence intervals over seeds.

    Dense nets are dashed, controls open; the paper's numbers keep their unit (per cent) and axes.

    Args:
        rows: Finished trainings (see :mod:`mmlth.analysis.experiments`).
        experiment: How to draw them.
        path: PNG, PDF or SVG to write.

    Raises:
        ValueError: No training but dense ones is finished, or a row of a curve has no x; names the experiment.
    """
    tickets = [row for row in rows if not is_dense(row)]
    if not tickets:
        raise ValueError(f'experiment {experiment.name!r} has no finished training of a ticket or control '
                         f'({len(rows)} rows, all of dense nets): run more of it first')
    lost = [row['job'] for row in tickets if row['x'] is None]
    if experiment.kind == 'curve' and lost:
        raise ValueError(f'experiment {experiment.name!r}: job {lost[0]!r} has x=None, a curve needs a number: give '
                         "its x, or use kind='bars'")
    if experiment.kind == 'layers':
        rows = tickets = lines_of_points(tickets)
    colours = _colours(line_names(tickets).values())
    grid = dict(curve=_curve_grid, bars=_bars_grid, layers=_layers_grid)[experiment.kind](rows, experiment, colours)
    figure = _figure(grid, experiment)
    _legend(figure, rows, colours, experiment.kind)
    return figures._save(figure, path)


def _colours(names: Iterable[str]) -> Colours:
    return dict(zip(dict.fromkeys(names), itertools.cycle(_COLOURS)))


def _figure(grid: Grid, experiment: Experiment) -> Any:
    columns = max(map(len, grid))
    heights = [max(panel[1] for panel in row if panel) for row in grid]
    width = 10.5 if experiment.kind == 'layers' else max(6.4, 4.0 * columns)
    figure, axes = plt.subplots(len(grid), columns, figsize=(width, sum(heights) + 1), layout='constrained',
                                squeeze=False, height_ratios=heights)
    for panels, line in zip(grid, axes):
        for panel, ax in itertools.zip_longest(panels, line):
            panel[0](ax) if panel else ax.set_axis_off()
    figure.suptitle(experiment.title + (f' ({experiment.section})' if experiment.section else ''), fontsize=11)
    return figure


def _legend(figure: Any, rows: Sequence[Row], colours: Colours, kind: str) -> None:
    handles = [Line2D([], [], color=c, marker='s' if kind == 'bars' else 'o', label=name,
                      linestyle='' if kind == 'bars' else '-') for name, c in colours.items()]
    if kind != 'layers':
        controls = [(c, m) for c, m in _markers(map(control_note, rows)).items() if c]
        handles += [Line2D([], [], color='white', marker='s' if kind == 'bars' else m, markeredgecolor=_GREY,
                           label=f'control: {c}') for c, m in controls]
        handles += [_dense_handle()] * bool(dense_rows(rows))
    seeds = sorted({group['n'] for group in average(rows, lambda row: 0.0)})
    if seeds[-1] > 1:
        count = '-'.join(map(str, dict.fromkeys([seeds[0], seeds[-1]])))
        handles.append(Line2D([], [], color=_GREY, marker='_' if kind == 'bars' else '|', markersize=11, linestyle='',
                              label=f'95% confidence, {count} seeds'))
    columns = int(13 * figure.get_figwidth() / (7 + max(len(h.get_label()) for h in handles)))
    figure.legend(handles=handles, loc='outside lower center', frameon=False, fontsize=9,
                  ncols=max(1, min(columns, len(handles))))


def _dense_handle() -> Line2D:
    return Line2D([], [], color=_GREY, linestyle='--', linewidth=1, label='dense')


def _curve_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    metrics = shown_metrics(rows, experiment)
    own: Grid = [[_curves(points_of(rows, partial(value, metric=m, y=experiment.y)), experiment, colours,
                          metric_title(m, experiment.y)) for m in metrics]]
    grid = _beside(own[0], _paper_panels(experiment, metrics, colours), metrics)
    looks = [row for row in rows if not is_dense(row) and row.get('iou') is not None]
    if not looks:
        return grid
    panel = _curves(points_of(looks, lambda row: row['iou'], dense=False), experiment, colours, paper.Y_LABELS['iou'])
    theirs = _paper_panels(experiment, metrics, colours, iou=True).get('')
    if len(grid[0]) == 1:
        return [[*grid[0], panel], *grid[1:]]
    return [*grid, [panel, *[None] * (len(grid[0]) - 2), theirs]]


def _bars_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    metrics = shown_metrics(rows, experiment)
    form = '{:+.1f}' if experiment.y == 'change' else '{:.3f}'
    own = [_bars(points_of(rows, partial(value, metric=m, y=experiment.y)), colours, form, 'this study',
                 metric_title(m, experiment.y)) for m in metrics]
    return _beside(own, _paper_panels(experiment, metrics, colours), metrics)


def _layers_grid(rows: Sequence[Row], experiment: Experiment, colours: Colours) -> Grid:
    names = list(dict.fromkeys(n for row in rows for n in row['layer_density']))
    points = [dict(point, x=i) for i, n in enumerate(names) for point in points_of(
        rows, lambda row: 100 * (1 - row['layer_density'].get(n, math.nan)), dense=False)]

    def panel(axes: Any) -> None:
        _draw_curves(axes, points, colours)
        axes.set_xticks(range(len(names)), [figures._short(n) for n in names], rotation=90, fontsize=8)
        _label(axes, 'this study', '', paper.Y_LABELS['pruned'])
    theirs = list(_paper_panels(experiment, [], colours).values())
    return [[(panel, 4.4)], *([p] for p in theirs)] if len(names) > 20 else [[(panel, 4.4), *theirs]]


def _beside(own: list[Panel], theirs: dict[str, Panel], metrics: Sequence[str]) -> Grid:
    """Put the paper's panel on the right if that makes three at most, else each under the metric it belongs to."""
    if len(theirs) <= 1 and len(own) + len(theirs) <= 3:
        return [[*own, *theirs.values()]]
    aligned = [theirs.get(paper.task_of(m)) for m in metrics]
    return [[*own], aligned if any(aligned) else list(theirs.values())]


def _paper_panels(experiment: Experiment, metrics: Sequence[str], colours: Colours, *,
                  iou: bool = False) -> dict[str, Panel]:
    if not experiment.reference:
        return {}
    tasks = paper.by_task(experiment.reference, metrics, iou=iou)
    return {task: _paper_panel(points, experiment, colours) for task, points in tasks.items()}


def _paper_panel(points: list[Point], experiment: Experiment, own: Colours) -> Panel:
    colours = _colours(p['name'] for p in points if not p['dense'])
    if set(colours) <= set(own):
        colours = own
    title = ', '.join(filter(None, ['paper', points[0]['task']]))
    y_label = paper.Y_LABELS[points[0]['quantity']]
    if experiment.kind == 'bars':
        spread = f' ({_BAND})' if any(math.isfinite(p['low']) for p in points) else ''
        return _bars(points, colours, '{:.2f}', title + spread, y_label)
    x_label = paper.REFERENCES[experiment.reference].x_label

    def panel(axes: Any) -> None:
        note = _draw_curves(axes, points, colours, band=True)
        _ticks(axes, [p['x'] for p in points if not p['dense']])
        _label(axes, title, x_label + note, y_label)
        handles = {label: h for h, label in zip(*axes.get_legend_handles_labels()) if label}
        last = {'dense': _dense_handle(), _BAND: handles.get(_BAND)}
        handles = {k: handles[k] for k in handles if k not in last} | {k: last[k] for k in last if k in handles}
        if handles:
            axes.legend(handles.values(), handles, loc='best', frameon=False, fontsize=8)
    return panel, 3.2


def _curves(points: list[Point], experiment: Experiment, colours: Colours, y_label: str) -> Panel:
    def panel(axes: Any) -> None:
        note = _draw_curves(axes, points, colours)
        _ticks(axes, [p['x'] for p in points if not p['dense']])
        _label(axes, 'this study', experiment.x_label + note, y_label)
    return panel, 3.2


def _draw_curves(axes: Any, points: list[Point], colours: Colours, *, band: bool = False) -> str:
    series: dict[tuple[str, str], list[Point]] = {}
    for point in (p for p in points if not p['dense'] and math.isfinite(p['x'])):
        series.setdefault((point['name'], point['control']), []).append(point)
    markers = _markers(p['control'] for p in points)
    for (name, control), line in series.items():
        if any(math.isfinite(p['y']) for p in line):
            x, y, low, high = ([p[k] for p in sorted(line, key=lambda p: p['x'])] for k in ('x', 'y', 'low', 'high'))
            axes.plot(x, y, marker=markers[control], linestyle='' if control else '-', color=colours[name],
                      markerfacecolor='white' if control else None, markersize=5, label=name)
            _draw_spread(axes, x, low, high, colours[name], band)
    return _draw_dense(axes.axhline, points, colours)


def _draw_spread(axes: Any, x: list[float], low: list[float], high: list[float], colour: str, band: bool) -> None:
    if any(map(math.isfinite, low)) and band:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, label=_BAND)
    elif any(map(math.isfinite, low)):
        half = [(b - a) / 2 for a, b in zip(low, high)]
        axes.errorbar(x, [a + h for a, h in zip(low, half)], half, fmt='none', ecolor=colour, elinewidth=1, capsize=3)


def _draw_dense(draw: Callable[..., Any], points: list[Point], colours: Colours) -> str:
    """Draw a line for each dense net; returns a note that tells apart those that no curve's colour does."""
    nets: dict[float, list[str]] = {}
    for point in points:
        if point['dense'] and math.isfinite(point['y']):
            nets.setdefault(point['y'], []).append(point['name'])
    own = {y: colours[names[0]] for y, names in nets.items() if len(names) == 1 and names[0] in colours}
    for y in nets:
        draw(y, color=own.get(y, _GREY), linestyle='--', linewidth=1, zorder=1.5, label='dense')
    grey = [f'{names[0].removesuffix(", dense")} {y:.4g}' for y, names in nets.items() if y not in own]
    return f'\n(dense: {"; ".join(grey)})' if len(grey) > 1 else ''


def _markers(controls: Iterable[str]) -> dict[str, str]:
    return {'': 'o', **dict(zip(dict.fromkeys(c for c in controls if c), itertools.cycle('sDv^P')))}


def _bars(points: list[Point], colours: Colours, form: str, title: str, x_label: str) -> Panel:
    having = {(p['name'], p['control']) for p in points if math.isfinite(p['y'])}  # others lack the task
    groups: dict[str, list[Point]] = {}
    for point in points:
        if not point['dense'] and (point['name'], point['control']) in having:
            groups.setdefault(point['label'], []).append(point)

    def panel(axes: Any) -> None:
        place, middles, near = 0.0, [], _limit(axes, points)
        for group in groups.values():
            for i, point in enumerate(group):
                _draw_bar(axes, place + i, point, colours[point['name']], form, near)
            middles.append(place + (len(group) - 1) / 2)
            place += len(group) + 0.4
        axes.set_yticks(middles, list(groups))
        axes.set_ylim(max(place, 1) - 0.7, -0.7)
        _label(axes, title, x_label + _draw_dense(axes.axvline, points, colours), '')
    return panel, 1.2 + 0.22 * sum(len(group) + 0.4 for group in groups.values())


def _draw_bar(axes: Any, place: float, point: Point, colour: str, form: str, near: bool) -> None:
    y, face = point['y'], 'white' if point['control'] else colour
    text = f'{control_note(point)} {form.format(y) if math.isfinite(y) else "-"}'.strip()
    axes.text(0.99, place, text, ha='right', va='center', fontsize=8, transform=axes.get_yaxis_transform())
    if near:  # bars that don't start at 0 would lie
        axes.plot(y, place, marker='s', markersize=7, markerfacecolor=face, color=colour)
    else:
        axes.barh(place, y, height=0.8, facecolor=face, edgecolor=colour, linewidth=1.2)
    if math.isfinite(point['low']):
        axes.plot([point['low'], point['high']], [place] * 2, color='black', linewidth=1)


def _limit(axes: Any, points: list[Point]) -> bool:
    """Leave room for the numbers on the right; returns whether the axis starts near the values, far from 0."""
    values = [v for p in points for v in (p['y'], p['low'], p['high']) if math.isfinite(v)] or [0]
    low, high = min(values), max(values)
    near = 0 < high < 1.25 * low and low < high
    low, high = (low, high) if near else (min(0, low), max(0, high))
    room = 0.05 * (high - low or 1)
    widest = max(len(control_note(p)) for p in points)
    axes.set_xlim(low - (room if low else 0), high + (5 + 0.7 * widest) * room)
    return near


def _ticks(axes: Any, x: Iterable[float]) -> None:
    places = sorted(set(x))
    gaps = [b - a for a, b in zip(places, places[1:])]
    if len(places) < 10 and (not gaps or min(gaps) > 0.09 * (places[-1] - places[0])):
        axes.set_xticks(places, [f'{p:.4g}' for p in places])
    else:
        whole = all(float(p).is_integer() for p in places)
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=whole))


def _label(axes: Any, title: str, x_label: str, y_label: str) -> None:
    if not axes.lines and not axes.patches:
        axes.text(0.5, 0.5, 'no value', ha='center', transform=axes.transAxes, color=_GREY)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
