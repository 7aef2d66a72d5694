"""What can fail after the dense round fails before it."""

import pathlib
from typing import ClassVar

import numpy as np
import pytest
import torch
import toys
from mmengine.registry import DATASETS, MODELS, OPTIMIZERS

from mmlth.core.checkpoints import load_checkpoint
from mmlth.job import checks, rehearsal


@MODELS.register_module()
class ForgetfulNet(toys.ToyNet):
    """Doubles a weight whenever a state is loaded."""

    def load_state_dict(self, state_dict, strict=True, assign=False):
        found = super().load_state_dict(state_dict, strict)
        self.backbone.conv1.weight.data.mul_(2)
        return found


@OPTIMIZERS.register_module()
class HooklessSGD(torch.optim.SGD):
    """Steps without telling anybody, so that nothing can zero pruned weights after it."""

    def register_step_post_hook(self, hook):
        return type('Handle', (), dict(remove=lambda self: None))()


@DATASETS.register_module()
class OddData(toys.ToyData):
    METAINFO: ClassVar[dict] = dict(classes=('a', 'b', 'c', 'd'), odd=object)


def refused(cfg, run_imp, tmp_path, message, error=RuntimeError):
    with pytest.raises(error, match=message):
        run_imp(cfg, tmp_path / 'job', rounds=1)
    assert not (tmp_path / 'job').exists()


def test_a_model_that_does_not_keep_what_it_loads(toy_cfg, run_imp, tmp_path):
    toy_cfg.model.type = 'ForgetfulNet'
    refused(
        toy_cfg, run_imp, tmp_path, r"rehearsal: .*differs from it in \['backbone.conv1.weight'\]"
    )


def test_an_optimizer_whose_steps_cannot_be_guarded(toy_cfg, run_imp, tmp_path):
    toy_cfg.optim_wrapper.optimizer = dict(type='HooklessSGD', lr=0.1, momentum=0.9, weight_decay=0)
    toy_cfg.model.type = 'ToyNet'
    original = rehearsal.PrunedModelWrapper._mask_grad
    rehearsal.PrunedModelWrapper._mask_grad = lambda self, name: lambda parameter: None
    try:
        refused(
            toy_cfg, run_imp, tmp_path, 'rehearsal: pruned weights of .* are not zero after a step'
        )
    finally:
        rehearsal.PrunedModelWrapper._mask_grad = original


def test_metainfo_that_no_checkpoint_could_be_read_with(toy_cfg, run_imp, tmp_path):
    toy_cfg.train_dataloader.dataset.type = 'OddData'
    refused(
        toy_cfg,
        run_imp,
        tmp_path,
        'rehearsal: cannot read checkpoint .*object.*METAINFO of the training',
        ValueError,
    )


def test_metainfo_of_nested_data_sets_is_found(toy_cfg):
    toy_cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        dataset=dict(
            type='ConcatDataset', datasets=[dict(type='ToyData', metainfo=dict(palette=[1]))]
        ),
    )
    assert checks.metainfo(toy_cfg) == dict(palette=[1])


METAINFO = dict(
    classes=('a', 'b'),
    small=np.zeros(2, np.uint8),
    half=np.ones(2, np.float16),
    path=pathlib.Path('a/b'),
    mixed=np.array(['x', None, (1, 2)], object),
    scalar=np.float16(0.5),
    texts=np.array(['ab', 'c']),
    names=frozenset({'a'}),
    ids=range(3),
)


def test_a_job_whose_metainfo_holds_unusual_values_is_trained_and_read(
    toy_cfg, run_imp, tmp_path, monkeypatch
):
    monkeypatch.setattr(toys.ToyData, 'metainfo', METAINFO)
    monkeypatch.setattr(toys.ToyData, 'METAINFO', METAINFO, raising=False)
    summary = run_imp(toy_cfg, tmp_path / 'job', rounds=1)
    found = load_checkpoint(tmp_path / 'job' / summary.rounds[1]['checkpoint'])['meta'][
        'dataset_meta'
    ]
    assert found['path'] == pathlib.Path('a/b') and found['mixed'].tolist() == ['x', None, (1, 2)]
    assert found['small'].dtype == np.uint8 and found['names'] == {'a'}
