"""Verdicts of a study in the visualizer backends of its configs."""
from collections.abc import Mapping
from pathlib import Path

from mmlth.analysis.verdict import Verdict
from mmlth.analysis.verdicts import Point, scalars_of
from mmlth.engine.scalars import add_scalars
from mmlth.study.plan import Study


def send(study: Study, name: str, judged: Mapping[Point, Verdict], folder: Path) -> None:
    """Send the verdicts of an experiment, once for each config, to where its trainings log.

    Args:
        study: Whose jobs name the configs.
        name: Of the experiment.
        judged: From :func:`mmlth.analysis.verdicts.verdicts`.
        folder: For backends that write files; each config gets one in it.
    """
    jobs = {Path(job.config).stem: job for job in study.jobs.values()}
    for config in dict.fromkeys(point[0] for point in judged):
        own = {point: verdict for point, verdict in judged.items() if point[0] == config}
        title = f'{name}_{config}'
        add_scalars(jobs[config].read_config(), folder / title, title, scalars_of(own))
