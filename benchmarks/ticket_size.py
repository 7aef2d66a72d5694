#!/usr/bin/env python
"""Bytes of a ticket's masks against the entropy bound, and the time to pack and unpack them.

Random masks of 41.5 million weights are the hardest case; masks that IMP finds are smaller, because
layers differ in density.
"""
import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import torch

from mmlth.core.mask_coding import pack, unpack
from mmlth.core.ticket import Ticket, save_ticket


def entropy(density: float) -> float:
    """Return the bits a weight that random masks of this density need at least."""
    return -(density * math.log2(density) + (1 - density) * math.log2(1 - density))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', type=int, default=41_500_000)
    parser.add_argument('--tensors', type=int, default=60)
    args = parser.parse_args()
    each = args.weights // args.tensors
    total = each * args.tensors
    print(f'{total:,} weights in {args.tensors} tensors; MB: float32 masks {4 * total / 1e6:.1f}, '
          f'one bit {total / 8e6:.1f}')
    print(f'{"sparsity":>8} {"bound bit/w":>11} {"mmlth bit/w":>11} {"/ bound":>8} {"file MB":>8} '
          f'{"/ one bit":>9} {"pack s":>7} {"unpack s":>9}')
    for sparsity in (0.5, 0.8, 0.9, 0.95, 0.99):
        generator = torch.Generator().manual_seed(0)
        masks = {f'layer{i}': torch.rand(each, generator=generator) >= sparsity for i in range(args.tensors)}
        density = sum(int(m.sum()) for m in masks.values()) / total
        start = time.perf_counter()
        packed = {name: pack(m) for name, m in masks.items()}
        middle = time.perf_counter()
        back = {name: unpack(p, (each, )) for name, p in packed.items()}
        end = time.perf_counter()
        if any(not torch.equal(back[n], m) for n, m in masks.items()):
            raise RuntimeError('unpacked masks differ')
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'ticket.safetensors'
            save_ticket(Ticket(masks=masks, rewind_file='w', rewind_digest=''), path)
            size = path.stat().st_size
        bits = 8 * sum(map(len, packed.values())) / total
        print(f'{100 * sparsity:>7.0f}% {entropy(density):>11.4f} {bits:>11.4f} '
              f'{bits / entropy(density):>8.3f} {size / 1e6:>8.2f} {8 * size / total:>9.3f} '
              f'{middle - start:>7.2f} {end - middle:>9.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
