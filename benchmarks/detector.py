"""The Faster R-CNN R50-FPN, the data and the clock of masking.py and early_bird.py."""
import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.optim import Optimizer

from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net

CONFIG = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both benchmarks can be told about their steps."""
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parser.add_argument('--size', type=int, nargs=2, default=(1333, 800), metavar=('W', 'H'))
    parser.add_argument('--images', type=int, default=2, help='per step')
    parser.add_argument('--device', default=device)


class Clock:
    """Adds up the seconds spent in a method within one step."""

    def __init__(self, device: str) -> None:
        self.cuda = device != 'cpu'
        self.seconds = 0.0

    def now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        start = self.now()
        yield
        self.seconds += self.now() - start

    def timed(self, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.running():
                return function(*args, **kwargs)
        return call


def build(device: str) -> BaseDetector:
    """Return a Faster R-CNN R50-FPN with random weights, in training mode."""
    cfg = load_config(CONFIG, {'model.backbone.init_cfg': None})
    return read_net(cfg, seed=0).model.to(device)


def batch(size: tuple[int, int], images: int) -> dict[str, list]:
    """Return random images of (width, height) with five boxes each, as a data loader would."""
    generator = torch.Generator().manual_seed(0)
    width, height = size
    samples = [sample(size, generator) for _ in range(images)]
    shape = (3, height, width)
    inputs = [torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)
              for _ in range(images)]
    return dict(inputs=inputs, data_samples=samples)


def sample(size: tuple[int, int], generator: torch.Generator) -> DetDataSample:
    """Return the annotation of one image: five boxes of a third of its sides."""
    width, height = size
    corner = torch.rand(5, 2, generator=generator) * torch.tensor([width / 2, height / 2])
    opposite = corner + torch.tensor([width / 3, height / 3])
    boxes = torch.cat([corner, opposite], 1)
    shape = (height, width)
    meta = dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0))
    found = DetDataSample(metainfo=meta)
    found.gt_instances = InstanceData(bboxes=boxes, labels=torch.arange(5))
    return found


def sgd(model: BaseDetector) -> Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)


def train_step(model: BaseDetector, optimizer: Optimizer, data: dict[str, list]) -> None:
    optimizer.zero_grad()
    processed = model.data_preprocessor(data, training=True)
    losses = model(**processed, mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    optimizer.step()
