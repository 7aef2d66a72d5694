#!/usr/bin/env python
"""How well a study fills its workers, and what is lost when its processes are killed.

Trainings are stand-ins that sleep, those of twice the budget twice as long, and leave a record.
`--sleepers` compares the time of the whole with the longer of its two lower bounds (all work shared
by the workers; the longest chain), and tells the CPU seconds of the driver a training. `--kills`
sends SIGKILL to drivers and workers at random moments, then counts trainings that were done twice.

    python benchmarks/study.py --sleepers 1000 --workers 64
    python benchmarks/study.py --kills 200
"""
import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests' / 'study')]

from stand_ins import processes_of  # noqa: E402

from mmlth.core.tables import format_table  # noqa: E402
from mmlth.settings.imp_config import IMPConfig  # noqa: E402
from mmlth.study import local  # noqa: E402
from mmlth.study.folder import StudyFolder  # noqa: E402
from mmlth.study.machine import Machine  # noqa: E402
from mmlth.study.plan import Study  # noqa: E402
from mmlth.study.study_job import StudyJob  # noqa: E402
from mmlth.study.tasks import Task, list_tasks, longest_first  # noqa: E402

CONTROLS = ('random', 'shuffle', 'reinit', 'dense_budget')
# Stands in for Python, called with -m MODULE WORK_DIR TASK ...: takes the task's lock, sleeps as
# long as a file says, and notes each time that it has trained.
WORKER = """#!/bin/sh
job=$3/jobs/$4
mkdir -p $job
exec 9>$job/lock
flock -n 9 || exit 75
[ -e $job/done ] && exit 0
sleep $(cat $job.seconds)
echo trained >> $job/trained
touch $job/done
"""


class StandIns:
    """A study of stand-ins in a folder.

    Args:
        folder: Empty.
        jobs: How many: each is a dense net, a ticket and its controls.
        seconds: Shortest and longest training of one budget.
        seed: Of the lengths.
        order: As ``mmlth study run --order`` takes it.
    """

    def __init__(
        self, folder: Path, jobs: int, seconds: tuple[float, float], seed: int = 0,
        order: str = 'file',
    ):
        self.folder = StudyFolder(folder)
        self.folder.make()
        self.python = folder / 'python'
        self.python.write_text(WORKER)
        self.python.chmod(0o755)
        tasks = list_tasks(Study(jobs=dict(_jobs(jobs))))
        rng = random.Random(seed)
        self.seconds = {name: task.length * rng.uniform(*seconds) for name, task in tasks.items()}
        self.tasks = longest_first(tasks) if order == 'longest' else tasks
        for name, length in self.seconds.items():
            (folder / 'jobs' / f'{name}.seconds').write_text(f'{length:.3f}')

    def run(self, workers: int) -> dict[str, str]:
        """Run it in this process; returns what failed."""
        sys.executable = str(self.python)
        StudyFolder.is_done = _is_done
        local.LOOK_AGAIN = 0.1
        study = Study(jobs=dict(_jobs(len(self.tasks))))
        return local.run_tasks(study, self.tasks, self.folder, Machine(workers=workers))

    def bound(self, workers: int) -> float:
        """Return the least seconds that any order takes."""
        ends: dict[str, float] = {}
        for name, task in self.tasks.items():
            start = max((ends[need] for need in task.needs), default=0.0)
            ends[name] = start + self.seconds[name]
        return max(sum(self.seconds.values()) / workers, max(ends.values()))

    def trained(self) -> list[int]:
        """Return how often each training was done."""
        files = [self.folder.work_dir / 'jobs' / name / 'trained' for name in self.tasks]
        return [len(path.read_text().split()) if path.exists() else 0 for path in files]


def _is_done(folder: StudyFolder, task: Task) -> bool:
    return (folder.work_dir / 'jobs' / task.name / 'done').exists()


def _jobs(count: int):
    for seed in range(count):
        dense = StudyJob(config='a.py', settings=IMPConfig(rounds=0, seed=seed).as_dict())
        yield dense.name, dense
        settings = IMPConfig(rounds=1, seed=seed, controls=CONTROLS).as_dict()
        job = StudyJob(config='a.py', settings=settings, dense=dense.name)
        yield job.name, job


