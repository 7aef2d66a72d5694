"""Run a study: grids of IMP jobs that share dense nets, with a table and a figure for each.

Give the same command again after a crash or Ctrl-C, or with more experiments in the study: what is
done is not done again. Give it twice at once, on one host or on several that share the folder: each
job is done by one of them.
"""
import argparse
import sys
from pathlib import Path

from mmlth.cli.command import add_config_options, parser_of, run_command

EXAMPLES = """examples:
  mmlth study mmlth::studies/paper.py --config my_config.py --dry-run
  mmlth study mmlth::studies/paper.py --config my_config.py --only late_resetting rounds
  mmlth study mmlth::studies/digit_scenes.py --workers 2
  mmlth study mmlth::studies/paper.py --config my_config.py --workers 2 --gpus-per-job 4 --amp
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('study', __doc__, EXAMPLES)
    parser.add_argument('study', help='a study file, such as configs/studies/paper.py')
    parser.add_argument('--config', help="detector's config, in place of the study's own")
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='experiments to run (default: all)')
    parser.add_argument(
        '--work-dir', help='where everything is written (default: work_dirs/NAME_OF_STUDY)')
    parser.add_argument(
        '--workers', type=int, default=1, metavar='N', help='jobs that run at once (default: 1)')
    parser.add_argument(
        '--gpus-per-job', type=int, default=0, metavar='N', help='GPUs that every job gets, in '
        'the order of CUDA_VISIBLE_DEVICES where it is set; above 1 it trains distributed '
        '(default: 0, torch chooses)')
    parser.add_argument(
        '--threads', type=int, default=1, metavar='N', help='threads of torch per process; 0 '
        'leaves it to torch (default: 1, which gets most out of cores that workers share)')
    parser.add_argument('--data-root', metavar='DIR', help='as that of mmlth train')
    add_config_options(parser, 'override settings of every config')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--dry-run', action='store_true', help='list and check the jobs, and stop')
    parser.add_argument(
        '--report-only', action='store_true',
        help='train nothing; write the report of what is done')
    parser.add_argument(
        '--report-dir', metavar='DIR', help='where the pages go (default: WORK_DIR/report)')
    parser.add_argument(
        '--compare', metavar='DIR', help='work dir of the same study run elsewhere; index.html '
        'gets a table of the points that both have')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Check, run and report a study; return 1 if a job failed."""
    from mmlth.engine.config_files import AMP_OPTIONS, load_config
    from mmlth.study.check import check_jobs
    from mmlth.study.folder import StudyFolder
    from mmlth.study.machine import Machine
    from mmlth.study.plan import read_study
    from mmlth.study.report import format_plan, write_report
    from mmlth.study.scheduler import end_on_sigterm, run_jobs

    options = {**(args.cfg_options or {}), **(AMP_OPTIONS if args.amp else {})}
    study = read_study(
        load_config(args.study), config=args.config, only=tuple(args.only), options=options)
    folder = StudyFolder(args.work_dir or f'work_dirs/{Path(args.study).stem}')
    machine = Machine(workers=args.workers, gpus_per_job=args.gpus_per_job, threads=args.threads)
    other = StudyFolder(args.compare) if args.compare else None
    if other:
        other.check_exists()
    failed: dict[str, str] = {}
    for why in study.left_out.values():
        print(f'mmlth study: left out: {why}', file=sys.stderr)
    if not args.report_only:
        checked = check_jobs(study, folder, workers=machine.workers, data_root=args.data_root,
                             need_data=not args.dry_run)
        print(f'{format_plan(study, folder)}\n{checked}', flush=True)
        if args.dry_run:
            return 0
        end_on_sigterm()
        failed = run_jobs(study, folder, machine, args.data_root)
    out = Path(args.report_dir) if args.report_dir else folder.report
    print(f'\n{write_report(study, folder, out, _command(args), other)}')
    for name, why in failed.items():
        print(f'mmlth study: error: job {name}: {why}', file=sys.stderr)
    return 1 if failed else 0


def _command(args: argparse.Namespace) -> str:
    """Return the command that runs an experiment; ``{name}`` stands for it."""
    config = f' --config {args.config}' if args.config else ''
    return f'mmlth study {args.study}{config} --only {{name}}'


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('study', run, parse_args(argv))
