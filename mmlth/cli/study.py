"""Run a study: grids of IMP jobs that share trainings, with a table and a figure for each.

Give the same command again after a crash or Ctrl-C, or with more experiments in the study: what is
done is not done again. Give it twice at once, on one host or on several that share the folder: each
training is done by one of them.
"""
import argparse
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlth.cli.command import KeyValues, add_config_options, parser_of, run_command

if TYPE_CHECKING:
    from mmlth.study.folder import StudyFolder
    from mmlth.study.machine import Machine
    from mmlth.study.plan import Study
    from mmlth.study.tasks import Task

EXAMPLES = """examples:
  mmlth study plan mmlth::studies/paper.py --config my_config.py --figure plan.png
  mmlth study run mmlth::studies/paper.py --config my_config.py --only late_resetting rounds
  mmlth study run mmlth::studies/paper.py --config my_config.py --workers 2 --gpus-per-job 4 --amp
  mmlth study run my_study.py --executor slurm --slurm partition=gpu time=720 --gpus-per-job 1
  mmlth study run my_study.py --executor ray --gpus-per-job 1
  mmlth study status my_study.py --watch 30
  mmlth study report my_study.py
"""
ORDERS = ('file', 'longest')
EXECUTORS = ('local', 'slurm', 'ray')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('study', __doc__, EXAMPLES)
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    _add(actions, 'plan', plan, 'check it; list its trainings and what they cost', _add_plan)
    _add(actions, 'run', run, 'train what is not done yet, then write the report', _add_run)
    _add(actions, 'status', status, 'say what is done, runs, waits and has failed', _add_status)
    _add(actions, 'report', report, 'train nothing; write the report of what is done', _add_report)
    return parser.parse_args(argv)


def _add(
    actions: Any, name: str, function: Callable[..., int], text: str, add: Callable[..., None],
) -> None:
    parser = actions.add_parser(name, help=text, description=f'{text[0].upper()}{text[1:]}.')
    parser.set_defaults(function=function)
    parser.add_argument('study', help='a study file, such as configs/studies/paper.py')
    parser.add_argument('--config', help="detector's config, in place of the study's own")
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='experiments (default: all)')
    parser.add_argument(
        '--work-dir', help='where everything is written (default: work_dirs/NAME_OF_STUDY); '
        'studies that are given the same one share their trainings')
    add_config_options(parser, 'override settings of every config')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    add(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--data-root', metavar='DIR', help='as that of mmlth train')
    parser.add_argument(
        '--probe', action='store_true', help='do ten training steps with each config, to estimate '
        'hours where no training is finished yet')
    parser.add_argument('--figure', metavar='FILE', help='draw the graph of the trainings there')


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--executor', choices=EXECUTORS, default='local', help='where tasks run: on this machine, '
        'as Slurm jobs, or on a Ray cluster (default: local)')
    parser.add_argument(
        '--workers', type=int, default=1, metavar='N',
        help='local: tasks that run at once (default: 1)')
    parser.add_argument(
        '--order', choices=ORDERS, default='file', help='which of the tasks that may run starts '
        'first: that which comes first in the study file, so that its first results can be read '
        'early, or that with the longest chain of training behind it, which ends a study on many '
        'workers sooner (default: file)')
    parser.add_argument(
        '--gpus-per-job', type=int, default=0, metavar='N', help='GPUs that every task gets, '
        'locally in the order of CUDA_VISIBLE_DEVICES where it is set; above 1 it trains '
        'distributed (default: 0, torch chooses)')
    parser.add_argument(
        '--threads', type=int, default=1, metavar='N', help='threads of torch per process; 0 '
        'leaves it to torch (default: 1, which gets most out of cores that workers share)')
    parser.add_argument(
        '--slurm', nargs='+', action=KeyValues, default={}, metavar='KEY=VALUE',
        help="slurm: options of sbatch by submitit's names, such as partition=gpu time=720 mem=32G "
        '(minutes)')
    parser.add_argument(
        '--ray-address', default='auto', metavar='ADDRESS',
        help='ray: address of the cluster (default: auto, the one that runs here)')
    parser.add_argument('--data-root', metavar='DIR', help='as that of mmlth train')
    _add_report(parser)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--watch', type=float, metavar='SECONDS', help='look again and again until all is done')


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--report-dir', metavar='DIR', help='where the pages go (default: WORK_DIR/report)')
    parser.add_argument(
        '--compare', metavar='DIR', help='work dir of the same study run elsewhere; index.html '
        'gets a table of the points that both have')


@dataclass(frozen=True)
class _Read:
    """A study as the arguments name it, and what of it is run."""

    study: 'Study'
    to_run: 'Study'
    tasks: 'dict[str, Task]'
    folder: 'StudyFolder'


