"""Measure every layer as torch runs it and as the sparse kernel does; plan the faster one."""
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from mmlth.deploy.kernel import is_available, operators
from mmlth.deploy.layers_of import sparse_candidates
from mmlth.deploy.packing import Blocking
from mmlth.deploy.plan import LayerPlan, Plan, Shape, sparse_layer, this_machine

# Found best in some layer or other of detectors with AVX-512; large blocks for 1x1 and linear ones.
BLOCKINGS = tuple(Blocking(tile=tile, block=block) for tile, block in (
    (8, 16), (16, 16), (8, 24), (8, 32), (12, 64), (8, 128), (12, 256), (8, 1024)))
_REPETITIONS = 5
_NEEDED = 0.95  # of torch's time: what gains less may be the clock's noise
_TOLERANCE = 1e-3
_SECONDS_MS = 1e3

Say = Callable[[str], None]
Shapes = Mapping[str, Iterable[Shape]]


def record_shapes(model: nn.Module, run: Callable[[], Any]) -> dict[str, list[Shape]]:
    """Return name -> shapes of the inputs of its calls, for layers that could be sparse.

    Args:
        model: Folded.
        run: Runs the model once.
    """
    shapes: dict[str, list[Shape]] = {}

    def hook_of(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shapes.setdefault(name, []).append(tuple(inputs[0].shape))
        return hook

    with ExitStack() as stack:
        for name, layer in sparse_candidates(model).items():
            handle = layer.register_forward_pre_hook(hook_of(name))
            stack.callback(handle.remove)
        run()
    return shapes


def tune(model: nn.Module, shapes: Shapes, say: Say) -> Plan:
    """Measure every layer; return what runs each of them fastest on this machine.

    Args:
        model: Folded, every layer still torch's.
        shapes: Of :func:`record_shapes`; layers without any stay torch's.
        say: Told the name of each layer before it is measured.

    Raises:
        RuntimeError: A sparse layer gives other values than torch's.
    """
    layers = {}
    candidates = sparse_candidates(model) if is_available() else {}
    used = {name: [s for s in shapes.get(name, ()) if 0 not in s] for name in candidates}
    used = {name: calls for name, calls in used.items() if calls}
    for number, (name, calls) in enumerate(used.items(), 1):
        say(f'measuring {number} of {len(used)}: {name}')
        layers[name] = plan_layer(name, candidates[name], calls)
    return Plan(**this_machine(), layers=layers)


@torch.no_grad()
def plan_layer(name: str, layer: Any, shapes: list[Shape]) -> LayerPlan:
    """Measure a layer and all ways to cut its work."""
    generator = torch.Generator().manual_seed(0)
    inputs = {shape: torch.randn(shape, generator=generator) for shape in shapes}
    calls = [(inputs[shape], count) for shape, count in Counter(shapes).items()]
    ways = {blocking: sparse_layer(layer, blocking) for blocking in useful_blockings(layer)}
    _check_same(name, layer, next(iter(ways.values())), calls[0][0])
    times = measure([layer, *ways.values()], calls)
    torch_ms = times[0]
    sparse_ms, number = min((ms, number) for number, ms in enumerate(times[1:]))
    best = list(ways)[number]
    return LayerPlan(
        kept=int(layer.weight.count_nonzero()), weights=layer.weight.numel(),
        shapes=tuple(shapes), torch_ms=round(torch_ms, 4), sparse_ms=round(sparse_ms, 4),
        tile=best.tile, block=best.block, sparse=sparse_ms < _NEEDED * torch_ms)


def useful_blockings(layer: Any) -> list[Blocking]:
    """List the blockings that differ for a layer, on a processor with as many registers."""
    most, channels = operators().most_vectors(), layer.weight.shape[1]
    found = [Blocking(tile=min(each.tile, most), block=min(each.block, channels))
             for each in BLOCKINGS]
    return list(dict.fromkeys(found))


def measure(
    ways: list[Callable[[Tensor], Tensor]], calls: list[tuple[Tensor, int]],
) -> list[float]:
    """Return the milliseconds of all calls, the ways taking turns: the least of each input.

    The least, since whatever else the machine does can only add to them.

    Args:
        ways: Layers that do the same.
        calls: Inputs, each with the number of calls that it stands for.
    """
    totals = [0.0] * len(ways)
    for x, count in calls:
        for way in ways:
            way(x)  # memory, offsets, oneDNN's own choice
        rounds = [[_milliseconds(way, x) for way in ways] for _ in range(_REPETITIONS)]
        for number, times in enumerate(zip(*rounds, strict=True)):
            totals[number] += count * min(times)
    return totals


def least_ms(run: Callable[[], Any]) -> float:
    """Return the least milliseconds of a few runs."""
    run()
    return min(_milliseconds(run) for _ in range(_REPETITIONS))


def _milliseconds(way: Callable[..., Any], *inputs: Tensor) -> float:
    start = time.perf_counter()
    way(*inputs)
    return (time.perf_counter() - start) * _SECONDS_MS


def _check_same(name: str, layer: Any, sparse: nn.Module, x: Tensor) -> None:
    expected, found = layer(x), sparse(x)
    difference = (found - expected).abs().max().item()
    if not difference <= _TOLERANCE * max(1.0, expected.abs().max().item()):
        raise RuntimeError(f'{name}: the sparse kernel differs from torch by {difference:.2g}')
