#!/usr/bin/env python
"""Send signals to real jobs in every phase, give the same command again, and compare the ends.

A toy job (dense net, two prunings, a control, w_k and optimizer state of epoch 1, EMA) is hit by
SIGKILL, SIGTERM and Ctrl-C, each at a random call of a function within a phase; a study is hit at
random moments, its driver and its jobs. Nothing is lost if finished records stay as they are, and
digests, metrics and counts of all trainings end as those of a job that was left alone. Prints a
table of what was tried and lost. Give the same command again to go on after a stop.
"""
import argparse
import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'tests' / part) for part in ('', 'job', 'study', 'faults')]

import toys  # noqa: E402
from kill_batches import SIGNALS, KillBatches, rarest_signals  # noqa: E402
from kill_study import StudyKills  # noqa: E402
from traced import PHASES  # noqa: E402

from mmlth.core.tables import format_table  # noqa: E402

STUDY = ('study: driver', 'study: job')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=100, help='signals sent to jobs')
    parser.add_argument('--study-kills', type=int, default=6, help='signals sent to studies')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/kills'))
    return parser.parse_args(argv)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(path: Path, hits: list[dict]) -> None:
    with open(path, 'a', encoding='utf-8') as file:
        file.writelines(json.dumps(hit) + '\n' for hit in hits)


def table(hits: list[dict]) -> str:
    """Return phase x signal: signals that were sent, and what was lost."""
    names = [number.name for number in SIGNALS]
    rows = []
    for phase in (*PHASES, *STUDY):
        here = [hit for hit in hits if hit['phase'] == phase]
        counts = [str(sum(hit['signal'] == name for hit in here)) for name in names]
        rows.append([phase, *counts, str(sum(bool(hit['lost']) for hit in here))])
    totals = [str(sum(hit['signal'] == name for hit in hits)) for name in names]
    rows.append(['all', *totals, str(sum(bool(hit['lost']) for hit in hits))])
    return format_table(['phase', *names, 'lost'], rows)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    path = args.work_dir / f'hits_{args.seed}.jsonl'
    hits = read(path)
    hooks = [dict(type='EMAHook', momentum=0.1)]
    config = toys.write_config(args.work_dir, custom_hooks=hooks)
    of_jobs = [hit for hit in hits if hit['phase'] not in STUDY]
    batches = KillBatches(config, args.work_dir, args.seed) if len(of_jobs) < args.kills else None
    number = 1 + max((hit['job'] for hit in of_jobs), default=-1)
    while batches and len(of_jobs) < args.kills:
        signals = rarest_signals(of_jobs, random.Random(f'{args.seed} {number}'))
        found = [dict(hit, job=number) for hit in batches.run(number, signals)]
        write(path, found)
        of_jobs += found
        number += 1
        print(f'{len(of_jobs)} of {args.kills}', [hit['lost'] for hit in found], flush=True)
    done = len(read(path)) - len(of_jobs)
    if done < args.study_kills:
        study = StudyKills(config, args.work_dir / f'study_{args.seed}_{done}', args.seed)
        write(path, study.run(args.study_kills - done))
    hits = read(path)
    print(table(hits))
    for hit in hits:
        if hit['lost']:
            print(hit)
    return int(any(hit['lost'] for hit in hits))


if __name__ == '__main__':
    sys.exit(main())
