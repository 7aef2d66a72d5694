"""Run the tasks of a study on this machine, several at once, each in a process of its own."""
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mmlth.study.folder import StudyFolder
from mmlth.study.machine import Machine
from mmlth.study.plan import Study
from mmlth.study.progress import Progress
from mmlth.study.tasks import Task
from mmlth.study.worker import BUSY, worker_command

TICK = 0.05  # seconds between two looks at what runs
LOOK_AGAIN = 10.0  # seconds until a task that another process works on is looked at again


def run_tasks(
    study: Study,
    tasks: Mapping[str, Task],
    folder: StudyFolder,
    machine: Machine,
    data_root: str | None = None,
) -> dict[str, str]:
    """Run every task that isn't done, as soon as what it needs is done and a worker is free.

    A task that fails doesn't stop the others; those that need it are left out. A task that another
    process works on, of a second call on this or another host, is waited for.

    Args:
        study: Whose jobs the tasks are of.
        tasks: What a task needs comes before it; of tasks that may run, the first starts first.
        folder: Of the study.
        machine: What tasks may use.
        data_root: See :meth:`mmlth.study.study_job.StudyJob.read_config`.

    Returns:
        name -> what went wrong, for each task that failed or was left out; {} if all are done.

    Raises:
        KeyboardInterrupt: After all running tasks have ended; they go on at the next call.
    """
    folder.make()
    queue = _Queue(study, tasks, folder, machine, data_root)
    try:
        while queue.waiting or queue.running:
            queue.leave_out()
            queue.start()
            time.sleep(TICK)
            queue.collect()
    finally:
        queue.stop()
    return queue.failed


def end_on_sigterm() -> None:
    """Make SIGTERM end the study as Ctrl-C does, so that its tasks end first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass(frozen=True, kw_only=True)
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    worker: int
    start: float = field(default_factory=time.monotonic)


class _Queue:
    """The tasks that wait, run and have failed."""

    def __init__(
        self, study: Study, tasks: Mapping[str, Task], folder: StudyFolder, machine: Machine,
        data_root: str | None,
    ) -> None:
        self.study, self.folder, self.machine, self.data_root = study, folder, machine, data_root
        self.order = list(tasks.values())  # a task comes after what it needs
        self.waiting = [task for task in self.order if not folder.is_done(task)]
        self.running: list[_Running] = []
        self.failed: dict[str, str] = {}
        self.not_before: dict[str, float] = {}  # name of a task at which another process is -> when
        self.progress = Progress(tasks, folder)

    def leave_out(self) -> None:
        """Give up the tasks that need one that failed."""
        for task in list(self.waiting):  # in order: those that need one left out here follow
            missing = [name for name in task.needs if name in self.failed]
            if missing:
                self.waiting.remove(task)
                self.failed[task.name] = f'left out: it needs {", ".join(missing)}'
                self.folder.fail(task.name, self.failed[task.name])

    def start(self) -> None:
        """Start tasks for as long as one is ready and a worker free."""
        used = {each.worker for each in self.running}
        free = [worker for worker in range(self.machine.workers) if worker not in used]
        for task in self._ready() if free else ():
            if not free:
                return
            self.waiting.remove(task)
            if self.folder.is_done(task):
                self.progress.say(task.name, 'done by another process')
                continue
            if self.folder.is_running(task):  # a worker would only find that out after its start
                self._wait_for(task)
                continue
            worker = free.pop(0)
            process = self._start_worker(task, worker)
            self.running.append(_Running(task=task, process=process, worker=worker))

    def collect(self) -> None:
        """Take note of the tasks that have ended."""
        for each in [each for each in self.running if each.process.poll() is not None]:
            self.running.remove(each)
            self._note(each)

    def stop(self) -> None:
        """End all that runs."""
        for each in self.running:
            _interrupt(each.process)

    def _ready(self) -> list[Task]:
        now = time.monotonic()
        unfinished = {task.name for task in [*self.waiting, *(each.task for each in self.running)]}
        return [task for task in self.waiting
                if not unfinished & set(task.needs) and self.not_before.get(task.name, 0) <= now]

    def _start_worker(self, task: Task, worker: int) -> 'subprocess.Popen[bytes]':
        self.folder.write_task(task, self.study.jobs[task.job])
        command = worker_command(
            self.folder, task, data_root=self.data_root, processes=self.machine.gpus_per_job,
            ends_with=os.getpid())
        env = self.machine.environment(worker)
        with open(self.folder.log(task.name), 'a', encoding='utf-8') as log:
            return subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)

    def _note(self, ended: _Running) -> None:
        name, code = ended.task.name, ended.process.returncode
        seconds = time.monotonic() - ended.start
        if code == BUSY:
            self._wait_for(ended.task)
        elif code or not self.folder.is_done(ended.task):
            why = f'{self.folder.last_line(name)} (see {self.folder.log(name)})'
            self.failed[name] = why
            self.folder.fail(name, why)
            self.progress.say(name, f'FAILED: {why} in {seconds:.0f} s')
        else:
            self.progress.say(name, f'done in {seconds:.0f} s')

    def _wait_for(self, task: Task) -> None:
        """Put a task back that another process works on."""
        if task.name not in self.not_before:
            self.progress.say(task.name, 'another process works on it, waiting for that')
        self.not_before[task.name] = time.monotonic() + LOOK_AGAIN
        self.waiting.append(task)
        self.waiting.sort(key=self.order.index)


def _interrupt(process: 'subprocess.Popen[bytes]') -> None:
    """End a worker and its children: with a word first, and then for certain."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
