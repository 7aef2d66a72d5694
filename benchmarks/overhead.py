#!/usr/bin/env python
"""Time of a whole job that is neither training nor evaluation.

Runs tools/imp_train.py from start to exit, imports and start-up included, and compares its wall time
with the seconds that the records of the rounds spent in training and evaluation.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('arguments', nargs='*', help='further arguments of tools/imp_train.py, after --')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / 'job'
        start = time.perf_counter()
        subprocess.run([sys.executable, ROOT / 'tools' / 'imp_train.py', args.config, '--work-dir', work_dir,
                        *args.arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - start
        rounds = json.loads((work_dir / 'summary.json').read_text())['rounds']
    inside = sum(r['seconds'] for r in rounds)
    print(f'{"rounds":>6} {"whole job s":>12} {"training + evaluation s":>24} {"rest s":>7} {"rest / whole":>13}')
    print(f'{len(rounds):>6} {whole:>12.1f} {inside:>24.1f} {whole - inside:>7.1f} '
          f'{100 * (whole - inside) / whole:>12.2f}%')
    return 0


if __name__ == '__main__':
    sys.exit(main())
