"""A resumed training draws the numbers that an uninterrupted one draws."""
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from toy_training import iteration_based, toy_runner

from mmlth.core.masks import digest
from mmlth.core.seeds import derive_seed
from mmlth.engine.hooks import StepSeedHook


def test_seeds_depend_on_seed_rank_step_and_stream():
    streams = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    seeds = {derive_seed(*numbers) for numbers in streams}
    assert len(seeds) == 5 and derive_seed(0, 0, 0, 0) in seeds


def whole_and_resumed(cfg, folder, checkpoint, hook=StepSeedHook):
    """Train a whole one, and go on from one of its checkpoints; returns digests of both."""
    whole = toy_runner(cfg, folder / 'a', hook()).train()
    where = dict(resume=True, load_from=str(folder / 'a' / checkpoint))
    resumed = toy_runner(cfg, folder / 'b', hook(), **where).train()
    return digest(whole.state_dict()), digest(resumed.state_dict())


@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_training_ends_bit_for_bit_like_an_uninterrupted_one(toy_cfg, tmp_path, workers):
    toy_cfg.train_dataloader.num_workers = workers
    whole, resumed = whole_and_resumed(toy_cfg, tmp_path, 'epoch_1.pth')
    assert whole == resumed


@pytest.mark.skipif(
    not hasattr(InfiniteSampler, 'skip'), reason='upstream loads and drops what was seen')
def test_an_iteration_based_training_resumes_bit_for_bit_too(toy_cfg, tmp_path):
    iteration_based(toy_cfg, save_every=3, max_iters=8, val_interval=3)
    whole, resumed = whole_and_resumed(toy_cfg, tmp_path, 'iter_3.pth')
    assert whole == resumed


def test_without_the_seed_hook_a_resume_differs(toy_cfg, tmp_path):
    whole, resumed = whole_and_resumed(toy_cfg, tmp_path, 'epoch_1.pth', hook=Hook)
    assert whole != resumed


def test_loader_processes_draw_other_numbers_in_every_epoch(toy_cfg, tmp_path):
    toy_cfg.train_dataloader.num_workers = 1
    toy_cfg.train_dataloader.sampler.shuffle = False
    images = []

    class Look(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if batch_idx == 0:
                images.append(data_batch['inputs'][0])
    toy_runner(toy_cfg, tmp_path / 'a', StepSeedHook(), Look()).train()
    assert not torch.equal(images[0], images[1])
