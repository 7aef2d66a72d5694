"""Run the jobs of a study, several at once, each in a process of its own."""
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from mmlth.core.files import lock_folder, write_json
from mmlth.study.jobs import Job
from mmlth.study.plan import Study


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What jobs may use.

    Attributes:
        workers: Jobs that run at once, at least 1.
        gpus_per_job: GPUs of each, dealt out in order; 0 leaves the choice to torch.
        threads: Threads of torch per process on a CPU; 0 leaves it to torch. One thread a worker does
            the most work where workers share cores.
    """

    workers: int = 1
    gpus_per_job: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least in dict(workers=1, gpus_per_job=0, threads=0).items():
            if getattr(self, name) < least:
                raise ValueError(f'--{name.replace("_", "-")} {getattr(self, name)}: must be at least {least}')


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    worker: int
    start: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Names the files of a study below its work directory."""

    work_dir: Path

    def job(self, job: Job | str) -> Path:
        """Work directory of a job."""
        return self.work_dir / 'jobs' / (job if isinstance(job, str) else job.name)

    def spec(self, job: Job) -> Path:
        return self.job(job).with_name(f'{job.name}.json')

    def log(self, job: Job) -> Path:
        return self.job(job).with_name(f'{job.name}.log')

    def ticket(self, job: Job) -> Path:
        """Ticket that was carried over from another job."""
        return self.job(job).with_name(f'{job.name}.safetensors')


def describe(job: Job, folder: Folder, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the process of a job reads; ``common`` holds the study's data_root."""
    return dict(
        config=job.config, cfg_options=job.cfg_options, data_root=common.get('data_root'), settings=job.settings,
        transfer=job.transfer, source=str(folder.job(job.source)) if job.source else '',
        ticket=str(folder.ticket(job)), capture=list(job.capture), work_dir=str(folder.job(job)),
        dense_from=str(folder.job(job.dense)) if job.dense else None)


def run_jobs(study: Study, work_dir: Path, machine: Machine, common: Mapping[str, Any]) -> dict[str, str]:
    """Run every job that isn't done, in order, as soon as what it needs is done and a worker is free.

    A job that fails doesn't stop the others; those that need it are left out.

    Returns:
        name -> what went wrong, for each job that failed or was left out; {} if all are done.

    Raises:
        BlockingIOError: Another process runs a study there.
        KeyboardInterrupt: After all running jobs have ended; they go on at the next call.
    """
    folder = Folder(work_dir=work_dir.absolute())
    folder.job('').mkdir(parents=True, exist_ok=True)
    lock = lock_folder(folder.work_dir / '.lock')
    waiting = [job for job in study.jobs.values() if not job.is_done(folder.job(job))]
    progress = _Progress(study, folder)
    running: list[_Running] = []
    failed: dict[str, str] = {}
    try:
        while waiting or running:
            _leave_out(waiting, failed)
            _start_ready(waiting, running, folder, machine, common)
            time.sleep(0.5)
            for each in [r for r in running if r.process.poll() is not None]:
                running.remove(each)
                if each.process.returncode or not each.job.is_done(folder.job(each.job)):
                    failed[each.job.name] = f'{_last_line(folder.log(each.job))} (see {folder.log(each.job)})'
                progress.say(each, failed)
    finally:
        for each in running:
            _interrupt(each.process)
        lock.close()
    return failed


def end_on_sigterm() -> None:
    """Make SIGTERM end the study as Ctrl-C does, so that its jobs end first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _leave_out(waiting: list[Job], failed: dict[str, str]) -> None:
    for job in list(waiting):  # in order, so that those that need one left out here are left out too
        missing = [name for name in job.needs if name in failed]
        if missing:
            waiting.remove(job)
            failed[job.name] = f'left out: it needs {", ".join(missing)}'


def _start_ready(waiting: list[Job], running: list[_Running], folder: Folder, machine: Machine,
                 common: Mapping[str, Any]) -> None:
    open_names = {job.name for job in waiting} | {r.job.name for r in running}
    for job in [job for job in waiting if not open_names & set(job.needs)]:
        free = sorted(set(range(machine.workers)) - {r.worker for r in running})
        if not free:
            return
        waiting.remove(job)
        write_json(folder.spec(job), describe(job, folder, common))
        running.append(_Running(job, _start(job, folder, machine, free[0]), free[0]))


def _start(job: Job, folder: Folder, machine: Machine, worker: int) -> subprocess.Popen:
    env, gpus = dict(os.environ), machine.gpus_per_job
    if machine.threads:
        env['OMP_NUM_THREADS'] = str(machine.threads)
    command = [sys.executable, '-m', 'mmlth.study.job', str(folder.spec(job)), '--study', str(os.getpid())]
    if gpus:
        env['CUDA_VISIBLE_DEVICES'] = ','.join(map(str, range(worker * gpus, (worker + 1) * gpus)))
    if gpus > 1:
        command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={gpus}',
                   *command[1:], '--launcher', 'pytorch']
    with open(folder.log(job), 'a', encoding='utf-8') as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)


def _interrupt(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        process.kill()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding='utf-8', errors='replace').splitlines() if line.strip()]
    return lines[-1] if lines else 'it printed nothing'


class _Progress:
    """Print a line for every job that ends, with the trainings left and an estimate of their time."""

    def __init__(self, study: Study, folder: Folder) -> None:
        self.study, self.folder = study, folder
        self.start, self.first = time.monotonic(), self.left()

    def left(self) -> int:
        return sum(len(job.trainings()) for job in self.study.jobs.values()
                   if not job.is_done(self.folder.job(job)))

    def say(self, ended: _Running, failed: Mapping[str, str]) -> None:
        left = self.left()
        seconds, done = time.monotonic() - self.start, self.first - left
        eta = f', about {seconds / done * left / 60:.0f} min' if done else ''
        state = f'FAILED: {failed[ended.job.name]}' if ended.job.name in failed else 'done'
        print(f'{time.strftime("%H:%M:%S")} {ended.job.name}: {state} in {time.monotonic() - ended.start:.0f} s; '
              f'{left} trainings left{eta}', flush=True)
