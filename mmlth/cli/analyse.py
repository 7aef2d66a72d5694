"""Ask of finished trainings what pruning changed, beside their dense nets.

images       mAP, and whether other images would say the same of it
objects      AP by object size, shape, category, frequency and difficulty
errors       what is wrong: errors of boxes and masks by TIDE, and those of keypoints
convergence  steps to the mAP that the dense net ended with; the curves
cost         bytes in each format, and the multiply-adds of kept weights

All of it from records, logs and predictions that `mmlth test ... --dump` left; nothing is trained
or run. Jobs of several seeds are averaged.
"""
import argparse

from mmlth.cli.command import parser_of, run_command
from mmlth.core.choices import QUESTIONS

EXAMPLES = """\
mmlth test work_dirs/job/round_00 --dump
mmlth test work_dirs/job/round_03 --dump
mmlth analyse work_dirs/job
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('analyse', __doc__, EXAMPLES)
    parser.add_argument(
        'jobs', nargs='+', metavar='JOB', help='a work dir, the folder of a round, or a ticket; '
        'several are jobs of one config, such as its seeds')
    parser.add_argument('--questions', nargs='+', choices=QUESTIONS, default=QUESTIONS,
                        help='default: all')
    parser.add_argument('--out', metavar='FOLDER', help='default: report/ of the first job')
    parser.add_argument('--annotations', metavar='FILE',
                        help='COCO file of the images, if not where the dump says')
    parser.add_argument('--train-annotations', metavar='FILE',
                        help='that of the training data, which says how frequent a category is')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Print the tables, and where they are."""
    from mmlth.analysis.analyse import analyse

    print(analyse(args.jobs, args.questions, out=args.out, annotations=args.annotations,
                  train_annotations=args.train_annotations))


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('analyse', run, parse_args(argv))
