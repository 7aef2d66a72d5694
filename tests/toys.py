"""Networks, a data set and a metric small enough to train in a tenth of a second."""
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

NAMES = ['backbone.conv1.weight', 'backbone.conv2.weight', 'head.fc.weight']
SIZE = 24 * 9 + 128 * 9 + 64  # weights of these three


@MODELS.register_module()
class ToyNet(BaseModel):
    """conv - bn - conv - linear on 3 x 8 x 8 images, four classes; 24*9 + 128*9 + 64 weights."""

    def __init__(self, seconds_per_step: float = 0.0, diverge: bool = False,
                 dropout: float = 0.1):
        super().__init__()
        self.seconds_per_step, self.diverge, self.dropout = seconds_per_step, diverge, dropout
        self.backbone = nn.Sequential()
        self.backbone.conv1 = nn.Conv2d(3, 8, 3)
        self.backbone.bn = nn.BatchNorm2d(8)
        self.backbone.conv2 = nn.Conv2d(8, 16, 3)
        self.head = nn.Module()
        self.head.fc = nn.Linear(16, 4)

    def forward(self, inputs, labels, mode='tensor'):
        inputs, labels = torch.stack(inputs), torch.stack(labels)
        x = self.backbone.conv2(torch.relu(self.backbone.bn(self.backbone.conv1(inputs))))
        x = torch.dropout(x.mean((2, 3)), self.dropout, self.training)  # torch's generator
        scores = self.head.fc(x)
        if mode == 'predict':
            return [dict(score=s.argmax(), label=y) for s, y in zip(scores, labels)]
        time.sleep(self.seconds_per_step)
        loss = nn.functional.cross_entropy(scores, labels)
        return dict(loss=loss * float('nan') if self.diverge else loss)


@MODELS.register_module()
class TiedConvNet(ToyNet):
    """A toy whose second convolution has two names, as those of RTMDet's tied towers."""

    def __init__(self):
        super().__init__()
        self.backbone.again = nn.Module()
        self.backbone.again.conv = self.backbone.conv2


@MODELS.register_module()
class BorrowingNet(ToyNet):
    """A toy that names its convolution anew in its first training step, as DDQ's decoder does."""

    def forward(self, inputs, labels, mode='tensor'):
        if mode == 'loss':
            self.borrowed = self.backbone.conv2
        return super().forward(inputs, labels, mode)


@MODELS.register_module()
class MeanTeacherNet(ToyNet):
    """A student that is trained and a frozen teacher of its shape that is evaluated."""

    def __init__(self):
        super().__init__()
        del self.backbone, self.head
        self.student, self.teacher = ToyNet(), ToyNet()
        for parameter in self.teacher.parameters():
            parameter.requires_grad_(False)

    def forward(self, inputs, labels, mode='tensor'):
        net = self.teacher if mode == 'predict' else self.student
        return net(inputs, labels, mode)


@HOOKS.register_module()
class ToyMeanTeacherHook(Hook):
    """Copies the student before training and follows it, as MMDet's MeanTeacherHook does."""

    def before_train(self, runner):
        if runner.iter == 0:
            self._follow(runner.model, 1)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._follow(runner.model, 0.1)

    @staticmethod
    def _follow(model, momentum):
        for a, b in zip(model.student.parameters(), model.teacher.parameters()):
            b.data.mul_(1 - momentum).add_(a.data, alpha=momentum)


@HOOKS.register_module()
class ToyMarkHook(Hook):
    """Leaves a file, to show that it was there."""

    def before_train(self, runner):
        Path(runner.work_dir, 'toy_mark').touch()


@DATASETS.register_module()
class ToyData(Dataset):
    """Images whose class is their brightest quarter; augmented from numpy's global generator."""

    metainfo: ClassVar[dict] = dict(classes=('a', 'b', 'c', 'd'))

    def __init__(self, length: int = 32, ann_file: str = '', augment: bool = True):
        self.length, self.augment = length, augment

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        label = index % 4
        top, left = 4 * (label // 2), 4 * (label % 2)
        image = np.random.default_rng(index).normal(size=(3, 8, 8))
        image[:, top:top + 4, left:left + 4] += 1
        if self.augment:
            image = image + 0.1 * np.random.normal(size=image.shape)
        return dict(inputs=torch.tensor(image, dtype=torch.float32), labels=torch.tensor(label))


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    """Share of the images whose class is found, under the name of MMDet's main metric."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [float(s['score'] == s['label']) for s in data_samples]

    def compute_metrics(self, results):
        return dict(mAP=sum(results) / len(results))


def toy_loader(shuffle: bool, **keywords) -> dict:
    """Return a loader of ToyData; keywords go to the data set."""
    return dict(
        batch_size=8, num_workers=0, dataset=dict(type='ToyData', **keywords),
        sampler=dict(type='DefaultSampler', shuffle=shuffle))


def toy_config(**model) -> dict:
    """Return a config of 3 epochs of 4 steps; keywords go to the model."""
    optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-3)
    return dict(
        model=dict(type='ToyNet', **model),
        train_dataloader=dict(toy_loader(shuffle=True), drop_last=True),
        val_dataloader=toy_loader(shuffle=False, augment=False),
        val_evaluator=dict(type='ToyAccuracy'),
        train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1),
        val_cfg=dict(),
        optim_wrapper=dict(optimizer=optimizer),
        param_scheduler=dict(type='MultiStepLR', by_epoch=True, milestones=[2]),
        custom_imports=dict(imports=['toys']),
        default_scope='mmengine',
        log_level='WARNING',
        imp=dict(scope='all', target_sparsity=0.75, rounds=2))


def write_config(folder: Path, name: str = 'toy.py', **overrides) -> Path:
    """Write :func:`toy_config` with top-level overrides as a config file."""
    path = Path(folder) / name
    values = {**toy_config(), **overrides}
    path.write_text(''.join(f'{key} = {value!r}\n' for key, value in values.items()))
    return path


def read_config(folder: Path, **overrides) -> Config:
    """Return :func:`toy_config` with top-level overrides, read from a file in ``folder``."""
    return Config.fromfile(str(write_config(folder, **overrides)))
