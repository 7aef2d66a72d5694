"""What pruning costs small, rare, hard and oddly shaped objects (the paper's easy and hard)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from mmlth.analysis import object_groups as groups
from mmlth.analysis.measurements import DENSE, Measurement
from mmlth.analysis.object_groups import Group, Scores
from mmlth.analysis.predictions import Predictions, narrowed
from mmlth.analysis.trainings import Analysed

Loaded = Sequence[tuple[Analysed, Predictions]]
UNITS = dict.fromkeys(('size', 'shape', 'frequency', 'difficulty', 'category'), 'AP')


def measure_objects(loaded: Loaded) -> list[Measurement]:
    """Return the AP of every training by size, shape, frequency, difficulty and category."""
    tasks = dict.fromkeys(task for _, predictions in loaded for task in predictions.found)
    return [one for task in tasks for one in _of_task(loaded, task)]


def _of_task(loaded: Loaded, task: str) -> Iterator[Measurement]:
    having = [(training, narrowed(found, task)) for training, found in loaded
              if task in found.found]
    scores = [groups.per_category(found, task) for _, found in having]
    dense = {training.job: own for (training, _), own in zip(having, scores, strict=True)
             if training.label == DENSE}
    for (training, found), own in zip(having, scores, strict=True):
        objects = groups.count_objects(found, task)
        hardness = difficulty(dense, training.job)
        answers = {
            'size': groups.by_size(found, task),
            'shape': [] if task == 'keypoints' else groups.by_shape(found, task),
            'frequency': groups.in_thirds(own, found.training, groups.FREQUENCY, objects),
            'difficulty': groups.in_thirds(own, hardness, groups.DIFFICULTY, objects),
            'category': [Group(found.categories[n], ap, objects[n]) for n, ap in own.items()],
        }
        for question, answer in answers.items():
            for name, ap, count in answer:
                yield Measurement(
                    question=question, job=str(training.job), training=training.label, task=task,
                    item=name, value=ap, objects=count)


def difficulty(dense: Mapping[Path, Scores], job: Path) -> Scores:
    """Return category -> AP of the dense nets of the other jobs; of the job's own if it is alone.

    A category that is called hard for a low AP of the very net that it is then compared with would
    seem to gain by pruning: part of that AP was bad luck.
    """
    others = [scores for each, scores in dense.items() if each != job] or list(dense.values())
    return {
        category: fmean(scores[category] for scores in others)
        for category in (others[0] if others else {})
        if not any(math.isnan(scores[category]) for scores in others)
    }
