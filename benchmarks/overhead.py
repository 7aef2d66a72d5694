#!/usr/bin/env python
"""Time of a whole job that is neither training nor evaluation.

Runs tools/imp_train.py from start to exit, imports and start-up included, and compares its wall
time with the seconds that the records of the rounds spent in training and evaluation.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'


def run(arguments: list[str], work_dir: Path) -> float:
    """Run a whole job in a process of its own; returns its seconds."""
    tool = str(ROOT / 'tools' / 'imp_train.py')
    command = [sys.executable, tool, *arguments, '--work-dir', str(work_dir)]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('arguments', nargs='*',
                        help='further arguments of tools/imp_train.py, after --')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / 'job'
        whole = run([args.config, *args.arguments], work_dir)
        summary = json.loads((work_dir / 'summary.json').read_text())
    rounds = summary['rounds']
    inside = sum(record['seconds'] for record in rounds)
    rest = whole - inside
    print(f'{"rounds":>6} {"whole job s":>12} {"training + evaluation s":>24} '
          f'{"rest s":>7} {"rest / whole":>13}')
    print(f'{len(rounds):>6} {whole:>12.1f} {inside:>24.1f} '
          f'{rest:>7.1f} {100 * rest / whole:>12.2f}%')
    return 0


if __name__ == '__main__':
    sys.exit(main())
