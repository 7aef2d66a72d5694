#!/usr/bin/env python
"""Train a ticket under every optimizer and trainer feature, beside m * w in the forward pass.

Each cell is two trainings of a tiny MMDet detector in real Runners: one with TicketHook, one
without mmlth whose convolutions multiply their weights by the mask. Pruned weights must be exactly
zero after every step, in averages, while evaluated and in every checkpoint; all others must be
those of the reference. Prints Markdown tables; exits with 1 if a cell fails.
"""
import argparse
import contextlib
import io
import json
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from trainer_cell import run_cell
from trainer_compare import Cell
from trainer_features import FEATURES, FURTHER_OPTIMIZERS, OPTIMIZERS, TOLERANCES

from mmlth.core.tables import to_markdown_table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--optimizers', nargs='+', choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument('--features', nargs='+', choices=FEATURES, default=list(FEATURES))
    parser.add_argument('--further', nargs='*', choices=FURTHER_OPTIMIZERS, metavar='OPTIMIZER',
                        default=list(FURTHER_OPTIMIZERS), help='trained plainly alone')
    parser.add_argument('--cells', type=Path, metavar='FILE', help='JSON lines: cells that are '
                        'there are not run again, new ones are added')
    return parser.parse_args(argv)


class Done:
    """Cells that were run, kept in a file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self.cells = {(o, f): Cell(**facts) for o, f, facts in map(json.loads, lines)}

    def run(self, name: str, optimizer: dict[str, Any], feature: str) -> Cell:
        """Run a cell unless it is there."""
        if (name, feature) not in self.cells:
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
                cell = run_cell(optimizer, feature, Path(folder))
            self.cells[name, feature] = cell
            if self.path:
                with self.path.open('a') as file:
                    file.write(json.dumps([name, feature, asdict(cell)]) + '\n')
        return self.cells[name, feature]


def say(name: str, optimizer: dict[str, Any], feature: str, done: Done) -> str:
    """Run a cell and return what the table says of it."""
    try:
        text = done.run(name, optimizer, feature).text(TOLERANCES.get(feature, 0.0))
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
        last = (str(error).strip() or type(error).__name__).splitlines()[-1]
        text = f'FAILS: {last[:150]}'
    print(f'{name} | {feature} | {text}', file=sys.stderr, flush=True)
    return text


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    done = Done(args.cells)
    rows = [[feature, *(say(name, OPTIMIZERS[name], feature, done) for name in args.optimizers)]
            for feature in args.features]
    print(to_markdown_table(['', *args.optimizers], rows))
    further = [[name, say(name, FURTHER_OPTIMIZERS[name], 'plain', done)] for name in args.further]
    if further:
        print('\n' + to_markdown_table(['other optimizers', 'plain'], further))
    cells = done.cells.values()
    print(f'\n{len(cells)} cells: {sum(cell.equal for cell in cells)} equal bit for bit; '
          f'{sum(cell.places for cell in cells):,} states and '
          f'{sum(cell.evaluations for cell in cells):,} evaluations compared')
    texts = [text for row in [*rows, *further] for text in row[1:]]
    return int(any(word in text for text in texts for word in ('FAILS', 'DIFFERS', 'REVIVED')))


if __name__ == '__main__':
    sys.exit(main())
