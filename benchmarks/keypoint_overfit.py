#!/usr/bin/env python
"""Overfit Keypoint R-CNN R18 to a handful of COCO people and score it on those same images.

If encoding, loss, decoding and metric agree, OKS AP nears 1. DATA is a folder with images/ and a
COCO keypoint file; from it the first images are taken whose people are all well labelled. Starts
from random weights.
"""
import argparse
import json
import logging
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from mmlth.engine.config_files import load_config

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'keypoint_rcnn' / 'keypoint-rcnn_r18_fpn_1x_coco.py'


def well_labelled(data: dict, count: int, at_least: int = 10) -> dict:
    """Keep the first ``count`` images on which every person has ``at_least`` labelled keypoints."""
    people = defaultdict(list)
    for annotation in data['annotations']:
        people[annotation['image_id']].append(annotation)

    def is_well_labelled(image: dict) -> bool:
        found = people[image['id']]
        good = [a['num_keypoints'] >= at_least and not a['iscrowd'] for a in found]
        return bool(good) and all(good)

    images = [image for image in data['images'] if is_well_labelled(image)][:count]
    annotations = [annotation for image in images for annotation in people[image['id']]]
    return dict(data, images=images, annotations=annotations)


def overfit_config(args: argparse.Namespace, ann_file: Path) -> Config:
    """Turn the config of COCO into one that learns a few images by heart."""
    cfg = load_config(str(CONFIG))
    change_model(cfg)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        change_loader(loader, args, ann_file)
    # MMEngine waits 2 s between two epochs
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler')
    cfg.val_evaluator.ann_file = str(ann_file)
    change_schedule(cfg, args)
    cfg.default_hooks.checkpoint.update(interval=args.steps, by_epoch=False)
    cfg.default_hooks.logger.interval = 10
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg', 'imp'):
        cfg.pop(key, None)
    cfg.randomness = dict(seed=0)
    return cfg


def change_model(cfg: Config) -> None:
    """Train everything from random weights, with a narrower keypoint head."""
    norm = dict(type='BN', requires_grad=True)
    cfg.model.backbone.update(init_cfg=None, frozen_stages=-1, norm_eval=False, norm_cfg=norm)
    # the paper's 512 take ten times as long
    cfg.model.roi_head.keypoint_head.conv_out_channels = 128
    cfg.model.train_cfg.rcnn.sampler.num = 32


def change_loader(loader: ConfigDict, args: argparse.Namespace, ann_file: Path) -> None:
    """Read the chosen images, all in one batch, small and never flipped."""
    loader.update(batch_size=args.images, num_workers=0, persistent_workers=False)
    images = dict(img='images/')
    loader.dataset.update(
        data_root=f'{args.data}/', ann_file=str(ann_file), data_prefix=images)
    scale = (args.side, args.side)
    steps = [step for step in loader.dataset.pipeline if 'Flip' not in step.type]
    loader.dataset.pipeline = [
        dict(step, scale=scale) if 'scale' in step else step for step in steps]


def change_schedule(cfg: Config, args: argparse.Namespace) -> None:
    optimizer = dict(type='AdamW', lr=args.lr, weight_decay=0)
    clip = dict(max_norm=10)
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=optimizer, clip_grad=clip)
    steps = args.steps
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=steps, T_max=steps),
    ]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)


def train(cfg: Config, folder: Path) -> dict[str, float]:
    """Train below ``folder``; returns the metrics of the last evaluation."""
    cfg.work_dir = str(folder)
    logging.getLogger('mmengine').setLevel(logging.WARNING)
    Runner.from_cfg(cfg).train()
    (scalars, ) = folder.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    return [row for row in rows if 'coco/bbox_mAP' in row][-1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, help='folder with images/ and the annotation file')
    parser.add_argument('--ann-file', default='annotations/person_keypoints_train.json',
                        help='below DATA')
    parser.add_argument('--images', type=int, default=5)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--side', type=int, default=320,
                        help='longer side of the images in pixels')
    parser.add_argument('--lr', type=float, default=5e-4)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    everything = json.loads((args.data / args.ann_file).read_text())
    data = well_labelled(everything, args.images)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ann_file = folder / 'chosen.json'
        ann_file.write_text(json.dumps(data))
        cfg = overfit_config(args, ann_file)
        start = time.perf_counter()
        metrics = train(cfg, folder)
        minutes = (time.perf_counter() - start) / 60
    print(f'{len(data["images"])} images, {len(data["annotations"])} people, {args.steps} steps '
          f'in {minutes:.1f} min on {torch.get_num_threads()} threads')
    print(f'{"bbox mAP":>9} {"keypoints mAP":>14} {"mAP_50":>7} {"mAP_75":>7}')
    keypoints = [metrics[f'coco/keypoints_mAP{level}'] for level in ('', '_50', '_75')]
    print('{:>9.3f} {:>14.3f} {:>7.3f} {:>7.3f}'.format(metrics['coco/bbox_mAP'], *keypoints))
    return 0


if __name__ == '__main__':
    sys.exit(main())
