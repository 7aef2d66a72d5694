"""The graph of a study: what one process trains at a time, and what must be done before."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from mmlth.core.training import Key, Training
from mmlth.study.plan import Study
from mmlth.study.study_job import StudyJob


@dataclass(frozen=True, kw_only=True)
class Task:
    """Describe what one process trains: the rounds of a job one after the other, or a control.

    Attributes:
        name: Of the task; that of its job, with the control's if it is one.
        job: Name of the job.
        trainings: In order. Those that an earlier task does for another job are taken over.
        needs: Names of the tasks that must be done before.
        shared: Keys of the trainings that are taken over.
        tested: Trainings whose predictions must be kept.
    """

    name: str
    job: str
    trainings: tuple[Training, ...]
    needs: tuple[str, ...] = ()
    shared: frozenset[Key] = frozenset()
    tested: tuple[Training, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys of its trainings, in order."""
        return tuple(training.key for training in self.trainings)

    @property
    def count(self) -> int:
        """Trainings that it does itself."""
        return len(self.trainings) - len(self.shared)

    @property
    def length(self) -> int:
        """How long it trains, in trainings as long as the config says."""
        return sum(each.stretch for each in self.trainings if each.key not in self.shared)


def list_tasks(study: Study) -> dict[str, Task]:
    """Return name -> task of every job, what a task needs before it.

    Equal trainings of several jobs are done by the first that lists them.
    """
    done_by: dict[str, str] = {}  # id of a training -> task
    found: dict[str, Task] = {}
    for job in study.jobs.values():
        for task in _tasks_of(job):
            ids = study.ids.get(job.name, {})
            owners = {key: done_by[ids[key]] for key in task.keys if ids.get(key) in done_by}
            shared = {*owners, *([(0, '')] if job.dense and (0, '') in task.keys else [])}
            before = [name for name in task.needs if name in study.jobs]  # others are left out
            needs = dict.fromkeys([*before, *owners.values()])
            found[task.name] = Task(
                name=task.name, job=task.job, trainings=task.trainings, needs=tuple(needs),
                shared=frozenset(shared), tested=task.tested)
            done_by.update({ids[key]: task.name for key in task.keys
                            if key in ids and key not in shared})
    return found


def longest_first(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Return the tasks in the order that fills many workers best.

    First comes what has the longest chain of training to be done from its beginning on (highest
    level first with estimated times: Adam, Chandy and Dickson, Communications of the ACM, 1974).

    Args:
        tasks: What a task needs comes before it.
    """
    behind = dict.fromkeys(tasks, 0)  # name -> the longest chain that waits for its end
    for task in reversed(list(tasks.values())):
        for name in task.needs:
            behind[name] = max(behind[name], task.length + behind[task.name])
    levels = {name: task.length + behind[name] for name, task in tasks.items()}
    return {name: tasks[name] for name in sorted(tasks, key=levels.__getitem__, reverse=True)}


def levels(tasks: Mapping[str, Task]) -> list[list[Task]]:
    """Return the tasks that may run at once: those of the first level need nothing, and so on."""
    sorter = TopologicalSorter({task.name: task.needs for task in tasks.values()})
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        found.append([task for name, task in tasks.items() if name in ready])
        sorter.done(*ready)
    return found


def _tasks_of(job: StudyJob) -> Iterator[Task]:
    """Yield the rounds of a job as one task, then a task for each control."""
    rounds = tuple(training for training in job.trainings if not training.label)
    tested = job.compared if job.predictions else ()
    yield Task(name=job.name, job=job.name, trainings=rounds, needs=job.needs, tested=tested)
    for training in job.trainings:
        if training.label:
            name = f'{job.name}__round_{training.number:02d}_{training.label}'
            yield Task(name=name, job=job.name, trainings=(training, ), needs=(job.name, ))
