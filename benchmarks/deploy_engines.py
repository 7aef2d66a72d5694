#!/usr/bin/env python
"""Time what a detector computes on tensors, in torch, ONNX Runtime, OpenVINO and as deployed.

Backbone, neck and the heads' layers, for one image; of a two-stage detector also the box head for
1000 regions of noise. No RoIAlign, boxes or NMS, which those engines would run elsewhere. All
engines have batch norms folded, compute in float32 and take turns in one process; medians. Needs
besides mmlth: pip install onnx onnxscript onnxruntime openvino
"""
import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pruned_detectors import DETECTORS, image_of, measured, multiply_adds, pruned, take_turns
from torch import Tensor, nn

from mmlth.core.tables import to_markdown_table
from mmlth.deploy.fold import fold
from mmlth.deploy.plan import follow
from mmlth.deploy.pooling import replace_pooling
from mmlth.deploy.tune import record_shapes, tune

REGIONS, CHANNELS = 1000, 256
ENGINES = ['torch', 'torch, channels_last', 'ONNX Runtime', 'OpenVINO', 'mmlth']
HEADER = ['detector', 'sparsity', 'multiply-adds kept', *(f'{name}, ms' for name in ENGINES),
          'vs the fastest other']
TOLERANCE = 1e-3  # of the largest value of an output

Run = Callable[[], list[Tensor]]


class TensorPart(nn.Module):
    """What a detector computes on tensors; returns the outputs of its heads, flat."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, regions: Tensor) -> list[Tensor]:
        """Return the heads' outputs.

        Args:
            image: 1 x 3 x H x W.
            regions: R x C x 7 x 7; left alone by detectors of one stage.
        """
        features = self.model.extract_feat(image)
        if not hasattr(self.model, 'roi_head'):
            return flat(self.model.bbox_head(features))
        return [*flat(self.model.rpn_head(features)),
                *self.model.roi_head.bbox_head(regions)]


def flat(levels: Any) -> list[Tensor]:
    """Return the tensors of nested tuples and lists, in order."""
    return [levels] if isinstance(levels, Tensor) else [
        tensor for level in levels for tensor in flat(level)]


def in_torch(part: nn.Module, inputs: list[Tensor]) -> Run:
    def run() -> list[Tensor]:
        with torch.no_grad():
            found: list[Tensor] = part(*inputs)
            return found
    return run


def in_onnx_runtime(file: str, inputs: list[Tensor], threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=['CPUExecutionProvider'])
    known = {given.name for given in session.get_inputs()}  # regions are none of one stage
    feed = {name: tensor.numpy() for name, tensor in zip(
        ('image', 'regions'), inputs, strict=True) if name in known}
    return lambda: [torch.from_numpy(found) for found in session.run(None, feed)]


def in_openvino(file: str, inputs: list[Tensor], threads: int) -> Run:
    import openvino

    core = openvino.Core()
    model = core.compile_model(core.read_model(file), 'CPU', {
        'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32'})
    feed = [tensor.numpy() for tensor in inputs[:len(model.inputs)]]
    return lambda: [torch.from_numpy(found) for found in model(feed).values()]


def export(part: nn.Module, inputs: list[Tensor], file: str) -> None:
    """Write a detector's tensor part as ONNX."""
    torch.onnx.export(part, tuple(inputs), file, input_names=['image', 'regions'], dynamo=False,
                      opset_version=17)


def check_same(expected: list[Tensor], found: list[Tensor], engine: str) -> None:
    """Raise RuntimeError where an engine computes something else."""
    for number, (a, b) in enumerate(zip(expected, found, strict=True)):
        difference = (a - b).abs().max().item()
        if not difference <= TOLERANCE * max(1.0, a.abs().max().item()):
            raise RuntimeError(f'{engine}: output {number} differs by {difference:.2g}')


def row_of(name: str, sparsity: float, args: argparse.Namespace) -> list[str]:
    """Time one detector at one sparsity in every engine."""
    model = pruned(name, sparsity, measured(args.densities))
    fold(model)
    part = TensorPart(model).eval()
    inputs = [image_of(args.size), torch.randn(REGIONS, CHANNELS, 7, 7)]
    run = in_torch(part, inputs)
    kept, expected = multiply_adds(part, run), run()
    last, deployed = copy.deepcopy(part), copy.deepcopy(part)
    last.to(memory_format=torch.channels_last)
    shapes = record_shapes(deployed, in_torch(deployed, inputs))
    follow(deployed, tune(deployed, shapes, lambda text: None).layers)
    replace_pooling(deployed)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, 'part.onnx'))
        export(part, inputs, file)
        runs = [run, in_torch(last, [
            tensor.contiguous(memory_format=torch.channels_last) for tensor in inputs]),
            in_onnx_runtime(file, inputs, args.threads), in_openvino(file, inputs, args.threads),
            in_torch(deployed, inputs)]
        for engine, each in zip(ENGINES, runs, strict=True):
            check_same(expected, each(), engine)
        times = take_turns(runs, args.repetitions, time.perf_counter)
    medians = [statistics.median(taken) for taken in times]
    return [name, f'{sparsity:.0%}', f'{kept:.1%}', *(f'{ms:.0f}' for ms in medians),
            f'{min(medians[:-1]) / medians[-1]:.2f}x']


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detectors', nargs='+', choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument('--sparsities', nargs='+', type=float, default=[0.8, 0.9, 0.95])
    parser.add_argument('--densities', default='paper', help='"paper" or the record of a ticket')
    parser.add_argument('--size', type=int, default=512, help='pixels, both ways')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repetitions', type=int, default=9)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rows = []
    for name in args.detectors:
        for sparsity in args.sparsities:
            rows.append(row_of(name, sparsity, args))
            print(rows[-1], flush=True)
    print(to_markdown_table(HEADER, rows))


if __name__ == '__main__':
    main()
