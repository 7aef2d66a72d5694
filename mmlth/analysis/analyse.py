"""Answer the questions that records, logs and dumped predictions can answer."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmlth.analysis import convergence, cost, errors, objects
from mmlth.analysis.convergence_figure import plot_convergence
from mmlth.analysis.errors import check_tide, measure_errors
from mmlth.analysis.group_bars import draw_groups
from mmlth.analysis.images import measure_images
from mmlth.analysis.images_figure import draw_images
from mmlth.analysis.measurements import Measurement, average, to_csv, to_markdown, to_text
from mmlth.analysis.objects import Loaded, measure_objects
from mmlth.analysis.predictions import load_predictions
from mmlth.analysis.style import save_figure
from mmlth.analysis.trainings import Analysed, find_trainings, with_predictions
from mmlth.core.choices import FROM_PREDICTIONS, QUESTIONS
from mmlth.core.files import write_json, write_text

_MEASURE: dict[str, Callable[[Loaded], list[Measurement]]] = {
    'images': measure_images,
    'objects': measure_objects,
    'errors': measure_errors,
}
UNITS = {**objects.UNITS, **errors.UNITS, **cost.UNITS}


def analyse(
    given: Sequence[str | Path], questions: Sequence[str] = QUESTIONS, *,
    out: str | Path | None = None, annotations: str | None = None,
    train_annotations: str | None = None,
) -> str:
    """Write ``analyses.csv``, ``.json``, ``.txt``, ``.md`` and figures; return the tables as text.

    The points of curves are in ``convergence.csv``.

    Args:
        given: Work directories, rounds or tickets, as for
            :func:`mmlth.analysis.trainings.find_trainings`.
        questions: Of :data:`mmlth.core.choices.QUESTIONS`.
        out: Folder; None takes ``report/`` of the first job.
        annotations: COCO file of the images, if not where the dump says.
        train_annotations: The same of the training data.

    Raises:
        FileNotFoundError: Predictions, annotations or logs are missing; says what makes them.
        RuntimeError: ``tidecv`` is needed and isn't installed.
        ValueError: What is given can't be compared.
    """
    trainings = find_trainings(given)
    asked = [name for name in FROM_PREDICTIONS if name in questions]
    dumped = with_predictions(trainings) if asked else []
    followed = convergence.follow(trainings) if 'convergence' in questions else []
    loaded = [(one, load_predictions(one.folder, annotations, train_annotations))
              for one in dumped]
    if 'errors' in questions:
        check_tide(loaded)
    answers = {name: _MEASURE[name](loaded) for name in asked}
    if 'cost' in questions:
        answers['cost'] = cost.measure_cost(trainings)
    folder = Path(out) if out else trainings[0].job / 'report'
    folder.mkdir(parents=True, exist_ok=True)
    for name, measured in answers.items():
        save_figure(_DRAW.get(name, _bars)(measured), folder / f'{name}.png')
    if followed:
        answers['convergence'] = convergence.measure_convergence(followed)
        write_text(folder / 'convergence.csv', convergence.to_csv(followed))
        plot_convergence(followed, folder / 'convergence.png')
    return _write(folder, [one for measured in answers.values() for one in measured], trainings)


def _bars(measured: Sequence[Measurement]) -> Figure:
    """Draw the questions that have a unit."""
    shown = [one for one in measured if one.question in UNITS]
    return draw_groups(average(shown), shown, UNITS)


_DRAW: dict[str, Callable[[Sequence[Measurement]], Figure]] = {'images': draw_images}


def _write(folder: Path, measured: list[Measurement], trainings: Sequence[Analysed]) -> str:
    means = average(measured)
    text = to_text(means)
    write_text(folder / 'analyses.csv', to_csv(means))
    write_json(folder / 'analyses.json', dict(
        jobs=list(dict.fromkeys(str(one.job) for one in trainings)),
        measured=[dataclasses.asdict(one) for one in measured]))
    write_text(folder / 'analyses.txt', text + '\n')
    write_text(folder / 'analyses.md', to_markdown(means))
    return text
