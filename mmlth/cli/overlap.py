"""Compare masks and signs of several tickets: rounds, seeds, tasks.

Masks by their IoU, beside that of random masks with the same density in every layer. Signs of the
weights that both keep, at the start and after training, and of each ticket between the two.
Files that are missing leave their columns empty. Rounds of one job have nested masks, whose IoU is
the quotient of their densities.
"""
import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmlth.cli.command import TICKET_HELP, parser_of, run_command

if TYPE_CHECKING:
    from mmlth.analysis.mask_pairs import Side

EXAMPLES = """examples:
  mmlth overlap work_dirs/seed_0 work_dirs/seed_1 work_dirs/seed_2 --out work_dirs/overlap
  mmlth overlap work_dirs/boxes/round_03 work_dirs/masks/round_03 --names boxes masks \\
      --out work_dirs/overlap
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('overlap', __doc__, EXAMPLES)
    parser.add_argument('tickets', nargs='+', metavar='TICKET', help=f'two or more, {TICKET_HELP}')
    parser.add_argument('--names', nargs='+', metavar='NAME',
                        help='one for each ticket (default: folders)')
    parser.add_argument('--out', metavar='FOLDER', required=True,
                        help='for overlap.json and overlap.png')
    args = parser.parse_args(argv)
    names = args.names or args.tickets
    if len(args.tickets) < 2:
        parser.error(f'give two tickets or more; got {args.tickets}')
    if len(names) != len(args.tickets) or len(set(names)) < len(names):
        parser.error(f'--names must give each of the {len(args.tickets)} tickets a name of its '
                     f'own; got {names}')
    return args


def run(args: argparse.Namespace) -> None:
    """Print the tables, write JSON and figure."""
    from mmlth.analysis.mask_pairs import compare_all, report
    from mmlth.analysis.mask_pairs_figure import plot_pairs
    from mmlth.core.files import write_json

    names = args.names or [_name(ticket) for ticket in args.tickets]
    if len(set(names)) < len(names):
        names = args.tickets
    sides = [_read(*each) for each in zip(args.tickets, names, strict=True)]
    found = compare_all(sides)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / 'overlap.json', found)
    figure = plot_pairs(found, out / 'overlap.png')
    print(f'{report(found)}\n\nwrote {out / "overlap.json"} and {figure}')


def _read(given: str, name: str) -> 'Side':
    """Read a ticket, and the weights at both ends of its training that are there."""
    from mmlth.analysis.mask_pairs import Side
    from mmlth.core.checkpoints import load_state
    from mmlth.core.store import find_ticket
    from mmlth.core.ticket import load_rewind_weights, load_ticket
    from mmlth.trained.export import trained_checkpoint

    path = find_ticket(given)
    ticket = load_ticket(path)
    has_start = (path.parent / ticket.rewind_file).exists()
    try:
        end = load_state(trained_checkpoint(ticket, path))
    except FileNotFoundError:
        end = None
    return Side(name=name, masks=ticket.masks, end=end,
                start=load_rewind_weights(ticket, path) if has_start else None)


def _name(given: str) -> str:
    path = Path(given)
    return path.parent.name if path.suffix == '.safetensors' else path.name


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('overlap', run, parse_args(argv))
