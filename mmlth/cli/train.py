"""Find winning tickets in any MMDetection detector: train, prune, rewind, repeat.

Give the same command again after a crash or Ctrl-C: it goes on where it stopped. Settings come from
the config's `imp = dict(...)` block; flags override it.
"""
import argparse
import shlex
import sys
from pathlib import Path

from mmlth.cli.command import add_config_options, add_launcher, parser_of, run_launched
from mmlth.settings.flags import add_flags, read_flags

EXAMPLES = """examples:
  mmlth train my_config.py --target-sparsity 0.8 --rounds 4
  mmlth train mmdet::retinanet/retinanet_r18_fpn_1x_coco.py --dry-run
  mmlth train my_config.py --schedule 0.5 0.8 0.9 --rewind 1000
  mmlth train my_config.py --cfg-options train_dataloader.batch_size=4 --amp

early_bird is a dict, so it has no flag: give it in the config,
  imp = dict(early_bird=dict(interval=, tolerance=, patience=, fraction=))
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('train', __doc__, EXAMPLES)
    parser.add_argument(
        'config', help='a config file, or one that MMDet ships: mmdet::FOLDER/NAME.py')
    parser.add_argument(
        '--work-dir', help='where everything is written (default: work_dirs/NAME_OF_CONFIG_imp)')
    parser.add_argument(
        '--data-root', metavar='DIR',
        help="where the data lies, in place of the config's data_root, in every data set and "
        'evaluator')
    parser.add_argument(
        '--init-from', nargs='+', default=[], metavar='FILE',
        help='pretrained weights that were fetched by hand, for a machine without network; they '
        'are laid where torch looks for them, and a dry run names them')
    parser.add_argument(
        '--dry-run', action='store_true',
        help='print the table of tensors and planned rounds, write preflight.json, and stop; '
        'needs no data')
    parser.add_argument(
        '--overwrite', action='store_true',
        help='delete another IMP job that lies in the work dir')
    parser.add_argument(
        '--accept-change', nargs='+', default=[], metavar='KEY',
        help='go on with the job that lies in the work dir although these settings differ from '
        'those it was begun with: trainings to come use the new values, and imp.json remembers '
        'the change')
    add_flags(parser.add_argument_group('settings (each overrides the imp block of the config)'))
    group = parser.add_argument_group("as in MMDet's tools/train.py")
    add_config_options(group)
    add_launcher(group)
    group.add_argument(
        '--resume', action='store_true',
        help='changes nothing: the same command always goes on where it stopped')
    group.add_argument('--amp', action='store_true', help='automatic mixed precision')
    group.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate to the batch size')
    args = parser.parse_args(argv)
    args.command = shlex.join(['mmlth', 'train', *(sys.argv[1:] if argv is None else argv)])
    return args


def run(args: argparse.Namespace) -> None:
    """Run a job, or plan it; the last line says where everything lies."""
    from mmengine.dist import is_main_process

    from mmlth.analysis.report import write_report
    from mmlth.engine.config_files import load_config, set_data_root, use_amp
    from mmlth.engine.pretrained import place
    from mmlth.html_report.job import report_job
    from mmlth.job.imp_runner import IMPRunner
    from mmlth.settings.imp_config import IMPConfig

    cfg = load_config(args.config, args.cfg_options)
    if args.data_root:
        cfg = set_data_root(cfg, args.data_root)
    settings = IMPConfig.from_config(cfg, read_flags(args))
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        cfg.auto_scale_lr = {**(cfg.get('auto_scale_lr') or {}), 'enable': True}
    place(args.init_from, cfg)
    work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{Path(cfg.filename).stem}_imp'
    runner = IMPRunner(cfg, settings, work_dir, launcher=args.launcher, accept=args.accept_change)
    if args.dry_run:
        plan = runner.preflight(dry_run=True, overwrite=args.overwrite)
        if is_main_process():
            print(plan.format())
        return
    runner.run(overwrite=args.overwrite)
    if is_main_process():
        table, page = write_report(work_dir), report_job(work_dir, args.command)
        print(f'\n{table}\n\ntickets, records and figures: {work_dir}\n{page}')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_launched('train', run, parse_args(argv))
