import json

import pytest
import toys
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from mmlth.core.layout import Layout
from mmlth.engine import net
from mmlth.engine.config_files import load_config
from mmlth.engine.round_config import round_config
from mmlth.job import checks, preflight
from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig


def plan(cfg, settings, need_weights=True):
    return preflight.plan(net.read_net(cfg, settings.seed, need_weights=need_weights), settings)


def test_a_job_shows_its_tensors_before_it_trains(
        toy_cfg, run_imp, tmp_path, monkeypatch, capsys):
    def stop(cfg, progress):
        raise KeyboardInterrupt
    monkeypatch.setattr('mmlth.job.imp_runner.train', stop)
    with pytest.raises(KeyboardInterrupt):
        run_imp(toy_cfg, tmp_path / 'job')
    shown = capsys.readouterr().out
    assert 'kept if ranked now' in shown
    assert (tmp_path / 'job' / 'preflight.txt').read_text().strip() in shown


def test_plan_gives_both_denominators_of_every_round(toy_cfg):
    found = plan(
        toy_cfg, IMPConfig(scope='backbone', target_sparsity=0.5, rounds=1), need_weights=True
    )
    assert found.names == ('backbone.conv1.weight', 'backbone.conv2.weight')
    assert found.scope_size == 24 * 9 + 128 * 9 == 1368
    assert found.parameters == 1368 + 64 + 8 + 16 + 16 + 4 == 1476
    assert found.rounds() == [
        dict(round=0, kept=1368, sparsity=0, network_sparsity=0),
        dict(round=1, kept=684, sparsity=0.5, network_sparsity=684 / 1476),
    ]


def test_table_shows_magnitudes_and_which_layers_would_be_emptied(toy_cfg):
    found = plan(toy_cfg, IMPConfig(scope='all', target_sparsity=0.5, rounds=1), need_weights=True)
    kept = sum(found.previews[w.name] * w.size for w in found.weights)
    assert kept == pytest.approx(716) and set(found.magnitudes) == {w.name for w in found.weights}
    text = found.format()
    assert 'head.fc.weight' in text and 'predictors' in text and 'kept if ranked now' in text


def test_the_planned_counts_are_those_of_the_job(toy_cfg, run_imp, tmp_path):
    summary = run_imp(toy_cfg, tmp_path / 'job')
    planned = json.loads((tmp_path / 'job' / 'preflight.json').read_text())['rounds']
    for row, record in zip(planned, summary.rounds, strict=True):
        assert {k: record[k] for k in row} == row


def test_dry_run_needs_no_data_and_leaves_the_folder_free(toy_cfg, run_imp, tmp_path):
    toy_cfg.train_dataloader.dataset.ann_file = 'nowhere.json'
    IMPRunner(toy_cfg, IMPConfig(scope='all'), tmp_path / 'job').preflight(dry_run=True)
    content = json.loads((tmp_path / 'job' / 'preflight.json').read_text())
    assert [r['round'] for r in content['rounds']] == [0, 1, 2, 3, 4]
    assert content['rounds'][4]['sparsity'] == pytest.approx(0.8, abs=1e-3)
    assert [t['name'] for t in content['tensors'] if t['pruned']][-1] == 'head.fc.weight'
    toy_cfg.train_dataloader.dataset.ann_file = ''
    assert (
        len(run_imp(toy_cfg, tmp_path / 'job', rounds=1).rounds) == 2
    )  # a real job may follow there


@pytest.mark.parametrize(
    'key, value, named',
    [
        ('train_dataloader.dataset.ann_file', 'no/where.json', 'train_dataloader.dataset.ann_file'),
        (
            'val_dataloader.dataset.data_prefix',
            dict(img='no/images'),
            'val_dataloader.dataset.data_prefix.img',
        ),
        ('val_evaluator', dict(type='ToyAccuracy', ann_file='no.json'), 'val_evaluator.ann_file'),
        ('load_from', 'no.pth', 'load_from'),
    ],
)
def test_a_missing_file_is_named_before_training(toy_cfg, run_imp, tmp_path, key, value, named):
    toy_cfg.merge_from_dict({key: value})
    with pytest.raises(FileNotFoundError, match=f'{named} = .*no.* does not exist.*--cfg-options'):
        run_imp(toy_cfg, tmp_path / 'job')
    assert not (tmp_path / 'job').exists()


def test_files_of_nested_datasets_are_looked_for(tmp_path):
    inner = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='a.json')
    dataset = dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[inner]))
    cfg = Config({**toys.toy_config(), 'train_dataloader': dict(dataset=dataset)})
    with pytest.raises(
        FileNotFoundError, match=r'train_dataloader.dataset.dataset.datasets.0.ann_file'
    ):
        checks.check_config(cfg)


@pytest.mark.parametrize('part', ['train_dataloader', 'val_evaluator', 'val_dataloader'])
def test_a_config_without_training_or_validation_is_refused(toy_cfg, run_imp, tmp_path, part):
    toy_cfg.pop(part)
    with pytest.raises(ValueError, match=f"no '{part}'"):
        run_imp(toy_cfg, tmp_path / 'job')


def test_an_empty_scope_is_refused_with_the_groups_there_are(toy_cfg, run_imp, tmp_path):
    with pytest.raises(
        ValueError, match=r"scope='keypoint_head' .*groups are \['backbone', 'predictors'\]"
    ):
        run_imp(toy_cfg, tmp_path / 'job', scope='keypoint_head')
    assert not (tmp_path / 'job').exists()


def test_too_little_disk_is_refused_with_both_numbers(toy_cfg, run_imp, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, 'free_bytes', lambda folder: 1000)
    with pytest.raises(OSError, match='0.0 GiB free, but the job needs about .* GiB .*3 trainings'):
        run_imp(toy_cfg, tmp_path / 'job')
    assert not (tmp_path / 'job').exists()


