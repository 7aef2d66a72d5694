"""One flag moves all data of a config, and says so where it can't."""

import copy

import pytest
import toys
from conftest import ROOT
from mmengine.config import Config

from mmlth.engine.config_files import load_config, set_data_root
from mmlth.job.checks import check_config, is_local


def coco(**parts):
    dataset = dict(data_root='data/coco/', ann_file='a.json', data_prefix=dict(img='train/'))
    loader = dict(batch_size=2, dataset=dataset)
    return Config(dict(data_root='data/coco/', train_dataloader=loader, **parts))


@pytest.mark.parametrize(
    'root, expected',
    [
        ('/big/coco', '/big/coco/'),
        ('/big/coco/', '/big/coco/'),
        ('s3://bucket', 's3://bucket/'),
        ('/', '/'),
    ],
)
def test_the_root_is_replaced_with_or_without_a_slash(root, expected):
    moved = set_data_root(coco(), root)
    assert moved.train_dataloader.dataset.data_root == expected and moved.data_root == root
    assert (
        moved.train_dataloader.dataset.ann_file == 'a.json'
        and moved.train_dataloader.batch_size == 2
    )


def test_the_config_given_is_not_changed():
    cfg = coco(val_evaluator=dict(ann_file='data/coco/b.json'))
    before = copy.deepcopy(cfg.to_dict())
    assert set_data_root(cfg, '/new').val_evaluator.ann_file == '/new/b.json'
    assert cfg.to_dict() == before


def test_every_loader_and_evaluator_is_moved_and_nothing_else():
    pipeline = (dict(pictures='data/coco/p'),)
    inner = [dict(data_root='data/coco'), dict(data_root='data/coco/part/', pipeline=pipeline)]
    loader = dict(dataset=dict(dataset=dict(datasets=inner)))
    evaluators = [dict(ann_file='data/coco/v.json'), dict(ann_file='data/coco_other/v.json')]
    moved = set_data_root(
        coco(
            val_dataloader=loader,
            test_dataloader=loader,
            val_evaluator=evaluators,
            test_evaluator=dict(ann_file=None),
            load_from='data/coco/net.pth',
        ),
        '/new',
    )
    found = moved.val_dataloader.dataset.dataset.datasets
    assert [d.data_root for d in found] == ['/new', '/new/part/']
    assert found[1].pipeline[0].pictures == '/new/p'
    assert moved.test_dataloader == moved.val_dataloader
    assert [e.ann_file for e in moved.val_evaluator] == ['/new/v.json', 'data/coco_other/v.json']
    assert moved.load_from == 'data/coco/net.pth' and moved.test_evaluator.ann_file is None


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(data_root=None), 'has no data_root to replace.*--cfg-options'),
        (dict(data_root='data/other/'), "lies below its data_root, 'data/other/'.*--cfg-options"),
    ],
)
def test_what_cannot_be_moved_is_refused(change, message):
    cfg = coco()
    cfg.merge_from_dict(change)
    with pytest.raises(ValueError, match=f'--data-root /new: .*{message}'):
        set_data_root(cfg, '/new')


def test_the_root_that_the_config_has_already_is_fine():
    assert set_data_root(coco(), 'data/coco').train_dataloader == coco().train_dataloader


@pytest.mark.parametrize('form', ['', '-voc'])
def test_digit_scenes_are_found_where_they_were_moved(digit_scenes, form):
    name = f'faster-rcnn_r18-tiny_fpn_digitscenes{form}.py'
    cfg = load_config(str(ROOT / 'configs' / 'digit_scenes' / name))
    check_config(set_data_root(cfg, str(digit_scenes)))
    with pytest.raises(
        FileNotFoundError, match='train_dataloader.dataset.* = .*elsewhere.* does not exist'
    ):
        check_config(set_data_root(cfg, str(digit_scenes / 'elsewhere')))


def test_types_that_were_imported_stay_as_they_were_written(tmp_path):
    path = tmp_path / 'new_style.py'
    path.write_text(
        'from mmengine.dataset import pseudo_collate\n'
        'from mmdet.datasets import CocoDataset\n'
        "data_root = 'data/coco/'\n"
        'train_dataloader = dict(collate_fn=dict(type=pseudo_collate), dataset=dict(\n'
        "    type=CocoDataset, data_root=data_root, ann_file='a.json'))\n")
    cfg = load_config(str(path))
    before = cfg.pretty_text
    moved = set_data_root(cfg, '/new')
    assert moved.pretty_text == before.replace('data/coco/', '/new/').replace(
        "data_root='/new/'", "data_root='/new'", 1)
    assert cfg.pretty_text == before


@pytest.fixture
def toy_with_root(tmp_path):
    loader = toys.toy_config()['train_dataloader']
    loader['dataset'] = dict(type='ToyData', data_root='data/toy/', ann_file='a.json')
    return toys.write_config(tmp_path, data_root='data/toy/', train_dataloader=loader)


def test_the_flag_reaches_the_data_sets(call_tool, toy_with_root, tmp_path):
    error = call_tool(
        'imp_train.py',
        toy_with_root,
        '--work-dir',
        tmp_path / 'w',
        '--data-root',
        tmp_path / 'new',
        code=1,
    ).stderr
    assert f"train_dataloader.dataset.ann_file = '{tmp_path}/new/a.json' does not exist" in error


def test_an_option_that_would_change_nothing_is_refused(call_tool, toy_with_root, tmp_path):
    error = call_tool(
        'imp_train.py',
        toy_with_root,
        '--work-dir',
        tmp_path / 'w',
        '--cfg-options',
        'data_root=/new/',
        code=1,
    ).stderr
    assert 'would change nothing' in error and 'Use --data-root' in error


@pytest.mark.parametrize('place', [
    dict(data_root='s3://bucket/coco'), dict(ann_file='http://host/a.json'),
    dict(backend_args=dict(backend='petrel'))], ids=str)
def test_data_behind_an_address_are_not_looked_for_here(place):
    assert not is_local({'data_root': 'data', 'backend_args': None, **place})
    assert is_local(dict(data_root='data', ann_file='a.json', backend_args=None))