def _read(args: argparse.Namespace) -> _Read:
    from mmlth.engine.config_files import AMP_OPTIONS, load_config
    from mmlth.study.folder import StudyFolder
    from mmlth.study.idle import without_idle
    from mmlth.study.plan import read_study
    from mmlth.study.tasks import list_tasks

    options = {**(args.cfg_options or {}), **(AMP_OPTIONS if args.amp else {})}
    cfg = load_config(args.study)
    study = read_study(cfg, config=args.config, only=tuple(args.only), options=options)
    for why in study.left_out.values():
        print(f'mmlth study: left out: {why}', file=sys.stderr)
    folder = StudyFolder(args.work_dir or f'work_dirs/{Path(args.study).stem}')
    to_run = without_idle(study, folder)
    return _Read(study, to_run, list_tasks(to_run), folder)


def plan(args: argparse.Namespace) -> int:
    """Check a study and say what it takes."""
    from mmlth.study.check import check_jobs
    from mmlth.study.cost import estimate
    from mmlth.study.graph_figure import draw
    from mmlth.study.states import format_plan

    found = _read(args)
    checked = check_jobs(found.to_run, found.folder, data_root=args.data_root, need_data=False)
    print(format_plan(found.to_run, found.tasks, found.folder))
    print(estimate(found.to_run, found.tasks, found.folder, data_root=args.data_root,
                   probe=args.probe))
    print(checked)
    if args.figure:
        print(draw(found.tasks, found.folder, Path(args.figure)))
    return 0


def run(args: argparse.Namespace) -> int:
    """Check, run and report a study; return 1 if a task failed."""
    from mmlth.study.check import check_jobs
    from mmlth.study.machine import Machine
    from mmlth.study.states import format_plan

    machine = Machine(workers=args.workers, gpus_per_job=args.gpus_per_job, threads=args.threads)
    found = _read(args)
    _other(args)
    checked = check_jobs(
        found.to_run, found.folder, workers=machine.workers, data_root=args.data_root)
    print(f'{format_plan(found.to_run, found.tasks, found.folder)}\n{checked}', flush=True)
    failed = _execute(args, found, machine)
    _report(args, found)
    for name, why in failed.items():
        print(f'mmlth study: error: {name}: {why}', file=sys.stderr)
    return 1 if failed else 0


def _execute(args: argparse.Namespace, found: _Read, machine: 'Machine') -> dict[str, str]:
    """Run the tasks where the arguments say; return those that failed."""
    from mmlth.study import local, ray_cluster, slurm
    from mmlth.study.tasks import longest_first

    tasks = longest_first(found.tasks) if args.order == 'longest' else found.tasks
    common = found.to_run, tasks, found.folder, machine
    if args.executor == 'slurm':
        return slurm.run_tasks(*common, args.slurm, args.data_root)
    if args.executor == 'ray':
        return ray_cluster.run_tasks(*common, args.ray_address, args.data_root)
    local.end_on_sigterm()
    return local.run_tasks(*common, args.data_root)


def status(args: argparse.Namespace) -> int:
    """Print what is done, runs, waits and has failed."""
    from mmlth.study.states import format_status, is_over

    found = _read(args)
    while True:
        print(format_status(found.to_run, found.tasks, found.folder), flush=True)
        if not args.watch or is_over(found.tasks, found.folder):
            return 0
        time.sleep(args.watch)
        print()


def report(args: argparse.Namespace) -> int:
    """Write the report of what is done."""
    _report(args, _read(args))
    return 0


def _report(args: argparse.Namespace, found: _Read) -> None:
    from mmlth.study.report import write_report

    out = Path(args.report_dir) if args.report_dir else found.folder.report
    print(f'\n{write_report(found.study, found.folder, out, _command(args), _other(args))}')


def _other(args: argparse.Namespace) -> 'StudyFolder | None':
    """Return the study to compare with, which must exist."""
    from mmlth.study.folder import StudyFolder

    if not args.compare:
        return None
    other = StudyFolder(args.compare)
    other.check_exists()
    return other


def _command(args: argparse.Namespace) -> str:
    """Return the command that runs an experiment; ``{name}`` stands for it."""
    words = ['mmlth', 'study', 'run', args.study]
    for flag in ('config', 'work_dir'):
        if getattr(args, flag):
            words += [f'--{flag.replace("_", "-")}', getattr(args, flag)]
    words += ['--amp'] * args.amp
    if args.cfg_options:
        words += ['--cfg-options', *(f'{key}={value}' for key, value in args.cfg_options.items())]
    return f'{shlex.join(words)} --only {{name}}'


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return run_command('study', args.function, args)