def test_weights_that_cannot_be_had_stop_a_job_but_not_a_dry_run(toy_cfg, monkeypatch):
    def offline(self):
        raise OSError('no network')

    monkeypatch.setattr(toys.ToyNet, 'init_weights', offline)
    settings = IMPConfig(scope='all')
    found = plan(toy_cfg, settings, need_weights=False)
    assert 'no network' in found.not_loaded
    assert found.format().startswith('not loaded: the initial weights (no network)')
    with pytest.raises(OSError, match='initial weights of the config cannot be loaded'):
        plan(toy_cfg, settings, need_weights=True)


def of_round(cfg, folder, number, **settings):
    """The config of one training of a job; called as the job does."""
    training = IMPConfig(**settings).trainings()[number]
    return round_config(cfg, training, Layout(folder))


def test_round_config_changes_only_the_copy(toy_cfg, tmp_path):
    before = toy_cfg.to_dict()
    cfg = of_round(toy_cfg, tmp_path, 2, seed=3)
    assert toy_cfg.to_dict() == before
    assert cfg.experiment_name == 'toy_round_02' and 'visualizer' not in cfg
    cfg.visualizer = dict(type='Visualizer', name='visualizer')
    assert of_round(cfg, tmp_path, 1).visualizer.name != 'visualizer'
    assert cfg.visualizer.name == 'visualizer' and cfg.randomness.seed == 3
    assert (
        cfg.custom_imports.imports == ['toys', 'mmlth'] and 'imp' not in cfg and cfg.resume is False
    )
    assert cfg.custom_hooks[0].ticket == str(tmp_path / 'round_02' / 'ticket.safetensors')
    assert (
        cfg.default_hooks.checkpoint.max_keep_ckpts == 2 and cfg.default_hooks.checkpoint.save_last
    )


def test_the_weights_of_a_config_are_loaded_into_a_fresh_round_not_a_resumed_one(toy_cfg, tmp_path):
    toy_cfg.load_from = 'pretrained.pth'
    dense = IMPConfig().trainings()[0]
    layout = Layout(tmp_path)
    fresh = round_config(toy_cfg, dense, layout)
    assert (fresh.load_from, fresh.resume) == ('pretrained.pth', False)
    resumed = round_config(toy_cfg, dense, layout, resume=tmp_path / 'epoch_1.pth')
    assert (resumed.load_from, resumed.resume) == (str(tmp_path / 'epoch_1.pth'), True)


def test_a_config_may_leave_all_hooks_to_mmengine(toy_cfg, tmp_path):
    toy_cfg.default_hooks = None
    checkpoint = of_round(toy_cfg, tmp_path, 0).default_hooks.checkpoint
    assert (checkpoint.type, checkpoint.max_keep_ckpts) == ('CheckpointHook', 2)
    assert checks.needed_bytes(10, IMPConfig().trainings(), toy_cfg) > 0


def test_two_checkpoints_are_kept_at_least_while_a_round_is_trained(toy_cfg, tmp_path):
    for given, used in ((-1, 2), (1, 2), (5, 5)):
        toy_cfg.default_hooks = dict(
            checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=given)
        )
        cfg = of_round(toy_cfg, tmp_path, 0)
        assert cfg.default_hooks.checkpoint.max_keep_ckpts == used, given


@pytest.mark.parametrize(
    'name, message',
    [
        ('no/config.py', "config 'no/config.py' does not exist"),
        ('mmdet::no/such.py', "'mmdet::no/such.py' does not exist"),
        ('nopackage::a.py', "no installed package 'nopackage'"),
    ],
)
def test_a_missing_config_is_named(name, message):
    with pytest.raises(FileNotFoundError, match=message):
        load_config(name)


def test_a_packaged_config_is_found_with_its_options():
    cfg = load_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', {'train_cfg.max_epochs': 3})
    assert cfg.model.type == 'RetinaNet' and cfg.train_cfg.max_epochs == 3


def test_the_disk_needed_is_that_of_one_whole_training_and_of_weights(toy_cfg):
    # 1000 parameters of 4 bytes; SGD: weights and momentum.
    # Two whole checkpoints while one is trained.
    def needed(**settings):
        trainings = IMPConfig(scope='all', rounds=2, **settings).trainings()
        return checks.needed_bytes(1000, trainings, toy_cfg) / 4000

    assert needed() == 2 * 2 + 2 + 1  # two finished, and w_0
    assert needed(keep='all') == 3 * 2 * 2 + 1
    assert needed(controls='random') == 2 * 2 + 3 + 1
    assert needed(rewind='lr') == 2 * 2 + 2 + 2 + 1  # a start of its own for each round
    assert needed(capture=[3, 4]) == 2 * 2 + 2 + 3
    assert needed(rewind=4, lr_schedule='continue') == 2 * 2 + 2 + 1 + 2
    toy_cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=0.1)
    toy_cfg.custom_hooks = [dict(type='EMAHook')]
    assert needed() == 2 * 4 + 2 + 1


def test_patterns_of_transposed_convolutions_are_noted(toy_cfg, monkeypatch):
    class Upsampling(toys.ToyNet):
        def __init__(self):
            super().__init__()
            self.backbone.up = nn.ConvTranspose2d(16, 8, 2)

    monkeypatch.setitem(MODELS.module_dict, 'ToyNet', Upsampling)
    settings = dict(scope='backbone', exclude=['conv1'], target_sparsity=0.5, rounds=1)
    note = plan(toy_cfg, IMPConfig(allocation='2:4', **settings)).note
    assert "['backbone.up.weight'] belong to transposed convolutions: their groups of 2:4" in note
    assert not plan(toy_cfg, IMPConfig(**settings)).note
