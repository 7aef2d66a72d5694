#!/usr/bin/env python
"""Run a study: grids of IMP jobs that share dense nets, with a table and a figure for each.

Give the same command again after a crash or Ctrl-C, or with more experiments in the study: what is
done is not done again. Give it twice at once, on one host or on several that share the folder: each
job is done by one of them.
"""
import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmlth.engine.config_files import AMP_OPTIONS, load_config
from mmlth.study.check import check_jobs
from mmlth.study.folder import StudyFolder
from mmlth.study.machine import Machine
from mmlth.study.plan import Study, read_study
from mmlth.study.report import copy_records, format_plan, write_pages
from mmlth.study.scheduler import end_on_sigterm, run_jobs

EXAMPLES = """examples:
  run_study.py configs/studies/paper.py --config my_config.py --dry-run
  run_study.py configs/studies/paper.py --config my_config.py --only late_resetting rounds
  run_study.py configs/studies/digit_scenes.py --workers 2
  run_study.py configs/studies/paper.py --config my_config.py --workers 2 --gpus-per-job 4 --amp
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
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
    parser.add_argument('--data-root', metavar='DIR', help='as that of imp_train.py')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of every config')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--dry-run', action='store_true', help='list and check the jobs, and stop')
    parser.add_argument(
        '--report-only', action='store_true',
        help='train nothing; write the report of what is done')
    parser.add_argument(
        '--report-dir', metavar='DIR', help='where the pages go (default: WORK_DIR/report)')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    options = {**(args.cfg_options or {}), **(AMP_OPTIONS if args.amp else {})}
    study = read_study(
        load_config(args.study), config=args.config, only=tuple(args.only), options=options)
    folder = StudyFolder(args.work_dir or f'work_dirs/{Path(args.study).stem}')
    machine = Machine(workers=args.workers, gpus_per_job=args.gpus_per_job, threads=args.threads)
    failed: dict[str, str] = {}
    if not args.report_only:
        checked = check_jobs(study, folder, workers=machine.workers, data_root=args.data_root,
                             need_data=not args.dry_run)
        print(f'{format_plan(study, folder)}\n{checked}', flush=True)
        if args.dry_run:
            return 0
        end_on_sigterm()
        failed = run_jobs(study, folder, machine, args.data_root)
    report(args, study, folder)
    for name, why in failed.items():
        print(f'run_study.py: error: job {name}: {why}', file=sys.stderr)
    return 1 if failed else 0


def report(args: argparse.Namespace, study: Study, folder: StudyFolder) -> None:
    out = Path(args.report_dir) if args.report_dir else folder.report
    config = f' --config {args.config}' if args.config else ''
    command = f'python tools/run_study.py {args.study}{config} --only {{name}}'
    pages = write_pages(study, folder, out, command)
    count = copy_records(study, folder, out / 'records')
    print(f'\nrecords of {count} jobs and pages of {len(pages)} experiments: {out}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        return run(args)
    except KeyboardInterrupt:
        print('\nstopped; give the same command again to go on', file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f'run_study.py: error: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
