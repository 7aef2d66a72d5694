#!/usr/bin/env python
"""A whole job of one detector of each kind: dense, two prunings, killed once, exported, scored.

For each kind (benchmarks/tiny_detectors.py has MMDet's configs made tiny), with the commands a user
gives, each in a process of its own: `mmlth train`, killed (SIGKILL) once the first pruned round has
saved a checkpoint, given again to the end; `mmlth export`; MMDet's own `tools/test.py` on the
exported checkpoint. Prints a Markdown table of what the record of the last round says and what
MMDet's tool says of the same weights. Exits with 1 if a kind that builds here differs or fails.
"""
import argparse
import contextlib
import json
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tiny_detectors import KINDS, make_data, tiny_config, write_config

from mmlth.core.checkpoints import load_state
from mmlth.core.tables import to_markdown_table
from mmlth.core.ticket import load_ticket

HEADER = ['kind', 'config', 'parameters', 'rounds', 'killed in', 'sparsity of scope',
          'zeros of the export there', 'metrics', 'mAP: record', 'mAP: test.py', 'AR: record',
          'AR: test.py', 'all equal', 'seconds']
ROUNDS = 2
# Imports once what every process needs, and forks from there.
_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['mmlth.job.imp_runner', 'mmlth.analysis.report', 'mmdet.models'])


