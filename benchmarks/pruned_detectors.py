"""Detectors of MMDet with random weights and random masks, of layer densities that were measured.

Density of a layer: its log-odds are those that were measured (below) plus a shift that is the same
for all layers, so that all convolutions and linear layers have the wanted sparsity together. Which
weights of a layer are kept is random. Measured were

- ``paper``: the 16 convolutions of a ResNet-18 pruned globally
  (mmlth/analysis/paper_numbers/prune_percent_across_layers.csv); a line through their log-odds
  over log2 of their numbers of weights gives those of any layer;
- or all layers of a ticket, whose record is given (docs/experiments has some). The detector's
  layers have the names of the ticket's; others have the median of its log-odds.
"""
import copy
import csv
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn

import mmlth
from mmlth.deploy.detector import build
from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net

_RESNET_18 = {'model.backbone.depth': 18, 'model.neck.in_channels': [64, 128, 256, 512]}
_SCRATCH = {'model.backbone.init_cfg': None}
_FASTER_RCNN = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
DETECTORS: dict[str, tuple[str, dict[str, Any]]] = {
    'retinanet_r18': ('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', _RESNET_18 | _SCRATCH),
    'faster_rcnn_r18': (_FASTER_RCNN, _RESNET_18 | _SCRATCH),
    'faster_rcnn_r50': (_FASTER_RCNN, _SCRATCH),
    'rtmdet_s': ('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', _SCRATCH),
}
_PAPER = Path(mmlth.__file__).parent / 'analysis/paper_numbers/prune_percent_across_layers.csv'
_WEIGHED = (nn.Conv2d, nn.Linear)

LogOdds = Callable[[str, int], float]  # of a layer's name and number of weights


def log_odds(density: float) -> float:
    return math.log(density / (1 - density))


def measured(densities: str) -> LogOdds:
    """Return log-odds of a layer's density, from ``paper`` or the record of a ticket."""
    if densities == 'paper':
        with _PAPER.open(encoding='utf-8') as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith('#')))
        kept = np.array([1 - float(row['prune_pct']) / 100 for row in rows])
        sizes = np.array([float(row['weights_in_layer_if_16_3x3_convs_of_R18']) for row in rows])
        slope, level = np.polyfit(np.log2(sizes), np.log(kept / (1 - kept)), 1)
        return lambda name, size: float(slope * math.log2(size) + level)
    record = json.loads(Path(densities).read_text())['rounds'][-1]
    found = {name.removesuffix('.weight'): log_odds(density)
             for name, density in record['layer_density'].items() if 0 < density < 1}
    middle = statistics.median(found.values())
    return lambda name, size: found.get(name, middle)


def densities_for(sizes: dict[str, int], odds: LogOdds, sparsity: float) -> dict[str, float]:
    """Return layer -> density, of which all layers together have the sparsity."""
    low, high = -100.0, 100.0
    found: dict[str, float] = {}
    for _ in range(60):  # bisection
        shift = (low + high) / 2
        found = {name: 1 / (1 + math.exp(-shift - odds(name, size)))
                 for name, size in sizes.items()}
        kept = sum(found[name] * size for name, size in sizes.items()) / sum(sizes.values())
        low, high = (low, shift) if kept > 1 - sparsity else (shift, high)
    return found


def weighed(model: nn.Module) -> dict[str, Any]:
    """Return name -> convolution or linear layer."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, _WEIGHED)}


def pruned(name: str, sparsity: float, odds: LogOdds) -> Any:
    """Return a detector with random weights and masks."""
    path, options = DETECTORS[name]
    cfg: Config = load_config(path, options)
    net = read_net(cfg, seed=0)
    for module in net.model.modules():
        if isinstance(module, nn.BatchNorm2d):  # those that begin at 0 would fold into zeros
            nn.init.ones_(module.weight)
    model = build(cfg, net.state, {}, 'random weights')
    layers = weighed(model)
    densities = densities_for({n: layer.weight.numel() for n, layer in layers.items()}, odds,
                              sparsity) if sparsity else {}
    generator = torch.Generator().manual_seed(0)
    for layer_name, density in densities.items():
        weight = layers[layer_name].weight
        weight.mul_(torch.rand(weight.shape, generator=generator) < density)
    return model


def image_of(size: int) -> torch.Tensor:
    """Return a preprocessed image of noise: 1 x 3 x size x size."""
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))


def runner(model: Any, size: int, channels_last: bool = False) -> Callable[[], Any]:
    """Return what detects in one preprocessed image of noise."""
    image = image_of(size)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    sample = DetDataSample(metainfo=dict(
        img_shape=(size, size), ori_shape=(size, size), batch_input_shape=(size, size),
        pad_shape=(size, size), scale_factor=(1.0, 1.0)))

    def run() -> Any:
        with torch.no_grad():
            return model.predict(image, [copy.deepcopy(sample)])
    return run


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
