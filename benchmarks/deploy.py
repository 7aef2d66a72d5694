#!/usr/bin/env python
"""Time detectors as MMDet runs them, and as a deployed ticket does, end to end on the CPU.

RetinaNet and Faster R-CNN of MMDet on ResNet-18 with a feature pyramid, random weights, one image
of noise, from the preprocessed image to the detections (RoIAlign and NMS are in it). The ways take
turns in one process; medians are printed, and the spread between the quartiles of the last.

Density of a layer: its log-odds fall linearly with log2 of its number of weights, as fitted to the
densities that the paper measured (mmlth/analysis/paper_numbers/prune_percent_across_layers.csv: 16
convolutions of a ResNet-18 pruned globally), shifted so that all convolutions and linear layers
have the wanted sparsity together. Which weights are kept is random.
"""
import argparse
import copy
import csv
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn

import mmlth
from mmlth.core.tables import to_markdown_table
from mmlth.deploy.detector import build
from mmlth.deploy.fold import fold
from mmlth.deploy.plan import follow
from mmlth.deploy.roi_align import replace_roi_aligns
from mmlth.deploy.tune import record_shapes, tune
from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net

DETECTORS = {'retinanet': 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
             'faster_rcnn': 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'}
RESNET_18 = {'model.backbone.depth': 18, 'model.neck.in_channels': [64, 128, 256, 512],
             'model.backbone.init_cfg': None}
PAPER = Path(mmlth.__file__).parent / 'analysis/paper_numbers/prune_percent_across_layers.csv'
WAYS = ['MMDet', 'folded', 'channels_last', 'channels_last, own RoIAlign', 'mmlth']
HEADER = ['detector', 'sparsity', 'multiply-adds kept', 'sparse layers',
          *(f'{way}, ms' for way in WAYS), 'quartiles', 'vs MMDet',
          'vs the fastest of torch', '... with own RoIAlign']
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
WEIGHED = (nn.Conv2d, nn.Linear)

Layers = dict[str, nn.Module]
Densities = dict[str, float]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detectors', nargs='+', choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument('--sparsities', nargs='+', type=float, default=[0, 0.8, 0.9, 0.95])
    parser.add_argument('--size', type=int, default=512, help='pixels, both ways')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repetitions', type=int, default=9)
    parser.add_argument(
        '--clock', choices=list(CLOCKS), default='wall', help='cpu: seconds that this process '
        'computed, for a machine that does other things besides; of one thread only')
    return parser.parse_args(argv)


def slope_of_paper() -> float:
    """Fit how the log-odds of a layer's density change with log2 of its weights."""
    with PAPER.open(encoding='utf-8') as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith('#')))
    kept = np.array([1 - float(row['prune_pct']) / 100 for row in rows])
    sizes = np.array([float(row['weights_in_layer_if_16_3x3_convs_of_R18']) for row in rows])
    slope, _ = np.polyfit(np.log2(sizes), np.log(kept / (1 - kept)), 1)
    return float(slope)


def densities_for(sizes: dict[str, int], sparsity: float) -> Densities:
    """Return layer -> density, of which all layers together have the sparsity."""
    slope, (low, high) = slope_of_paper(), (-100.0, 100.0)
    found: Densities = {}
    for _ in range(60):  # bisection
        shift = (low + high) / 2
        found = {name: 1 / (1 + math.exp(-shift - slope * math.log2(size)))
                 for name, size in sizes.items()}
        kept = sum(found[name] * size for name, size in sizes.items()) / sum(sizes.values())
        low, high = (low, shift) if kept > 1 - sparsity else (shift, high)
    return found


def read_detector(name: str) -> tuple[Config, dict[str, torch.Tensor]]:
    """Return config and random state of a detector."""
    cfg = load_config(DETECTORS[name], RESNET_18)
    net = read_net(cfg, seed=0)
    for module in net.model.modules():
        if isinstance(module, nn.BatchNorm2d):  # those that begin at 0 would fold into zeros
            nn.init.ones_(module.weight)
    return cfg, net.state


def prune(cfg: Config, state: dict[str, Any], sparsity: float) -> nn.Module:
    """Return the detector with random masks of the wanted sparsity."""
    model = build(cfg, state, {}, 'random weights')
    if not sparsity:
        return model
    layers = weighed(model)
    densities = densities_for({n: layer.weight.numel() for n, layer in layers.items()}, sparsity)
    for name, layer in layers.items():
        layer.weight.mul_(torch.rand_like(layer.weight) < densities[name])
    return model


def weighed(model: nn.Module) -> dict[str, Any]:
    """Return name -> convolution or linear layer."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, WEIGHED)}


def multiply_adds(model: nn.Module, run: Callable[[], Any]) -> float:
    """Return the share of multiply-adds whose weight is kept."""
    outputs: dict[nn.Module, int] = {}

    def count(layer: Any, _: Any, output: torch.Tensor) -> None:
        outputs[layer] = outputs.get(layer, 0) + output.numel() // layer.weight.shape[0]

    handles = [layer.register_forward_hook(count) for layer in weighed(model).values()]
    run()
    for handle in handles:
        handle.remove()
    kept = sum(int(layer.weight.count_nonzero()) * times for layer, times in outputs.items())
    return kept / sum(layer.weight.numel() * times for layer, times in outputs.items())


def runner(model: Any, size: int, channels_last: bool = False) -> Callable[[], Any]:
    """Return what detects in one preprocessed image of noise."""
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    sample = DetDataSample(metainfo=dict(
        img_shape=(size, size), ori_shape=(size, size), batch_input_shape=(size, size),
        pad_shape=(size, size), scale_factor=(1.0, 1.0)))

    def run() -> Any:
        with torch.no_grad():
            return model.predict(image, [copy.deepcopy(sample)])
    return run


def take_turns(
    ways: list[Callable[[], Any]], repetitions: int, clock: Callable[[], float],
) -> list[list[float]]:
    """Return the milliseconds of every repetition of every way."""
    for way in ways:
        way()
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(repetitions):
        for way, taken in zip(ways, times, strict=True):
            start = clock()
            way()
            taken.append(1e3 * (clock() - start))
    return times


def row_of(name: str, sparsity: float, args: argparse.Namespace) -> list[str]:
    """Time one detector at one sparsity."""
    plain = prune(*read_detector(name), sparsity)
    kept = multiply_adds(plain, runner(plain, args.size))
    folded = copy.deepcopy(plain)
    fold(folded)
    last, deployed = copy.deepcopy(folded), copy.deepcopy(folded)
    last.to(memory_format=torch.channels_last)
    own_roi_align = copy.deepcopy(last)
    replace_roi_aligns(own_roi_align)
    shapes = record_shapes(deployed, runner(deployed, args.size))
    sparse = follow(deployed, tune(deployed, shapes, lambda text: None).layers)
    replace_roi_aligns(deployed)
    ways = [runner(plain, args.size), runner(folded, args.size),
            runner(last, args.size, channels_last=True),
            runner(own_roi_align, args.size, channels_last=True),
            runner(deployed, args.size)]
    times = take_turns(ways, args.repetitions, CLOCKS[args.clock])
    medians = [statistics.median(taken) for taken in times]
    low, _, high = statistics.quantiles(times[-1])
    ratios = [f'{ms / medians[-1]:.2f}x' for ms in (
        medians[0], min(medians[:3]), min(medians[:-1]))]
    return [name, f'{sparsity:.0%}', f'{kept:.1%}', str(sparse), *(f'{ms:.0f}' for ms in medians),
            f'{low:.0f} to {high:.0f}', *ratios]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
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