@dataclass(frozen=True, kw_only=True)
class WholeJob:
    """What came of one job.

    Attributes:
        parameters: Of the model.
        rounds: Trainings with a record.
        killed_in: Name of the round that was killed, after its first checkpoint.
        sparsity: Of the scope, by the last record.
        zeros: Share of exact zeros among the scope's weights in the exported checkpoint.
        recorded: Metrics in the record of the last round.
        by_mmdet: The same metrics by MMDet's test.py.
        seconds: Of all processes together.
    """

    parameters: int
    rounds: int
    killed_in: str
    sparsity: float
    zeros: float
    recorded: dict[str, float]
    by_mmdet: dict[str, float]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether both say the same, to the last digit, of the same set of metrics."""
        return bool(self.recorded) and self.recorded == self.by_mmdet


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', metavar='KIND', choices=KINDS, default=list(KINDS))
    parser.add_argument('--epochs', type=int, default=3, help='of every training, at least 2')
    parser.add_argument('--folder', type=Path, help='to keep it all (default: a temporary one)')
    return parser.parse_args(argv)


def run_whole_job(kind: str, data: Path, folder: Path, epochs: int = 3) -> WholeJob:
    """Train, kill, go on, export and score one kind.

    Args:
        kind: One of :data:`tiny_detectors.KINDS`.
        data: From :func:`tiny_detectors.make_data`.
        folder: For everything that is written; made if it doesn't exist.
        epochs: Of every training, at least 2, so that there is a checkpoint to go on from.

    Raises:
        ValueError: The config needs a package that isn't here.
        RuntimeError: A command failed; holds the end of its log.
    """
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    config = write_config(tiny_config(kind, data, epochs), folder / 'tiny.py')
    job, exported, log = folder / 'job', folder / 'exported.pth', folder / 'log.txt'
    train = ['train', str(config), '--work-dir', str(job), '--rounds', str(ROUNDS),
             '--target-sparsity', '0.8']
    pruned = job / 'round_01'
    _kill_once(train, log, lambda: any(pruned.glob('*.pth')))
    if (pruned / 'record.json').exists():
        raise RuntimeError(f'{pruned} was finished before it could be killed')
    _run(_mmlth, train, log)
    ticket = job / f'round_{ROUNDS:02}' / 'ticket.safetensors'
    _run(_mmlth, ['export', str(ticket), str(exported)], log)
    tested = folder / 'tested'
    _run(_mmdet_test, [str(config), str(exported), '--work-dir', str(tested)], log)
    (scores, ) = tested.glob('*/*.json')
    return _outcome(job, ticket, exported, json.loads(scores.read_text()), pruned.name,
                    time.perf_counter() - start)


def _outcome(job: Path, ticket: Path, exported: Path, scores: dict[str, float], killed_in: str,
             seconds: float) -> WholeJob:
    records = json.loads((job / 'summary.json').read_text())['rounds']
    last, masks, state = records[-1], load_ticket(ticket).masks, load_state(exported)
    zeros = sum(int((state[name] == 0).sum()) for name in masks)
    # A semi-supervised loop scores teacher and student; test.py the one that is used, the teacher.
    recorded = {name.removeprefix('teacher/'): value for name, value in last['metrics'].items()
                if not name.startswith('student/')}
    return WholeJob(
        parameters=json.loads((job / 'preflight.json').read_text())['parameters'],
        rounds=len(records), killed_in=killed_in, sparsity=last['sparsity'],
        zeros=zeros / last['scope_size'], recorded=recorded,
        by_mmdet={name: scores[name] for name in recorded if name in scores}, seconds=seconds)


def _kill_once(train: list[str], log: Path, ready: Callable[[], bool]) -> None:
    """Begin a training, and kill it as soon as there is something to go on from."""
    process = _FORKS.Process(target=_mmlth, args=(train, str(log)))
    process.start()
    while not ready() and process.is_alive():
        time.sleep(0.002)
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise RuntimeError(f'the training was not killed: exit {process.exitcode}\n{_tail(log)}')


def _run(command: Callable[[list[str], str], None], args: list[str], log: Path) -> None:
    process = _FORKS.Process(target=command, args=(args, str(log)))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f'{command.__name__} {args[0]}: exit {process.exitcode}\n{_tail(log)}')


def _mmlth(args: list[str], log: str) -> None:
    """Be the command `mmlth`, in this process, whose exit code is its."""
    _begin(log)
    from mmlth.cli.main import main
    sys.exit(main(args))


def _mmdet_test(args: list[str], log: str) -> None:
    """Be the tools/test.py that MMDet installs, in this process."""
    _begin(log)
    spec = find_spec('mmdet')
    assert spec is not None and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / '.mim' / 'tools' / 'test.py'
    sys.argv = [str(path), *args]
    runpy.run_path(str(path), run_name='__main__')


def _begin(log: str) -> None:
    """Write to a log; leave out what takes longer than a tiny training and decides nothing."""
    with open(log, 'a') as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    import mmengine.runner.runner
    import yapf.yapflib.yapf_api
    mmengine.runner.runner.collect_env = dict  # asks compilers for their versions
    yapf.yapflib.yapf_api.FormatCode = lambda text, **_: (text, True)  # lays configs out


def _tail(log: Path) -> str:
    return '\n'.join(log.read_text().splitlines()[-15:]) if log.exists() else ''


def row_of(kind: str, job: WholeJob) -> list[str]:
    """Return a row of the table."""
    def first(metrics: dict[str, float], ending: str) -> str:
        found = [value for name, value in metrics.items() if name.endswith(ending)]
        return f'{found[-1]:.3f}' if found else '-'
    return [kind, Path(KINDS[kind][0]).stem, f'{job.parameters:,}', str(job.rounds), job.killed_in,
            f'{job.sparsity:.2%}', f'{job.zeros:.2%}', str(len(job.recorded)),
            first(job.recorded, '_mAP'), first(job.by_mmdet, '_mAP'),
            first(job.recorded, '_AR@100'), first(job.by_mmdet, '_AR@100'),
            'yes' if job.equal else 'NO', f'{job.seconds:.0f}']


def failed_row(kind: str, reason: str) -> list[str]:
    """Return the row of a kind that came to no end."""
    config = Path(KINDS[kind][0]).stem
    return [kind, config, *['-'] * (len(HEADER) - 4), reason.splitlines()[0][:120], '-']


def run_all(args: argparse.Namespace, folder: Path) -> tuple[list[list[str]], bool]:
    """Run every kind; return the rows, and whether all that build here are as they should be."""
    data, rows, good = make_data(folder / 'data'), [], True
    for number, kind in enumerate(args.only):
        try:
            job = run_whole_job(kind, data, folder / f'job_{number}', args.epochs)
            rows.append(row_of(kind, job))
            good = good and job.equal
        except ValueError as error:  # a package that isn't here
            rows.append(failed_row(kind, str(error)))
        except (RuntimeError, OSError, LookupError, TypeError):  # must not hide the others
            traceback.print_exc()
            rows.append(failed_row(kind, 'failed'))
            good = False
        print(' | '.join(rows[-1]), file=sys.stderr, flush=True)
    return rows, good


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        rows, good = run_all(args, folder)
    print(to_markdown_table(HEADER, rows))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
