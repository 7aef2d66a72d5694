#!/usr/bin/env python
"""Give damaged and made-up files to every reader, and count what it raises.

Tickets, weights, checkpoints, records, summaries, settings and study files: whole ones with bytes
flipped, cut out, repeated, swapped or lost, and JSON made by hypothesis. Documented are ValueError
and OSError. Prints a table: inputs, read all the same, refused, anything else, most seconds for
one input, most memory of the process.
"""
import argparse
import resource
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'tests' / part) for part in ('', 'core', 'study', 'faults')]

from fuzzing import READERS, fuzz  # noqa: E402

from mmlth.core.tables import format_table  # noqa: E402

MOST_MEMORY = 4 << 30  # bytes: an input that asks for more is a defect, and no end of the machine
HEADER = ['reader', 'inputs', 'read', 'refused', 'other', 'most s', 'MiB']


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--inputs', type=int, default=50000, help='of all readers together')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    found = [fuzz(name, -(-args.inputs // len(READERS)), args.seed) for name in READERS]
    rows = [[f.name, str(f.inputs), str(f.read), str(f.refused), str(len(f.others)),
             f'{f.seconds:.2f}', str(f.mebibytes)] for f in found]
    total = [str(sum(getattr(f, key) for f in found)) for key in ('inputs', 'read', 'refused')]
    rows.append(['all', *total, str(sum(len(f.others) for f in found)),
                 f'{max(f.seconds for f in found):.2f}', str(max(f.mebibytes for f in found))])
    print(format_table(HEADER, rows))
    for each in found:
        for text in dict.fromkeys(each.others):
            print(f'{each.name}: {text}')
    return int(any(f.others for f in found))


if __name__ == '__main__':
    sys.exit(main())
