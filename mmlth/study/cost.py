"""What the trainings of a study will take, from those that are finished or from ten steps."""
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median

from mmengine.config import Config
from mmengine.runner import Runner

from mmlth.core.quiet import quiet
from mmlth.core.training import Training
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import Study
from mmlth.study.study_job import StudyJob
from mmlth.study.tasks import Task

STEPS = 10  # that a probe times, after two that warm up


def estimate(
    study: Study, tasks: Mapping[str, Task], folder: StudyFolder, *, data_root: str | None = None,
    probe: bool = False,
) -> str:
    """Say in a line how long what is left takes, one training at a time.

    Args:
        study: Of which something is left.
        tasks: Its tasks.
        folder: Of the study.
        data_root: Where the data lies, for a probe.
        probe: Time steps of the configs of which nothing is finished.
    """
    seconds = _seconds_by_config(study, tasks, folder)
    left = {_config_of(study.jobs[task.job]): study.jobs[task.job]
            for task in tasks.values() if not folder.is_done(task)}
    if probe:
        seconds = {**{name: probe_seconds(job.read_config(data_root))
                      for name, job in left.items() if name not in seconds}, **seconds}
    unknown = [_shown(job) for name, job in left.items() if name not in seconds]
    if unknown:
        return (f'hours: unknown for {", ".join(dict.fromkeys(unknown))}, of which nothing is '
                'finished; --probe times ten steps')
    return (f'about {hours_left(study, tasks, folder, seconds):.1f} h, one training at a time '
            '(evaluation aside where steps were timed)')


def hours_left(
    study: Study, tasks: Mapping[str, Task], folder: StudyFolder,
    seconds: Mapping[str, float] | None = None,
) -> float:
    """Return the hours that what is left takes, as far as it is known.

    Args:
        study: Of which something is left.
        tasks: Its tasks.
        folder: Of the study.
        seconds: Config -> seconds of a training of its own length; None takes finished ones.
    """
    known = _seconds_by_config(study, tasks, folder) if seconds is None else seconds
    total = 0.0
    for task in tasks.values():
        one = known.get(_config_of(study.jobs[task.job]), 0.0)
        store = folder.store(task.job)
        total += sum(one * training.stretch for training in task.trainings
                     if training.key not in task.shared and not store.finished(training))
    return total / 3600


def _seconds_by_config(
    study: Study, tasks: Mapping[str, Task], folder: StudyFolder,
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for task in tasks.values():
        store, config = folder.store(task.job), _config_of(study.jobs[task.job])
        found.setdefault(config, []).extend(
            store.record(training).seconds / training.stretch for training in task.trainings
            if _is_whole(task, training) and store.finished(training))
    return {config: fmean(seconds) for config, seconds in found.items() if seconds}


def _is_whole(task: Task, training: Training) -> bool:
    return training.key not in task.shared and training.early_bird is None


def _config_of(job: StudyJob) -> str:
    return json.dumps([job.config, job.cfg_options], sort_keys=True, default=str)


def _shown(job: StudyJob) -> str:
    given = ' '.join(f'{key}={value}' for key, value in job.cfg_options.items())
    return f'{job.config} (with {given})' if given else job.config


def probe_seconds(cfg: Config) -> float:
    """Return the seconds of a training, from :data:`STEPS` of its steps on this machine.

    Args:
        cfg: A training config. Evaluation isn't timed, and nothing is left on the disk.
    """
    with tempfile.TemporaryDirectory() as folder, quiet():
        # MMEngine finds loggers and visualizers by the name of the experiment.
        own = dict(work_dir=folder, experiment_name=Path(folder).name)
        cfg = Config({**cfg.to_dict(), **own})
        runner = Runner.from_cfg(cfg)
        loop = runner.build_train_loop(cfg.train_cfg)
        runner.model.train()
        optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
        seconds: list[float] = []
        batches = iter(loop.dataloader)
        while len(seconds) < STEPS + 2:
            start = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                batches = iter(loop.dataloader)
                continue
            runner.model.train_step(batch, optim_wrapper=optim_wrapper)
            seconds.append(time.monotonic() - start)
        return median(seconds[2:]) * loop.max_iters