def sleepers(count: int, workers: int, seconds: tuple[float, float], order: str) -> None:
    """Print how well the workers are filled."""
    with tempfile.TemporaryDirectory() as folder:
        study = StandIns(Path(folder), count // (2 + len(CONTROLS)) + 1, seconds, order=order)
        before, start = _cpu(), time.monotonic()
        with open(os.devnull, 'w') as nowhere:
            sys.stdout, shown = nowhere, sys.stdout
            failed = study.run(workers)
            sys.stdout = shown
        took, bound = time.monotonic() - start, study.bound(workers)
        trainings = len(study.tasks)
        rows = [[str(trainings), str(workers), order, f'{bound:.1f}', f'{took:.1f}',
                 f'{bound / took:.3f}', f'{1000 * (_cpu() - before) / trainings:.1f}',
                 str(len(failed))]]
        print(format_table(['trainings', 'workers', 'order', 'bound, s', 'took, s',
                            'share of bound', 'driver, CPU ms a training', 'failed'], rows))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def kills(count: int, jobs: int, seed: int) -> None:
    """Print what SIGKILLs of drivers and workers have cost."""
    rng, hits, rounds = random.Random(seed), dict(driver=0, worker=0), 0
    twice = lost = 0
    while sum(hits.values()) < count:
        with tempfile.TemporaryDirectory() as folder:
            study = StandIns(Path(folder), jobs, (0.2, 0.6), seed=rounds)
            rounds += 1
            while not _over(study) and sum(hits.values()) < count:
                drivers = [_driver(folder, jobs, rounds - 1) for _ in range(2)]
                for _ in range(rng.randint(4, 10)):
                    victims = _workers(folder, drivers)
                    time.sleep(rng.uniform(0, 0.3))
                    hits['worker'] += bool(victims) and _kill(rng.choice(victims))
                driver = rng.choice(drivers)
                if driver.poll() is None:
                    driver.kill()
                    hits['driver'] += 1
                for driver in drivers:
                    driver.wait()
            _driver(folder, jobs, rounds - 1).wait()
            times = study.trained()
            twice += sum(each > 1 for each in times)
            lost += times.count(0)
    rows = [[str(hits['driver']), str(hits['worker']), str(rounds), str(twice), str(lost)]]
    print(format_table(['drivers killed', 'workers killed', 'studies', 'trainings done twice',
                        'not done in the end'], rows))


def _workers(folder: str, drivers: list[subprocess.Popen]) -> list[int]:
    """Wait until workers run, or all drivers have ended; return the workers."""
    found: list[int] = []
    while not found and any(driver.poll() is None for driver in drivers):
        time.sleep(0.02)
        found = [pid for pid, line in processes_of(Path(folder)).items()
                 if 'mmlth.study.worker' in line]
    return found


def _kill(pid: int) -> bool:
    """Send SIGKILL; tell whether the process was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _over(study: StandIns) -> bool:
    return all(_is_done(study.folder, task) for task in study.tasks.values())


def _driver(folder: str, jobs: int, seed: int) -> subprocess.Popen:
    command = [sys.executable, __file__, '--drive', folder, '--jobs', str(jobs), '--seed',
               str(seed)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sleepers', type=int, metavar='N', help='trainings that sleep')
    parser.add_argument('--workers', type=int, default=64)
    parser.add_argument('--seconds', type=float, nargs=2, default=(4.0, 6.0),
                        help='shortest and longest sleeper of one budget: those of one config '
                        'take about as long (default: 4 6)')
    parser.add_argument('--order', choices=('file', 'longest'), default='longest')
    parser.add_argument('--kills', type=int, metavar='N', help='SIGKILLs to send')
    parser.add_argument('--jobs', type=int, default=10, help='of a study that is killed')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--drive', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.drive:
        StandIns(Path(args.drive), args.jobs, (0.2, 0.6), args.seed).run(3)
    if args.sleepers:
        sleepers(args.sleepers, args.workers, tuple(args.seconds), args.order)
    if args.kills:
        kills(args.kills, args.jobs, args.seed)


if __name__ == '__main__':
    main()
