#!/usr/bin/env python
"""Overfit Keypoint R-CNN R18 to a handful of COCO people and score it on those same images.

If encoding, loss, decoding and metric agree, OKS AP nears 1. DATA is a folder with images/ and a COCO
keypoint file; from it the first images are taken whose people are all well labelled. Starts from random
weights.
"""
import argparse
import json
import logging
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmlth.engine.configs import load_config

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'keypoint_rcnn' / 'keypoint-rcnn_r18_fpn_1x_coco.py'


def well_labelled(data: dict, count: int, at_least: int = 10) -> dict:
    """Keep the first ``count`` images on which every person has ``at_least`` labelled keypoints."""
    people = defaultdict(list)
    for annotation in data['annotations']:
        people[annotation['image_id']].append(annotation)
    images = [image for image in data['images'] if people[image['id']] and all(
        a['num_keypoints'] >= at_least and not a['iscrowd'] for a in people[image['id']])][:count]
    return dict(data, images=images, annotations=[a for image in images for a in people[image['id']]])


def overfit_config(args: argparse.Namespace, ann_file: Path) -> Config:
    """Turn the config of COCO into one that learns a few images by heart."""
    cfg = load_config(str(CONFIG))
    cfg.model.backbone.update(init_cfg=None, frozen_stages=-1, norm_eval=False,
                              norm_cfg=dict(type='BN', requires_grad=True))
    cfg.model.roi_head.keypoint_head.conv_out_channels = 128  # the paper's 512 take ten times as long
    cfg.model.train_cfg.rcnn.sampler.num = 32
    for part in ('train', 'val'):
        loader = cfg[f'{part}_dataloader']
        loader.update(batch_size=args.images, num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=f'{args.data}/', ann_file=str(ann_file),
                              data_prefix=dict(img='images/'))
        steps = loader.dataset.pipeline
        loader.dataset.pipeline = [dict(step, scale=(args.side, args.side)) if 'scale' in step else step
                                   for step in steps if 'Flip' not in step.type]
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler')  # MMEngine waits 2 s between two epochs
    cfg.val_evaluator.ann_file = str(ann_file)
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=args.lr, weight_decay=0),
                             clip_grad=dict(max_norm=10))
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=args.steps, T_max=args.steps)]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=args.steps, val_interval=args.steps)
    cfg.default_hooks.checkpoint.update(interval=args.steps, by_epoch=False)
    cfg.default_hooks.logger.interval = 10
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg', 'imp'):
        cfg.pop(key, None)
    cfg.randomness = dict(seed=0)
    return cfg


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, help='folder with images/ and the annotation file')
    parser.add_argument('--ann-file', default='annotations/person_keypoints_train.json', help='below DATA')
    parser.add_argument('--images', type=int, default=5)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--side', type=int, default=320, help='longer side of the images in pixels')
    parser.add_argument('--lr', type=float, default=5e-4)
    args = parser.parse_args()
    data = well_labelled(json.loads((args.data / args.ann_file).read_text()), args.images)
    with tempfile.TemporaryDirectory() as folder:
        ann_file = Path(folder) / 'chosen.json'
        ann_file.write_text(json.dumps(data))
        cfg = overfit_config(args, ann_file)
        cfg.work_dir = folder
        logging.getLogger('mmengine').setLevel(logging.WARNING)
        start = time.perf_counter()
        Runner.from_cfg(cfg).train()
        seconds = time.perf_counter() - start
        (scalars, ) = Path(folder).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in scalars.read_text().splitlines()]
        metrics = [row for row in rows if 'coco/bbox_mAP' in row][-1]
    print(f'{len(data["images"])} images, {len(data["annotations"])} people, {args.steps} steps in '
          f'{seconds / 60:.1f} min on {torch.get_num_threads()} threads')
    print(f'{"bbox mAP":>9} {"keypoints mAP":>14} {"mAP_50":>7} {"mAP_75":>7}')
    print(f'{metrics["coco/bbox_mAP"]:>9.3f} {metrics["coco/keypoints_mAP"]:>14.3f} '
          f'{metrics["coco/keypoints_mAP_50"]:>7.3f} {metrics["coco/keypoints_mAP_75"]:>7.3f}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
