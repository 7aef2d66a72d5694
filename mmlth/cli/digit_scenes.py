"""Write DigitScenes, the embedded data set, and a contact sheet that shows it."""
import argparse
import time

from mmlth.cli.command import parser_of, run_command

DESCRIPTION = """\
Write DigitScenes: real handwriting (the UCI digits of scikit-learn) and stick-figure people in
textured scenes of 160 to 192 px. Nothing is downloaded; the defaults take well under a minute on
one core and some 60 MB. The same arguments give the same files."""

EPILOG = """\
what is written below --out:
  VOC2007/                     JPEGImages, Annotations (XML), ImageSets/Main (test is val)
  annotations/                 instances_{train,val}.json with all 11 categories and
                               person_keypoints_{train,val}.json; their images lie in
                               VOC2007/JPEGImages
  crops/{train,val}/<name>/    48x48 single objects, equally many of each category
  contact_sheet.png            a sample with its annotations, and the category frequency
  manifest.json                the arguments, counts, and a sha256 over images and annotations

A folder that holds this very set is left as it is, so that the command may be run again and
again. A set of other arguments is replaced only with --overwrite; a folder of anything else is
never touched.

examples:
  mmlth digit-scenes
  mmlth digit-scenes --out data/tiny --train 40 --val 10 --crops-per-class 5
  mmlth digit-scenes --seed 1 --hue-bias 0 --out data/digit_scenes_grey"""


def make_parser() -> argparse.ArgumentParser:
    parser = parser_of('digit-scenes', DESCRIPTION, EPILOG)
    add = parser.add_argument
    add('--out', default='data/digit_scenes', metavar='DIR',
        help='folder to make (default: %(default)s)')
    add('--seed', type=int, default=0,
        help='another seed gives another set, >= 0 (default: %(default)s)')
    add('--train', type=int, default=1000, metavar='N',
        help='training images (default: %(default)s)')
    add('--val', type=int, default=200, metavar='N',
        help='validation images; with 200, each category appears at least 15 times '
        '(default: %(default)s)')
    add('--crops-per-class', type=int, default=200, metavar='N',
        help='training crops of each category; val has a fifth of it (default: %(default)s)')
    add('--hue-bias', type=float, default=0.7, metavar='P',
        help='chance, 0 to 1, that a digit wears the hue of its category; at 0 only the shape '
        'tells it (default: %(default)s)')
    add('--overwrite', action='store_true',
        help='replace a DigitScenes folder that lies at --out')
    return parser


def run(args: argparse.Namespace) -> None:
    """Write the data set and say what it holds."""
    from mmlth.datasets.digit_scenes import generate

    start = time.perf_counter()
    manifest = generate(**vars(args))
    seconds = time.perf_counter() - start
    for split, counts in manifest['counts'].items():
        print(f'{split}: {describe(counts)}')
    print(f'sha256 {manifest["sha256"]}, {seconds:.1f} s')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)

    from mmlth.datasets.digit_scenes import check_arguments

    try:
        check_arguments(args.seed, args.train, args.val, args.crops_per_class, args.hue_bias)
    except ValueError as error:
        parser.error(str(error))
    return run_command('digit-scenes', run, args)


def describe(counts: dict) -> str:
    """Return the images, the objects and the sizes of a split in words."""
    bands = counts['share_by_area']
    shares = ', '.join(f'{100 * share:.0f} % {band}' for band, share in bands.items())
    return f'{counts["images"]} images, {counts["objects"]} objects ({shares})'
