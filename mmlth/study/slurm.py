"""Run the tasks of a study as Slurm jobs, which wait for each other by --dependency=afterok."""
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmlth.core.files import locked_folder, read_json, write_json
from mmlth.study.folder import StudyFolder
from mmlth.study.machine import Machine
from mmlth.study.plan import Study
from mmlth.study.progress import Progress
from mmlth.study.tasks import Task
from mmlth.study.worker import BUSY, worker_command

LOOK_AGAIN = 10.0  # seconds between two looks at the queue
SHOWN_WITHIN = 90.0  # seconds; network file systems show a new file up to a minute late
TRIES = 360  # of squeue while tasks run: an hour without its server ends nothing
REQUEUES = 1000  # of a task that runs out of time: it goes on where it was


class SlurmTask:
    """What a Slurm job does: run a task, or go on with it after a requeue.

    Args:
        command: Of the task.
        log: File that it prints to.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log

    def __call__(self) -> None:
        """Run the task; wait while another process works on it."""
        while (code := self._run()) == BUSY:
            time.sleep(LOOK_AGAIN)
        if code:
            raise RuntimeError(f'the task ended with code {code}, see {self.log}')

    def _run(self) -> int:
        with open(self.log, 'a', encoding='utf-8') as log:
            return subprocess.run(self.command, stdout=log, stderr=subprocess.STDOUT).returncode

    def checkpoint(self) -> Any:
        """Return what Slurm shall run when the job is preempted or out of time: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_tasks(
    study: Study,
    tasks: Mapping[str, Task],
    folder: StudyFolder,
    machine: Machine,
    options: Mapping[str, Any],
    data_root: str | None = None,
) -> dict[str, str]:
    """Put every task that isn't done into the queue, and wait until all have ended.

    The caller may exit at any time: what is in the queue runs on, and the next call waits for it.

    Args:
        study: Whose jobs the tasks are of.
        tasks: What a task needs comes before it.
        folder: Of the study, on a file system that all nodes share.
        machine: GPUs and threads of every task; Slurm decides how many run at once.
        options: Of sbatch, such as ``dict(partition='gpu', time=720)``, as submitit names them.
        data_root: See :meth:`mmlth.study.study_job.StudyJob.read_config`.

    Returns:
        name -> what went wrong, for each task that failed or was left out; {} if all are done.

    Raises:
        ValueError: submitit or Slurm isn't installed, or an unknown option; lists the known ones.
    """
    folder.make()
    with locked_folder(_own(folder) / '.lock'):
        waiting = _submit(study, tasks, folder, _executor(folder, machine, options), data_root)
    print(f'{len(waiting)} tasks are in the queue. They run on if this process ends; the same '
          'command waits for them again', flush=True)
    return _wait(waiting, tasks, folder)


def _own(folder: StudyFolder) -> Path:
    """Return the folder of what submitit and we note of the queue."""
    own = folder.work_dir / 'slurm'
    own.mkdir(exist_ok=True)
    return own


def _executor(folder: StudyFolder, machine: Machine, options: Mapping[str, Any]) -> Any:
    try:
        from submitit import SlurmExecutor
    except ImportError as error:
        raise ValueError("--executor slurm needs submitit: pip install 'mmlth[slurm]'") from error
    if not SlurmExecutor.affinity() > 0:
        raise ValueError('--executor slurm: there is no srun here. Give the command on a node of '
                         'the cluster from which jobs can be submitted')
    executor = SlurmExecutor(_own(folder), max_num_timeout=REQUEUES)
    known = sorted(SlurmExecutor._valid_parameters())
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f'--slurm {" ".join(unknown)}: unknown options; known are {known}')
    own: dict[str, Any] = dict(cpus_per_task=max(1, machine.threads))
    if machine.gpus_per_job:
        own['gpus_per_node'] = machine.gpus_per_job
    if machine.threads:
        own['setup'] = [f'export OMP_NUM_THREADS={machine.threads}']
    executor.update_parameters(**{**own, **options})
    return executor


def _submit(
    study: Study, tasks: Mapping[str, Task], folder: StudyFolder, executor: Any,
    data_root: str | None,
) -> dict[str, str]:
    """Submit what is neither done nor in the queue; return task -> its Slurm job, in order."""
    queued = _queue()
    found: dict[str, str] = {}
    for task in tasks.values():
        if folder.is_done(task):
            continue
        note = _own(folder) / f'{task.name}.json'
        known = read_json(note)['job'] if note.exists() else ''
        folder.write_task(task, study.jobs[task.job])  # of one in the queue too: it reads it late
        if known not in queued:
            after = [found[name] for name in task.needs if name in found]
            known = _submit_one(task, folder, executor, after, data_root)
            write_json(note, dict(job=known))
        found[task.name] = known
    return found


def _submit_one(
    task: Task, folder: StudyFolder, executor: Any, after: list[str], data_root: str | None,
) -> str:
    from submitit.core.utils import FailedJobError

    processes = int(executor.parameters.get('gpus_per_node', 1))
    command = worker_command(folder, task, data_root=data_root, processes=processes)
    dependency = dict(dependency=f'afterok:{":".join(after)}') if after else dict(dependency=None)
    executor.update_parameters(
        job_name=task.name[:60], **dependency,
        additional_parameters={'kill_on_invalid_dep': 'yes', 'requeue': True})
    try:
        return str(executor.submit(SlurmTask(command, folder.log(task.name))).job_id)
    except FailedJobError as error:
        raise ValueError(f'sbatch refused {task.name}: {str(error).strip()}') from error


def _queue(tries: int = 1) -> set[str]:
    """Return the Slurm jobs of this user that wait or run.

    Raises:
        ValueError: squeue has failed as often as it may.
    """
    for left in reversed(range(tries)):
        done = subprocess.run(
            ['squeue', '--me', '--noheader', '--format=%A'], capture_output=True, text=True)
        if not done.returncode:
            break
        if not left:
            raise ValueError(f'squeue failed: {done.stderr.strip()}')
        time.sleep(LOOK_AGAIN)
    return set(done.stdout.split())


def _wait(
    waiting: dict[str, str], tasks: Mapping[str, Task], folder: StudyFolder,
) -> dict[str, str]:
    """Wait until every task is done, or has left the queue without its records."""
    progress = Progress(tasks, folder)
    failed: dict[str, str] = {}
    gone: dict[str, float] = {}  # task that has left the queue -> when
    while waiting:
        queued = _queue(TRIES)
        for name, job in list(waiting.items()):
            if folder.is_done(tasks[name]):
                progress.say(name, 'done')
            elif job in queued:
                gone.pop(name, None)  # a task that is queued again
                continue
            elif time.monotonic() < gone.setdefault(name, _deadline()):
                continue
            else:
                failed[name] = _why(name, tasks[name], failed, folder)
                folder.fail(name, failed[name])
                progress.say(name, f'FAILED: {failed[name]}')
            del waiting[name]
        if waiting:
            time.sleep(LOOK_AGAIN)
    return failed


def _deadline() -> float:
    return time.monotonic() + SHOWN_WITHIN


def _why(name: str, task: Task, failed: Mapping[str, str], folder: StudyFolder) -> str:
    missing = [need for need in task.needs if need in failed]
    if missing:
        return f'left out: it needs {", ".join(missing)}'
    if not folder.log(name).exists():
        return f'Slurm ended it before it began (see {_own(folder)})'
    return f'{folder.last_line(name)} (see {folder.log(name)})'
