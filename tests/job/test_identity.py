"""Which changes of a config make another job of it, and which may move a job on."""
import copy

from mmengine.config import Config

from mmlth.job.identity import config_identity, differences

HARMLESS = {
    'data_root': '/elsewhere/',
    'val_dataloader.num_workers': 8,
    'val_dataloader.persistent_workers': False,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.pin_memory': True,
    'train_dataloader.dataset.backend_args': dict(backend='petrel'),
    'test_dataloader.batch_size': 8,
    'test_evaluator.ann_file': 'other.json',
    'val_evaluator.outfile_prefix': '/scratch/2/x',
    'val_evaluator.format_only': False,
    'work_dir': 'x',
    'log_level': 'DEBUG',
    'default_hooks.checkpoint.interval': 5,
    'default_hooks.logger.interval': 1,
    'env_cfg.cudnn_benchmark': True,
}
CHANGING = {
    'train_dataloader.num_workers': 4,
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.ann_file': 'annotations/b.json',
    'val_dataloader.batch_size': 4,
    'val_evaluator.ann_file': '/scratch/1/coco/annotations/w.json',
    'optim_wrapper.optimizer.lr': 0.2,
    'train_cfg.max_epochs': 3,
    'sync_bn': 'torch',
    'model.depth': 50,
    'default_hooks.param_scheduler.type': 'X',
    'custom_hooks.0.type': 'EMAHook',
}


def coco(root='/scratch/1/coco/', **parts):
    """A config as MMDet's, whose root stands in every part of it."""
    dataset = dict(
        type='CocoDataset',
        data_root=root,
        ann_file='annotations/a.json',
        data_prefix=dict(img='train2017/'),
        pipeline=[dict(type='LoadImageFromFile', backend_args=None)])
    loader = dict(batch_size=2, num_workers=2, persistent_workers=True, dataset=dataset)
    evaluator = dict(type='CocoMetric', ann_file=f'{root}annotations/v.json')
    values = dict(
        model=dict(type='Net'),
        data_root=root,
        train_dataloader=copy.deepcopy(loader),
        val_dataloader=copy.deepcopy(loader),
        test_dataloader=copy.deepcopy(loader),
        val_evaluator=dict(evaluator),
        test_evaluator=dict(evaluator),
        train_cfg=dict(max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)))
    return Config({**values, **parts})


def changed(cfg, key, value):
    """Name what a change makes different."""
    other = copy.deepcopy(cfg)
    other.merge_from_dict({key: value})
    return list(differences(config_identity(cfg), config_identity(other)))


def test_data_may_move_and_evaluation_may_be_served_otherwise():
    assert config_identity(coco('/scratch/1/coco/')) == config_identity(coco('data/coco/'))
    for key, value in HARMLESS.items():
        assert changed(coco(), key, value) == [], key


def test_what_may_change_numbers_is_named():
    scheduler = dict(param_scheduler=dict(type='A'))
    cfg = coco(default_hooks=scheduler, custom_hooks=[dict(type='B')])
    for key, value in CHANGING.items():
        assert changed(cfg, key, value) == [key], key
