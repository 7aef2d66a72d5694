"""What became of each task of a study, for people."""
from collections.abc import Mapping

from mmlth.core.tables import format_table
from mmlth.study.cost import hours_left
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import Study
from mmlth.study.tasks import Task

DONE, RUNNING, FAILED, WAITING = STATES = ('done', 'running', 'failed', 'waiting')


def state_of(task: Task, folder: StudyFolder) -> str:
    """Tell what became of a task: one of :data:`STATES`.

    One that failed is said to wait again as soon as it is tried again.
    """
    if folder.is_done(task):
        return DONE
    if folder.is_running(task):
        return RUNNING
    return FAILED if folder.failure(task.name) else WAITING


def is_over(tasks: Mapping[str, Task], folder: StudyFolder) -> bool:
    """Tell whether nothing more will happen by itself."""
    states = {state_of(task, folder) for task in tasks.values()}
    return states <= {DONE, FAILED}


def format_status(study: Study, tasks: Mapping[str, Task], folder: StudyFolder) -> str:
    """Draw a line for every task that isn't done, and a summary."""
    states = {name: state_of(task, folder) for name, task in tasks.items()}
    rows = [[name, states[name], _so_far(task, folder), folder.failure(name)[:80]]
            for name, task in tasks.items() if states[name] != DONE]
    counts = ', '.join(f'{list(states.values()).count(state)} {state}' for state in STATES)
    running = max(1, list(states.values()).count(RUNNING))
    hours = hours_left(study, tasks, folder)
    eta = f'; about {hours / running:.1f} h left' if hours else ''
    table = format_table(['task', 'state', 'trainings', 'why'], rows, left=['task', 'state', 'why'])
    return f'{table}\n\n{counts}{eta}' if rows else f'{counts}{eta}'


def _so_far(task: Task, folder: StudyFolder) -> str:
    store = folder.store(task.job)
    return f'{sum(map(store.finished, task.trainings))} of {len(task.trainings)}'


def format_plan(study: Study, tasks: Mapping[str, Task], folder: StudyFolder) -> str:
    """List every task with its trainings, those that are done marked, and who shows its job."""
    lines = [_plan_line(study, task, folder) for task in tasks.values()]
    total = sum(task.count for task in tasks.values())
    points = [point for several in study.points.values() for point in several]
    alone = sum(len(study.jobs[point.job].trainings) for point in points)
    return '\n'.join([
        *lines, '',
        f'{len(study.jobs)} jobs, {len(tasks)} tasks, {total} trainings '
        f'(without sharing: {alone})'])


def _plan_line(study: Study, task: Task, folder: StudyFolder) -> str:
    shared = f', {len(task.shared)} shared' if task.shared else ''
    to_do = f'{task.count} to train{shared}{", predictions to keep" if task.tested else ""}'
    mark = 'done' if folder.is_done(task) else to_do
    shown = [name for name, points in study.points.items()
             if any(point.job == task.job for point in points)]
    return f'{task.name}  [{mark}]  {", ".join(shown) or "for others"}'
