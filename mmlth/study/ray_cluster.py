"""Run the tasks of a study on a Ray cluster, which places them and tries lost ones again."""
import logging
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmlth.study.folder import StudyFolder
from mmlth.study.machine import Machine
from mmlth.study.plan import Study
from mmlth.study.progress import Progress
from mmlth.study.tasks import Task
from mmlth.study.worker import BUSY, worker_command

LOOK_AGAIN = 10.0  # seconds until a task that another process works on is looked at again
RETRIES = 100  # of a task whose worker or node is lost: it goes on where it was


def run_tasks(
    study: Study,
    tasks: Mapping[str, Task],
    folder: StudyFolder,
    machine: Machine,
    address: str,
    data_root: str | None = None,
) -> dict[str, str]:
    """Run every task that isn't done as a task of Ray's.

    Args:
        study: Whose jobs the tasks are of.
        tasks: What a task needs comes before it.
        folder: Of the study, on a file system that all nodes share.
        machine: GPUs and threads of every task; Ray decides where and how many run at once.
        address: Of the cluster; 'auto' is the one that runs here.
        data_root: See :meth:`mmlth.study.study_job.StudyJob.read_config`.

    Returns:
        name -> what went wrong, for each task that failed or was left out; {} if all are done.

    Raises:
        ValueError: Ray isn't installed, or there is no cluster at the address.
    """
    folder.make()
    ray = _connected(address)
    resources: dict[str, Any] = dict(
        num_cpus=max(1, machine.threads) * max(1, machine.gpus_per_job),
        num_gpus=machine.gpus_per_job)
    remote = ray.remote(**resources, max_retries=RETRIES)(run_task)
    refs: dict[str, Any] = {}
    for task in tasks.values():
        if folder.is_done(task):
            continue
        folder.write_task(task, study.jobs[task.job])
        needs = [refs[name] for name in task.needs if name in refs]
        refs[task.name] = remote.options(name=task.name).remote(
            str(folder.work_dir), task, machine.threads, machine.gpus_per_job, data_root, *needs)
    try:
        return _wait(ray, refs, Progress(tasks, folder))
    finally:
        for ref in refs.values():
            ray.cancel(ref, force=True)
        ray.shutdown()


def run_task(
    work_dir: str, task: Task, threads: int, processes: int, data_root: str | None, *needs: str,
) -> str:
    """Run a task on whatever node this is; return what went wrong, or ''.

    Args:
        work_dir: Folder of the study.
        task: To run.
        threads: Of torch per process; 0 leaves it to torch.
        processes: That train together.
        data_root: Where the data lies.
        needs: What went wrong with the tasks that it needs.
    """
    if any(needs):
        return f'left out: it needs {", ".join(task.needs)}'
    folder = StudyFolder(Path(work_dir))
    command = worker_command(
        folder, task, data_root=data_root, processes=processes, ends_with=os.getpid())
    env = {**os.environ, **({'OMP_NUM_THREADS': str(threads)} if threads else {})}
    while not folder.is_done(task):
        with open(folder.log(task.name), 'a', encoding='utf-8') as log:
            code = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, env=env).returncode
        if code == BUSY:  # what is left of it on a lost node, or a second call
            time.sleep(LOOK_AGAIN)
        elif code or not folder.is_done(task):
            return f'{folder.last_line(task.name)} (see {folder.log(task.name)})'
    return ''


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise ValueError("--executor ray needs Ray: pip install 'mmlth[ray]'") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ValueError(
            f'--ray-address {address}: no Ray cluster answers there ({error}). Start one with ray '
            'start --head, or give its address') from error
    return ray


def _wait(ray: Any, refs: Mapping[str, Any], progress: Progress) -> dict[str, str]:
    """Wait for every task; return those that failed."""
    names = {ref: name for name, ref in refs.items()}
    failed = {}
    while names:
        ready, _ = ray.wait(list(names), num_returns=1)
        for ref in ready:
            name = names.pop(ref)
            try:
                why = ray.get(ref)
            except ray.exceptions.RayError as error:
                why = f'lost {RETRIES} times: {str(error).splitlines()[0]}'
            if why:
                failed[name] = why
                progress.folder.fail(name, why)
            progress.say(name, f'FAILED: {why}' if why else 'done')
    return failed
