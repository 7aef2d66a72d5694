"""Run the jobs of a study, several at once, each in a process of its own."""
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from mmlth.study.folder import StudyFolder
from mmlth.study.machine import Machine
from mmlth.study.plan import Study
from mmlth.study.study_job import StudyJob
from mmlth.study.worker import BUSY

LOOK_AGAIN = 10.0  # seconds until a job that another process works on is looked at again


def run_jobs(
    study: Study,
    folder: StudyFolder,
    machine: Machine,
    data_root: str | None = None,
) -> dict[str, str]:
    """Run every job that isn't done, as soon as what it needs is done and a worker is free.

    A job that fails doesn't stop the others; those that need it are left out. A job that another
    process works on, of a second call on this or another host, is waited for.

    Returns:
        name -> what went wrong, for each job that failed or was left out; {} if all are done.

    Raises:
        KeyboardInterrupt: After all running jobs have ended; they go on at the next call.
    """
    folder.make()
    queue = _Queue(study, folder, machine, data_root)
    try:
        while queue.waiting or queue.running:
            queue.leave_out()
            queue.start()
            time.sleep(0.5)
            queue.collect()
    finally:
        queue.stop()
    return queue.failed


def end_on_sigterm() -> None:
    """Make SIGTERM end the study as Ctrl-C does, so that its jobs end first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass(frozen=True, kw_only=True)
class _Running:
    job: StudyJob
    process: subprocess.Popen[bytes]
    worker: int
    start: float = field(default_factory=time.monotonic)


class _Queue:
    """The jobs that wait, run and have failed."""

    def __init__(
        self, study: Study, folder: StudyFolder, machine: Machine, data_root: str | None,
    ) -> None:
        self.folder, self.machine, self.data_root = folder, machine, data_root
        self.order = list(study.jobs.values())  # a job comes after what it needs
        self.waiting = [job for job in self.order if not folder.is_done(job)]
        self.running: list[_Running] = []
        self.failed: dict[str, str] = {}
        self.not_before: dict[str, float] = {}  # name of a job at which another process is -> when
        self.progress = _Progress(study, folder)

    def leave_out(self) -> None:
        """Give up the jobs that need one that failed."""
        for job in list(self.waiting):  # in order, so that those that need one left out here follow
            missing = [name for name in job.needs if name in self.failed]
            if missing:
                self.waiting.remove(job)
                self.failed[job.name] = f'left out: it needs {", ".join(missing)}'

    def start(self) -> None:
        """Start jobs for as long as one is ready and a worker free."""
        for job in self._ready():
            used = {each.worker for each in self.running}
            free = [worker for worker in range(self.machine.workers) if worker not in used]
            if not free:
                return
            if self.folder.is_done(job):
                self.waiting.remove(job)
                self.progress.say(job.name, 'done by another process')
                continue
            self.waiting.remove(job)
            process = self._start_worker(job, free[0])
            self.running.append(_Running(job=job, process=process, worker=free[0]))

    def collect(self) -> None:
        """Take note of the jobs that have ended."""
        for each in [each for each in self.running if each.process.poll() is not None]:
            self.running.remove(each)
            self._note(each)

    def stop(self) -> None:
        """End all that runs."""
        for each in self.running:
            _interrupt(each.process)

    def _ready(self) -> list[StudyJob]:
        now = time.monotonic()
        unfinished = {job.name for job in self.waiting} | {each.job.name for each in self.running}
        return [job for job in self.waiting
                if not unfinished & set(job.needs) and self.not_before.get(job.name, 0) <= now]

    def _start_worker(self, job: StudyJob, worker: int) -> 'subprocess.Popen[bytes]':
        self.folder.write_job(job)
        command = [sys.executable, '-m', 'mmlth.study.worker', str(self.folder.work_dir), job.name,
                   '--study', str(os.getpid())]
        if self.data_root:
            command += ['--data-root', self.data_root]
        if self.machine.gpus_per_job > 1:
            command += ['--processes', str(self.machine.gpus_per_job)]
        env = self.machine.environment(worker)
        with open(self.folder.log(job.name), 'a', encoding='utf-8') as log:
            return subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)

    def _note(self, ended: _Running) -> None:
        name, code = ended.job.name, ended.process.returncode
        seconds = time.monotonic() - ended.start
        if code == BUSY:
            self._wait_for(ended.job)
        elif code or not self.folder.is_done(ended.job):
            why = f'{self.folder.last_line(name)} (see {self.folder.log(name)})'
            self.failed[name] = why
            self.progress.say(name, f'FAILED: {why} in {seconds:.0f} s')
        else:
            self.progress.say(name, f'done in {seconds:.0f} s')

    def _wait_for(self, job: StudyJob) -> None:
        """Put a job back that another process works on."""
        if job.name not in self.not_before:
            self.progress.say(job.name, 'another process works on it, waiting for that')
        self.not_before[job.name] = time.monotonic() + LOOK_AGAIN
        self.waiting.append(job)
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


class _Progress:
    """Print a line for every job that ends, with the trainings left and how long they take."""

    def __init__(self, study: Study, folder: StudyFolder) -> None:
        self.study, self.folder = study, folder
        self.start, self.first = time.monotonic(), self.left()

    def left(self) -> int:
        return sum(len(job.own_trainings) for job in self.study.jobs.values()
                   if not self.folder.is_done(job))

    def say(self, name: str, state: str) -> None:
        left = self.left()
        done = self.first - left
        seconds = time.monotonic() - self.start
        eta = f', about {seconds / done * left / 60:.0f} min' if done else ''
        clock = time.strftime('%H:%M:%S')
        print(f'{clock} {name}: {state}; {left} trainings left{eta}', flush=True)
