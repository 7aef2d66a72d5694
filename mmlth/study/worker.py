"""Run one task of a study in a process of its own: ``python -m mmlth.study.worker DIR TASK``."""
import argparse
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from mmlth.analysis.report import write_report
from mmlth.engine.launch import stop_launcher
from mmlth.job.imp_runner import IMPRunner
from mmlth.study.carry import carry_ticket
from mmlth.study.folder import StudyFolder
from mmlth.study.predictions import keep_predictions
from mmlth.study.study_job import StudyJob
from mmlth.study.tasks import Task

BUSY = os.EX_TEMPFAIL  # exit code: another process works on it, so look again later


def worker_command(
    folder: StudyFolder, task: Task, *, data_root: str | None, processes: int, ends_with: int = 0,
) -> list[str]:
    """Return the command that runs a task.

    Args:
        folder: Of the study, where the task is described.
        task: To run.
        data_root: See :meth:`mmlth.study.study_job.StudyJob.read_config`.
        processes: That train together, a GPU each; 0 and 1 are one.
        ends_with: Process whose end ends the task, or 0.
    """
    command = [sys.executable, '-m', 'mmlth.study.worker', str(folder.work_dir), task.name]
    if ends_with:
        command += ['--study', str(ends_with)]
    if data_root:
        command += ['--data-root', data_root]
    if processes > 1:
        command += ['--processes', str(processes)]
    return command


def run(folder: StudyFolder, task: str, data_root: str | None, launcher: str) -> None:
    """Carry the job's ticket over if it has a source, then train what isn't trained yet.

    Args:
        folder: Of the study.
        task: Name of one of its tasks; what it needs is done.
        data_root: See :meth:`mmlth.study.study_job.StudyJob.read_config`.
        launcher: 'none' or 'pytorch'.

    Raises:
        BlockingIOError: Another process works on the task, or on the whole job.
        ValueError, OSError, RuntimeError: What goes wrong with it.
    """
    job, keys = folder.read_task(task)
    cfg = job.read_config(data_root)
    given: dict[str, Any] = {}
    store = folder.store(job.name)
    if job.dense and not store.finished(job.trainings[0]):  # else it may be there no more
        given['dense_from'] = str(folder.store(job.dense).work_dir)
    if job.source:
        given['ticket'] = str(_carried(job, cfg, folder))
    runner = IMPRunner(
        cfg, job.imp_settings(**given), store.work_dir, launcher=launcher, finder=folder.find)
    runner.run(only=keys)
    barrier()
    if is_main_process():
        for training in filter(store.finished, runner.work.trainings):
            folder.note(job.name, store.record(training).id)
    if job.predictions and all(map(store.finished, job.compared)):
        keep_predictions(folder, job, data_root, launcher)
    if is_main_process() and folder.is_done(job):
        print(write_report(store.work_dir))


def _carried(job: StudyJob, cfg: Config, folder: StudyFolder) -> Path:
    """Return the ticket of the job once rank 0 has carried it; ranks haven't met yet."""
    path = folder.ticket(job.name)
    if int(os.environ.get('RANK', 0)) == 0 and not path.exists():
        with folder.store(job.name).locked():
            carry_ticket(job, cfg, folder)
    while not path.exists():
        time.sleep(0.5)
    return path


def launch(args: argparse.Namespace) -> int:
    """Run the task in several processes; return the exit code of the first that fails, or 0."""
    own = ['-m', 'mmlth.study.worker', args.work_dir, args.task, '--launcher', 'pytorch',
           '--study', str(args.study)]
    data = ['--data-root', args.data_root] if args.data_root else []
    try:
        torchrun.main(['--standalone', f'--nproc_per_node={args.processes}', *own, *data])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = int(failure.exitcode)
        print(f'error: rank {rank} ended with code {code}, see above', file=sys.stderr)
        return code
    return 0


def _end_with(study: int) -> None:
    """End this process when the study's is gone, so that none is left behind by ``kill -9``."""
    while True:
        try:
            os.kill(study, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', help='folder of the study')
    parser.add_argument('task', help='name of the task, whose description the study has written')
    parser.add_argument(
        '--study', type=int, default=0, help='process of the study, with which this one ends')
    parser.add_argument('--data-root', help='as that of mmlth study')
    parser.add_argument('--processes', type=int, default=1, help='that train together, a GPU each')
    parser.add_argument(
        '--launcher', default='none', choices=['none', 'pytorch'], help='that started this process')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.study:
        threading.Thread(target=_end_with, args=(args.study, ), daemon=True).start()
    if args.processes > 1:
        return launch(args)
    folder = StudyFolder(args.work_dir)
    try:
        run(folder, args.task, args.data_root, args.launcher)
    except BlockingIOError as error:
        print(f'error: {error}', file=sys.stderr)
        return BUSY
    except (ValueError, OSError, RuntimeError) as error:
        folder.fail(args.task, f'{error}')
        traceback.print_exc()
        print(f'error: {error}', file=sys.stderr)
        return 1
    finally:
        stop_launcher()
    return 0


if __name__ == '__main__':
    sys.exit(main())
