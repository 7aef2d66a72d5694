"""Loss and mAP along every training, and when it reaches what the dense net ended with."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlth.analysis.measurements import DENSE, Measurement
from mmlth.analysis.metrics import choose_main, metric_names, short_name
from mmlth.analysis.trainings import Analysed
from mmlth.core.masks import LOGGED_DENSITY

Points = list[tuple[float, float]]  # (optimizer steps done, value), by steps
_NO_METRICS = ('data_time', 'time', 'step')


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What MMEngine logged of a training.

    Attributes:
        loss: The total loss, averaged over the log's interval.
        metrics: Name -> the evaluations.
    """

    loss: Points
    metrics: dict[str, Points]


Followed = Sequence[tuple[Analysed, Curves]]


def follow(trainings: Sequence[Analysed]) -> list[tuple[Analysed, Curves]]:
    """Read the curves of trainings; raises as :func:`read_curves`."""
    return [(one, read_curves(one.log, one.record['steps'])) for one in trainings]


def read_curves(folder: Path, steps: int) -> Curves:
    """Read the scalars of a training, those of resumed parts together.

    Args:
        folder: Of the round; its ``*/vis_data/scalars.json`` are read, in the order they were
            begun in.
        steps: Optimizer steps of the whole training. The last evaluation is after them; epochs
            before it are of equal length.

    Raises:
        FileNotFoundError: The folder has no scalars.
        ValueError: A line isn't JSON; names the file.
    """
    files = sorted(folder.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(f'{folder} holds no vis_data/scalars.json, the log of its training')
    losses: dict[float, float] = {}
    evaluated: dict[float, dict[str, float]] = {}
    for line, iterations in _lines(files):
        if 'loss' in line:
            losses[line['step']] = line['loss']
        elif not any(name.startswith(LOGGED_DENSITY) for name in line):
            # An evaluation: its step is an epoch, or always 0 where there are none.
            metrics = {name: line[name] for name in line if name not in _NO_METRICS}
            evaluated[line['step'] or iterations] = metrics
    several_a_step = min(1.0, steps / max(losses, default=1))  # with accumulated gradients
    final = max(evaluated, default=1) or 1
    return Curves(
        loss=[(several_a_step * at, losses[at]) for at in sorted(losses)],
        metrics={name: [(steps * at / final, evaluated[at][name])
                        for at in sorted(evaluated) if name in evaluated[at]]
                 for name in metric_names(evaluated.values())})


def _lines(files: Sequence[Path]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield every line, with the iterations of the last line of training before it."""
    iterations = 0
    for path in files:
        for text in path.read_text(encoding='utf-8').splitlines():
            try:
                line = json.loads(text)
            except ValueError as error:
                raise ValueError(f'{path}: a line is not JSON ({error}): {text[:60]!r}') from error
            iterations = line['step'] if 'loss' in line else iterations
            yield line, iterations


def to_csv(followed: Followed) -> str:
    """Return every point of the curves as CSV: job, training, quantity, steps, value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['job', 'training', 'quantity', 'steps', 'value'])
    for one, curves in followed:
        for quantity, points in {'loss': curves.loss, **curves.metrics}.items():
            writer.writerows([one.job.name, one.label, quantity, f'{steps:g}', f'{value:g}']
                             for steps, value in points)
    return out.getvalue()


def steps_to_reach(points: Points, target: float) -> float:
    """Return the steps at the first evaluation that is at least ``target``; NaN if none is.

    >>> steps_to_reach([(100, 0.2), (200, 0.5), (300, 0.4)], 0.4)
    200
    """
    return next((steps for steps, value in points if value >= target), math.nan)


def dense_metrics(followed: Followed) -> dict[Path, dict[str, float]]:
    """Return job -> the main metrics that its dense net ended with."""
    found = {one.job: one.record['metrics'] for one, _ in followed if one.label == DENSE}
    return {job: {name: metrics[name] for name in choose_main(list(metrics))}
            for job, metrics in found.items()}


def measure_convergence(followed: Followed) -> list[Measurement]:
    """Return the steps that each training took to the mAP its job's dense net ended with."""
    found = []
    dense = dense_metrics(followed)
    for one, curves in followed:
        for metric, target in dense[one.job].items():
            points = curves.metrics.get(metric, [])
            values = {
                "steps to the dense net's mAP": (steps_to_reach(points, target), 'percent'),
                'steps in all': (one.record['steps'], 'none'),
                'evaluations': (len(points), 'none'),
            }
            found += [
                Measurement(question='convergence', job=str(one.job), training=one.label,
                            task=short_name(metric), item=item, value=value, shows=shows)
                for item, (value, shows) in values.items()]
    return found
