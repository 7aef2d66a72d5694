"""A network, data set and metric small enough to train in a tenth of a second."""
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset


@MODELS.register_module()
class ToyNet(BaseModel):
    """conv - bn - conv - linear on 3 x 8 x 8 images, four classes; 24*9 + 128*9 + 64 weights."""

    def __init__(self, seconds_per_step: float = 0.0, diverge: bool = False):
        super().__init__()
        self.seconds_per_step, self.diverge = seconds_per_step, diverge
        self.backbone = nn.Sequential()
        self.backbone.conv1 = nn.Conv2d(3, 8, 3)
        self.backbone.bn = nn.BatchNorm2d(8)
        self.backbone.conv2 = nn.Conv2d(8, 16, 3)
        self.head = nn.Module()
        self.head.fc = nn.Linear(16, 4)

    def forward(self, inputs, labels, mode='tensor'):
        inputs, labels = torch.stack(inputs), torch.stack(labels)
        x = self.backbone.conv2(torch.relu(self.backbone.bn(self.backbone.conv1(inputs))))
        x = torch.dropout(x.mean((2, 3)), 0.1, self.training)  # draws from torch's generator
        scores = self.head.fc(x)
        if mode == 'predict':
            return [dict(score=s.argmax(), label=y) for s, y in zip(scores, labels)]
        time.sleep(self.seconds_per_step)
        loss = nn.functional.cross_entropy(scores, labels)
        return dict(loss=loss * float('nan') if self.diverge else loss)


@DATASETS.register_module()
class ToyData(Dataset):
    """Images whose class is their brightest quarter; augmented from numpy's global generator."""

    metainfo = dict(classes=('a', 'b', 'c', 'd'))

    def __init__(self, length: int = 32, ann_file: str = '', augment: bool = True):
        self.length, self.augment = length, augment

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        label = index % 4
        image = np.random.default_rng(index).normal(size=(3, 8, 8))
        image[:, 4 * (label // 2):4 * (label // 2) + 4, 4 * (label % 2):4 * (label % 2) + 4] += 1
        if self.augment:
            image = image + 0.1 * np.random.normal(size=image.shape)
        return dict(inputs=torch.tensor(image, dtype=torch.float32), labels=torch.tensor(label))


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [float(s['score'] == s['label']) for s in data_samples]

    def compute_metrics(self, results):
        return dict(mAP=sum(results) / len(results))


def toy_config(**model) -> dict:
    """Return a config of 3 epochs of 4 steps; keywords go to the model."""
    data = dict(type='ToyData')
    return dict(
        model=dict(type='ToyNet', **model),
        train_dataloader=dict(batch_size=8, num_workers=0, dataset=data, drop_last=True,
                              sampler=dict(type='DefaultSampler', shuffle=True)),
        val_dataloader=dict(batch_size=8, num_workers=0, dataset=dict(**data, augment=False),
                            sampler=dict(type='DefaultSampler', shuffle=False)),
        val_evaluator=dict(type='ToyAccuracy'),
        train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1), val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-3)),
        param_scheduler=dict(type='MultiStepLR', by_epoch=True, milestones=[2]),
        custom_imports=dict(imports=['toys']), default_scope='mmengine', log_level='WARNING',
        imp=dict(scope='all', target_sparsity=0.75, rounds=2))


def write_config(folder: Path, name: str = 'toy.py', **overrides) -> Path:
    """Write :func:`toy_config` with top-level overrides as a config file."""
    path = Path(folder) / name
    values = {**toy_config(), **overrides}
    path.write_text(''.join(f'{key} = {value!r}\n' for key, value in values.items()))
    return path
