"""Tell whether two trained nets are linearly connected: their error barrier.

Weights are interpolated, statistics of batch normalisation measured again, and every net on the way
evaluated as the config does it. Two nets of one model: tickets, rounds or work dirs. Or --children:
the ticket is trained twice from its w_k with other data orders first; give the same command again
after a crash, and it goes on. Or --against: a figure of what several runs found, against k.
"""
import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlth.cli import train
from mmlth.cli.command import TICKET_HELP, add_config_options, parser_of, run_command

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmlth.trained.net import TrainedNet

EXAMPLES = """examples:
  mmlth barrier work_dirs/a/round_01 work_dirs/a/round_02 --work-dir work_dirs/a_1_2
  mmlth barrier my_config.py --children work_dirs/a/round_02 --seeds 1 2 --work-dir work_dirs/k0
  mmlth barrier --against work_dirs/k0 work_dirs/k100 --work-dir work_dirs/against_k
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = parser_of('barrier', __doc__, EXAMPLES)
    parser.add_argument(
        'nets', nargs='*', metavar='NET',
        help=f'two trained nets, each {TICKET_HELP}; with --children: a config')
    parser.add_argument('--children', metavar='TICKET', help='train this ticket with each seed')
    parser.add_argument('--seeds', nargs=2, type=int, metavar='N', default=[1, 2],
                        help='of the children: data order, augmentation, dropout (default: 1 2)')
    parser.add_argument('--against', nargs='+', metavar='DIR', help='work dirs of this command')
    parser.add_argument('--work-dir', metavar='DIR', required=True,
                        help='for barrier.json, barrier.png, logs and children')
    parser.add_argument('--points', type=int, default=11, metavar='N',
                        help='on the path, its ends included (default: 11)')
    parser.add_argument('--bn-batches', type=int, default=50, metavar='N',
                        help='training batches on which statistics are measured again between the '
                        'ends; 0 interpolates them (default: 50)')
    parser.add_argument('--loss-batches', type=int, default=50, metavar='N',
                        help='further ones, whose mean training loss is taken (default: 50)')
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of these batches')
    parser.add_argument('--config', help='default: the config that the first net was trained with')
    parser.add_argument('--data-root', metavar='DIR', help='where the data lies')
    add_config_options(parser)
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    wanted = 0 if args.against else 1 if args.children else 2
    if len(args.nets) != wanted or (args.against and args.children):
        parser.error('give two nets, or a config with --children TICKET, or --against DIR ... '
                     f'alone; got {args.nets}')
    if args.children and args.seeds[0] == args.seeds[1]:
        parser.error(f'--seeds {args.seeds[0]} twice would be the same training')
    for name, least in dict(points=3, bn_batches=0, loss_batches=1).items():
        if getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")} must be at least {least}')


def run(args: argparse.Namespace) -> None:
    """Measure the path and print its table, or draw several against k."""
    if args.against:
        _against(args)
        return
    from mmlth.analysis.barriers import scalars_of
    from mmlth.core.layout import Layout
    from mmlth.core.store import find_ticket
    from mmlth.engine.scalars import add_scalars
    from mmlth.trained.net import read_trained, step_of

    out = Path(args.work_dir)
    folders = [out / f'seed_{seed}' for seed in args.seeds]
    tickets = [Layout(folder).ticket(1) for folder in folders] if args.children else [
        find_ticket(net) for net in args.nets]
    _check_free(out, tickets)
    k = None
    if args.children:
        parent = find_ticket(args.children)
        k = step_of(parent)
        for folder, seed in zip(folders, args.seeds, strict=True):
            _train(args, parent, seed, folder)
    a, b = map(read_trained, tickets)
    if not args.children and a.start == b.start:
        k = a.k
    cfg = _config(args, a)
    result = _measure(args, cfg, a, b, k)
    _write(out, result)
    if add_scalars(cfg, out, 'barrier', scalars_of(result)):
        print(f'sent to the visualizer backends of the config, files under {out}')


def _config(args: argparse.Namespace, net: 'TrainedNet') -> 'Config':
    from mmlth.engine.config_files import load_config, set_data_root
    from mmlth.trained.evaluate import config_beside

    cfg = load_config(args.config or config_beside(net.ticket), args.cfg_options)
    return set_data_root(cfg, args.data_root) if args.data_root else cfg


def _train(args: argparse.Namespace, parent: Path, seed: int, work_dir: Path) -> None:
    """Train a child as ``mmlth train --ticket`` does, unless it is trained."""
    moved = ['--data-root', args.data_root] if args.data_root else []
    job = train.parse_args([
        args.nets[0], '--ticket', str(parent), '--seed', str(seed),
        '--order-seed', str(seed), '--work-dir', str(work_dir), *moved])
    job.cfg_options = args.cfg_options
    train.run(job)


def _check_free(out: Path, tickets: Sequence[Path]) -> None:
    """Raise FileExistsError for a folder that holds the barrier of other nets."""
    from mmlth.analysis.barriers import FILE
    from mmlth.core.files import read_json

    path = out / FILE
    if not path.exists():
        return
    found = [end['ticket'] for end in read_json(path)['ends']]
    if found != [_from(out, ticket) for ticket in tickets]:
        raise FileExistsError(f'{path} tells of other nets, {" and ".join(found)}. Choose another '
                              '--work-dir')


def _from(out: Path, ticket: Path) -> str:
    return os.path.relpath(ticket.resolve(), out.resolve())


def _measure(
    args: argparse.Namespace, cfg: 'Config', a: 'TrainedNet', b: 'TrainedNet', k: int | None,
) -> dict[str, Any]:
    from mmlth.analysis.barriers import VERSION, barriers_of, matches, same_metrics
    from mmlth.core.interpolation import union
    from mmlth.core.masks import density
    from mmlth.trained.linear_path import walk

    shares = [step / (args.points - 1) for step in range(args.points)]
    points, again = walk(
        cfg, a.state, b.state, shares, work_dir=str(Path(args.work_dir, 'eval')),
        bn_batches=args.bn_batches, loss_batches=args.loss_batches, seed=args.seed)
    between = union(a.masks, b.masks)
    ends = [
        dict(ticket=_from(Path(args.work_dir), net.ticket), sparsity=net.sparsity,
             recorded=net.metrics, dense=net.dense,
             equals_record=None if net.metrics is None else same_metrics(
                 point['metrics'], net.metrics),
             matching=matches(point['metrics'], net.dense or {}))
        for net, point in zip((a, b), (points[0], points[-1]), strict=True)]
    verdicts = [end['matching'] for end in ends]
    return dict(
        version=VERSION, k=k, ends=ends, sparsity_between=1 - density(between) if between else 0.0,
        bn_batches=args.bn_batches, loss_batches=args.loss_batches, seed=args.seed,
        points=points, ends_reestimated=again, barriers=barriers_of(points),
        matching=None if None in verdicts else all(verdicts))


def _write(out: Path, result: dict[str, Any]) -> None:
    from mmlth.analysis.barrier_figures import plot_path
    from mmlth.analysis.barriers import FILE, report
    from mmlth.core.files import write_json

    write_json(out / FILE, result)
    plot_path(result['points'], result['barriers'], out / 'barrier.png')
    print(report(result))
    print(f'wrote {out / FILE} and {out / "barrier.png"}')


def _against(args: argparse.Namespace) -> None:
    from mmlth.analysis.barrier_figures import plot_against_k
    from mmlth.analysis.barriers import against_table, load_barriers

    results = load_barriers(args.against)
    out = Path(args.work_dir)
    out.mkdir(parents=True, exist_ok=True)
    path = plot_against_k(results, out / 'barrier_against_k.png')
    print(f'{against_table(results)}\n\nwrote {path}')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command('barrier', run, parse_args(argv))
