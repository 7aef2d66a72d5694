#!/usr/bin/env python
"""What made trainings on DigitScenes cheap, step by step of the search.

Steps of 8 images on one thread, in CPU time, so that other work on the machine counts little (more
threads: in wall time, for an idle machine); the variants take turns in one process. ``loading`` is
what a loader process computes for a batch beside it. Needs the data:
mmlth digit-scenes --out data/digit_scenes --train 300 --val 1000.
"""
import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper

from mmlth.core.tables import to_markdown_table
from mmlth.engine.config_files import load_config

CONFIGS = Path(__file__).resolve().parent.parent / 'configs' / 'digit_scenes'
FULL = CONFIGS / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'
HALF = CONFIGS / 'faster-rcnn_r18-tiny_fpn_48e_digitscenes-half.py'
BATCH = 8
HEADER = ['variant', 'step, ms', 'of the first', 'loading, ms']


def half_size(full: Config, half: Config) -> Config:
    """Return the first config with the second one's images."""
    found = full.copy()
    found.train_dataloader = half.train_dataloader
    return found


def stepper(cfg: Config, batch: dict[str, Any], channels_last: bool) -> Callable[[], None]:
    """Return a function that trains a step."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    return lambda: model.train_step(batch, optim_wrapper)


def load(cfg: Config, data_root: str, decoded: bool) -> Callable[[], dict[str, Any]]:
    """Return a function that loads the first batch, from images that are decoded already or not."""
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, 'data_root': data_root})
    read, *others = dataset.pipeline.transforms
    stored = [read(dataset.get_data_info(i)) for i in range(BATCH)]

    def batch() -> dict[str, Any]:
        found = []
        for i in range(BATCH):
            result = {**stored[i], 'img': stored[i]['img'].copy()} if decoded else read(
                dataset.get_data_info(i))
            for transform in others:
                result = transform(result)
            found.append(result)
        return pseudo_collate(found)

    return batch


def milliseconds(run: Callable[[], Any]) -> float:
    """Return the time of a run: of this process, or of the clock where it has several threads."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    run()
    return 1000 * (clock() - started)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', default='data/digit_scenes/')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repetitions', type=int, default=15)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    register_all_modules()
    torch.set_num_threads(args.threads)
    full, half = load_config(str(FULL)), load_config(str(HALF))
    smaller = half_size(full, half)
    variants = [  # name, config, channels_last, images decoded beforehand
        ("the quickstart's detector", full, False, False),
        ('half-size images', smaller, False, False),
        ('and fewer proposals', half, False, False),
        ('and channels_last', half, True, False),
        ('and decoded images kept', half, True, True)]
    loaders = [load(cfg, args.data_root, decoded) for _, cfg, _, decoded in variants]
    steps = [stepper(cfg, loader(), last)
             for (_, cfg, last, _), loader in zip(variants, loaders, strict=True)]
    for step in steps:
        step()
    taken = [[milliseconds(step) for step in steps] for _ in range(args.repetitions)]
    loading = [[milliseconds(loader) for loader in loaders] for _ in range(args.repetitions)]
    medians = [statistics.median(times) for times in zip(*taken, strict=True)]
    loads = [statistics.median(times) for times in zip(*loading, strict=True)]
    rows = [[name, f'{ms:.0f}', f'{ms / medians[0]:.2f}', f'{own:.0f}']
            for (name, *_), ms, own in zip(variants, medians, loads, strict=True)]
    print(to_markdown_table(HEADER, rows))


if __name__ == '__main__':
    main()
