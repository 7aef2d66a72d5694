#!/usr/bin/env python
"""How close the sparse kernel comes to what the machine can do, layer by layer (a roofline).

The roof of a layer is the lesser of two: the multiply-adds a second of a dense product of large
matrices in torch, and memory's bytes a second (copying what no cache holds) times the multiply-adds
a byte of the layer, which reads its input and its kept weights with their offsets once and writes
its output once. Layers are measured as `mmlth deploy` does it, on one thread, each by itself.
"""
import argparse
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import torch
from pruned_detectors import DETECTORS, measured, pruned, runner

from mmlth.core.tables import to_markdown_table
from mmlth.deploy.fold import fold
from mmlth.deploy.layers_of import sparse_candidates
from mmlth.deploy.plan import LayerPlan
from mmlth.deploy.tune import record_shapes, tune

HEADER = ['layer', 'kept', 'torch, ms', 'sparse, ms', 'kept GMAC/s', 'GMAC a GB', 'roof, GMAC/s',
          'of the roof']
Row = tuple[str, LayerPlan, float, float]  # name, plan, multiply-adds kept, bytes
Machine = tuple[float, float]  # multiply-adds and bytes a second


def seconds_of(work: Callable[[], object], repetitions: int = 9) -> float:
    """Return the least seconds that some work took."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def peak_of() -> float:
    """Return the multiply-adds a second of a dense product."""
    size = 1536
    a, b = torch.randn(size, size), torch.randn(size, size)
    return size**3 / seconds_of(lambda: a @ b)


def bandwidth_of() -> float:
    """Return the bytes a second that copying reads and writes, of more than a cache holds."""
    source = torch.ones(1 << 28)
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / seconds_of(lambda: target.copy_(source), 3)


def read_layers(name: str, sparsity: float, densities: str, size: int) -> list[Row]:
    """Measure the layers of a detector that has zeros to skip."""
    model = pruned(name, sparsity, measured(densities))
    fold(model)
    run = runner(model, size)
    layers = sparse_candidates(model)
    numbers: dict[str, int] = dict.fromkeys(layers, 0)

    def counter(layer_name: str) -> Callable[..., None]:
        def count(_: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            numbers[layer_name] += output.numel()
        return count

    handles = [layer.register_forward_hook(counter(n)) for n, layer in layers.items()]
    shapes = record_shapes(model, run)
    for handle in handles:
        handle.remove()
    rows = []
    for layer_name, plan in tune(model, shapes, lambda text: None).layers.items():
        outputs = numbers[layer_name]
        inputs = sum(torch.Size(shape).numel() for shape in plan.shapes)
        multiplied = plan.kept * outputs / len(layers[layer_name].weight)
        rows.append((layer_name, plan, multiplied,
                     4. * (inputs + outputs) + 8 * plan.kept * len(plan.shapes)))
    return rows


def share_of(row: Row, machine: Machine) -> tuple[float, float]:
    """Return the multiply-adds a second of a layer, and its roof."""
    _, plan, multiplied, moved = row
    return multiplied / plan.sparse_ms * 1e3, min(machine[0], multiplied / moved * machine[1])


def line_of(row: Row, machine: Machine) -> list[str]:
    name, plan, multiplied, moved = row
    reached, roof = share_of(row, machine)
    return [name, f'{plan.kept / plan.weights:.1%}', f'{plan.torch_ms:.2f}',
            f'{plan.sparse_ms:.2f}', f'{reached / 1e9:.1f}', f'{multiplied / moved:.1f}',
            f'{roof / 1e9:.1f}', f'{reached / roof:.0%}']


def draw(rows: list[Row], machine: Machine, title: str, file: Path) -> None:
    """Draw achieved multiply-adds a second over multiply-adds a byte, below the roof."""
    mpl.use('Agg')
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6.4, 4.2), layout='constrained')
    ridge = machine[0] / machine[1]
    ax.plot([0.1, ridge, 1000], [0.1 * machine[1] / 1e9, machine[0] / 1e9, machine[0] / 1e9],
            color='black', linewidth=1.2)
    ax.text(1000, machine[0] / 1e9 * 1.06, 'dense product', ha='right')
    ax.text(0.35, 0.35 * machine[1] / 1e9 * 1.5, 'memory', rotation=38)
    for sparse, colour, label in ((True, 'tab:blue', 'sparse kernel planned'),
                                  (False, 'tab:orange', 'stays with torch')):
        chosen = [row for row in rows if row[1].sparse == sparse]
        ax.scatter([row[2] / row[3] for row in chosen],
                   [share_of(row, machine)[0] / 1e9 for row in chosen],
                   s=[12 + 6 * row[1].sparse_ms for row in chosen], color=colour, alpha=0.6,
                   label=label, linewidth=0)
    ax.set(xscale='log', yscale='log', xlabel='kept multiply-adds a byte',
           ylabel='10⁹ kept multiply-adds a second', title=title, xlim=(0.1, 1200), ylim=(0.5, 200))
    ax.legend(loc='lower right', title='area: time')
    figure.savefig(file, dpi=150)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detector', choices=list(DETECTORS), default='retinanet_r18')
    parser.add_argument('--sparsity', type=float, default=0.9)
    parser.add_argument('--densities', default='paper', help='"paper" or the record of a ticket')
    parser.add_argument('--size', type=int, default=512, help='pixels, both ways')
    parser.add_argument('--figure', type=Path, help='file to draw to, as roofline.png')
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    machine = peak_of(), bandwidth_of()
    print(f'dense product {machine[0] / 1e9:.1f} GMAC/s, memory {machine[1] / 1e9:.1f} GB/s')
    rows = read_layers(args.detector, args.sparsity, args.densities, args.size)
    print(to_markdown_table(HEADER, [line_of(row, machine) for row in rows]))
    total = sum(row[1].sparse_ms for row in rows)
    ideal = sum(row[2] / share_of(row, machine)[1] * 1e3 for row in rows)
    print(f'all layers: {total:.0f} ms, at the roof {ideal:.0f} ms ({ideal / total:.0%})')
    lost = sorted(rows, key=lambda row: row[1].sparse_ms - row[2] / share_of(row, machine)[1] * 1e3)
    print('most time above the roof:', ', '.join(row[0] for row in lost[:-4:-1]))
    if args.figure:
        draw(rows, machine, f'{args.detector}, {args.sparsity:.0%} pruned, {args.size} px, '
             'one thread', args.figure)


if __name__ == '__main__':
    main()
