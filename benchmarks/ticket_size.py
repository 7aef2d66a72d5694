#!/usr/bin/env python
"""Bytes of a ticket's masks against the entropy bound, and the time to pack and unpack them.

Random masks of 41.5 million weights are the hardest case; masks that IMP finds are smaller,
because layers differ in density.
"""
import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import torch

from mmlth.core import masks as mask_functions
from mmlth.core.mask_coding import pack, unpack
from mmlth.core.ticket import Ticket, save_ticket

Masks = dict[str, torch.Tensor]


def entropy(density: float) -> float:
    """Return the bits a weight that random masks of this density need at least."""
    return -(density * math.log2(density) + (1 - density) * math.log2(1 - density))


def random_masks(tensors: int, each: int, sparsity: float) -> Masks:
    """Return ``tensors`` masks of ``each`` weights."""
    generator = torch.Generator().manual_seed(0)
    return {f'layer{i}': torch.rand(each, generator=generator) >= sparsity
            for i in range(tensors)}


def ticket_bytes(masks: Masks) -> int:
    """Return the size of a ticket file that holds these masks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ticket.safetensors'
        save_ticket(Ticket(masks=masks, rewind_file='w', rewind_digest=''), path)
        return path.stat().st_size


def print_row(masks: Masks, sparsity: float) -> None:
    """Pack, unpack and save masks, and print what that takes."""
    total = mask_functions.size(masks)
    start = time.perf_counter()
    packed = {name: pack(mask) for name, mask in masks.items()}
    middle = time.perf_counter()
    back = {name: unpack(packed[name], tuple(mask.shape)) for name, mask in masks.items()}
    end = time.perf_counter()
    if any(not torch.equal(back[name], mask) for name, mask in masks.items()):
        raise RuntimeError('unpacked masks differ')
    size = ticket_bytes(masks)
    bits = 8 * sum(map(len, packed.values())) / total
    bound = entropy(mask_functions.kept(masks) / total)
    print(f'{100 * sparsity:>7.0f}% {bound:>11.4f} {bits:>11.4f} {bits / bound:>8.3f} '
          f'{size / 1e6:>8.2f} {8 * size / total:>9.3f} '
          f'{middle - start:>7.2f} {end - middle:>9.2f}')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', type=int, default=41_500_000)
    parser.add_argument('--tensors', type=int, default=60)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    each = args.weights // args.tensors
    total = each * args.tensors
    print(f'{total:,} weights in {args.tensors} tensors; MB: '
          f'float32 masks {4 * total / 1e6:.1f}, one bit {total / 8e6:.1f}')
    print(f'{"sparsity":>8} {"bound bit/w":>11} {"mmlth bit/w":>11} {"/ bound":>8} '
          f'{"file MB":>8} {"/ one bit":>9} {"pack s":>7} {"unpack s":>9}')
    for sparsity in (0.5, 0.8, 0.9, 0.95, 0.99):
        print_row(random_masks(args.tensors, each, sparsity), sparsity)
    return 0


if __name__ == '__main__':
    sys.exit(main())
