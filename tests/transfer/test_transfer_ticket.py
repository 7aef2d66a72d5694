"""tools/transfer_ticket.py: what it writes, what it refuses, and what a training makes of it."""
import json

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from safetensors import safe_open
from safetensors.torch import save_file

import toys
from conftest import ROOT
from mmlth.core.checkpoints import load_state
from mmlth.core.masks import apply, digest, kept
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket, save_ticket, save_weights
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.hooks import TicketHook
from mmlth.engine.wrapper import unwrap

CROPS = ROOT / 'configs' / 'classification' / 'resnet18-tiny_digitscenes-crops.py'
DETECTOR = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'


def state(seed):
    """The state of a toy, as another training might have left it."""
    torch.manual_seed(seed)
    return toys.ToyNet().state_dict()


def ticket_at(folder, provenance=()):
    """A ticket that keeps the positive weights of both convolutions, beside its w_k."""
    weights = state(seed=5)
    masks = {name: weights[name] > 0 for name in ('backbone.conv1.weight', 'backbone.conv2.weight')}
    folder.mkdir()
    rewind = save_weights(weights, folder / 'w.safetensors', step=0)
    ticket = Ticket(masks=masks, rewind_file='w.safetensors', rewind_digest=rewind,
                    provenance=dict(provenance))
    save_ticket(ticket, folder / 't.safetensors')
    return folder / 't.safetensors', masks, weights


@pytest.fixture
def source(tmp_path):
    return ticket_at(tmp_path / 'source', dict(control='shuffled'))


@pytest.fixture
def config(tmp_path):
    """The toy, of which the target's own scope is everything: 216 + 1152 + 64 weights."""
    return toys.write_config(tmp_path)


def written(path):
    ticket = load_ticket(path)
    return ticket, load_rewind_weights(ticket, path)


def test_mask_and_values_arrive_and_predictors_are_the_targets_own(call_tool, source, config, tmp_path):
    path, masks, weights = source
    out = call_tool('transfer_ticket.py', path, config, tmp_path / 'o.safetensors').stdout
    ticket, start = written(tmp_path / 'o.safetensors')
    assert all(ticket.masks[name].equal(masks[name]) for name in masks)
    assert ticket.masks['head.fc.weight'].all()
    assert all(start[name].equal(w) == (not name.startswith('head.')) for name, w in weights.items())
    pruned = 1368 - kept(masks)
    assert f'covered: 1,368 of 1,432 weights in the scope (95.53%); pruned: {pruned}, which' in out
    assert 'provenance control: shuffled' in out and out.endswith(f'wrote {tmp_path / "o.safetensors"}\n')
    report = json.loads((tmp_path / 'o_transfer.json').read_text())
    assert report['pruned'] == pruned and report['network_sparsity'] == pruned / 1476


def test_provenance_names_the_source_and_the_coverage(call_tool, source, config, tmp_path):
    path, masks, weights = source
    call_tool('transfer_ticket.py', path, config, tmp_path / 'o.safetensors', '--mask-only')
    given = written(tmp_path / 'o.safetensors')[0].provenance
    assert given['parent'] == digest(masks) == given['transfer']['source']['masks_digest']
    assert given['transfer']['source']['values_digest'] == digest(weights)
    assert (given['transfer']['kind'], given['transfer']['coverage']) == ('mask-only', 1368 / 1432)
    assert given['parameters'] == 1476 and given['sparsity'] == pytest.approx(1 - (kept(masks) + 64) / 1432)
    assert given['settings']['scope'] == 'all' and given['transfer']['leave_out'] == ['predictors']


def test_flags_choose_the_targets_scope_as_they_do_in_a_job(call_tool, source, config, tmp_path):
    call_tool('transfer_ticket.py', source[0], config, tmp_path / 'o.safetensors', '--scope', 'backbone',
              '--include', 'fc', '--exclude', 'conv1', '--frozen', 'keep', '--seed', '4')
    ticket = load_ticket(tmp_path / 'o.safetensors')
    assert list(ticket.masks) == ['backbone.conv2.weight', 'head.fc.weight']
    assert ticket.groups == {'backbone.conv2.weight': 'backbone', 'head.fc.weight': 'predictors'}
    assert ticket.provenance['settings'] == dict(scope='backbone', include=['fc'], exclude=['conv1'],
                                                 frozen='keep', seed=4)


def test_masks_alone_leave_the_targets_own_initial_weights(call_tool, source, config, tmp_path):
    path, masks, _ = source
    (path.parent / 'w.safetensors').unlink()  # not needed
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        call_tool('transfer_ticket.py', path, config, tmp_path / f'{name}.safetensors', '--values', 'none',
                  '--seed', seed)
    found = {name: written(tmp_path / f'{name}.safetensors') for name in 'abc'}
    assert found['a'][0].masks['backbone.conv1.weight'].equal(masks['backbone.conv1.weight'])
    assert digest(found['a'][1]) == digest(found['b'][1]) != digest(found['c'][1])


def test_trained_values_come_from_the_checkpoint_beside_the_ticket(call_tool, source, config, tmp_path):
    path, masks, _ = source
    trained = apply(masks, state(seed=7))
    torch.save(dict(state_dict=trained), path.parent / 'epoch_3.pth')
    args = ('transfer_ticket.py', path, config, tmp_path / 'o.safetensors', '--values', 'trained')
    out = call_tool(*args).stdout
    start = written(tmp_path / 'o.safetensors')[1]
    assert start['backbone.conv2.weight'].equal(trained['backbone.conv2.weight'])
    assert "mask does not follow the source's |w|" in out  # it goes by sign; judged by w_k
    torch.save(dict(state_dict=state(seed=7)), path.parent / 'epoch_3.pth')
    error = call_tool(*args, '--overwrite', code=1).stderr
    assert 'does not belong to this ticket' in error


def test_a_checkpoint_in_half_precision_is_ranked_and_keeps_the_targets_dtype(call_tool, config, tmp_path):
    weights = {name.removeprefix('backbone.'): w.half() if w.is_floating_point() else w
               for name, w in state(seed=5).items() if name.startswith('backbone.')}
    save_file(weights, tmp_path / 'dense.safetensors')
    out = call_tool('transfer_ticket.py', tmp_path / 'dense.safetensors', config, tmp_path / 'o.safetensors',
                    '--sparsity', '0.5').stdout
    ticket, start = written(tmp_path / 'o.safetensors')
    assert list(ticket.masks) == ['backbone.conv1.weight', 'backbone.conv2.weight']
    assert kept(ticket.masks) == 684
    assert start['backbone.conv1.weight'].dtype == torch.float32
    assert start['backbone.conv1.weight'].equal(weights['conv1.weight'].float())
    assert 'from conv1.weight' in out and 'source names: torchvision' in out and 'chance 1.00' in out


@pytest.mark.parametrize('args, message', [
    (['--groups', 'tail'], 'tail'), (['--prefix', 'bone.'], "prefix 'bone.' starts no tensor"),
    (['--rename', 'backbone'], '--rename backbone: wanted is PATTERN=NEW'),
    (['--rename', 'backbone=bone'], 'nothing matches'),
    (['--scope', 'neck'], "scope=('neck',) holds no prunable"),
    (['--sparsity', '0.5'], 'is a ticket, which has its masks already; leave --sparsity out'),
    (['--sparsity', '0.5', '--mask-only'], '--values none goes with a ticket'),
    (['--values', 'trained'], 'no trained checkpoint lies beside'),
    (['--frozen', 'keep', '--exclude', 'tail'], "exclude='tail' matches no weight of the model"),
    (['--cfg-options', 'load_from=none.pth'], 'initial weights of the config cannot be loaded: none.pth')])
def test_errors_are_one_line_and_leave_nothing(call_tool, source, config, tmp_path, args, message):
    (tmp_path / 'out').mkdir()
    out = tmp_path / 'out' / 'o.safetensors'
    done = call_tool('transfer_ticket.py', source[0], config, out, *args, code=1)
    assert message in done.stderr and 'Traceback' not in done.stderr
    assert not list((tmp_path / 'out').iterdir())


def test_a_ticket_of_another_version_is_refused(call_tool, source, config, tmp_path):
    path = source[0]
    with safe_open(str(path), 'pt') as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    save_file(tensors, path, {**metadata, 'version': '2'})
    error = call_tool('transfer_ticket.py', path, config, tmp_path / 'o.safetensors', code=1).stderr
    assert "has version 2 of 'mmlth.ticket'; this mmlth reads version 1" in error


@pytest.mark.parametrize('name, message', [
    ('no/o.safetensors', 'folder of'), ('o.pth', 'ends in .safetensors')])
def test_places_that_cannot_be_written_are_refused(call_tool, source, config, tmp_path, name, message):
    assert message in call_tool('transfer_ticket.py', source[0], config, tmp_path / name, code=1).stderr


def test_nothing_is_replaced_unasked(call_tool, source, config, tmp_path):
    (tmp_path / 'o_transfer.json').write_text('precious')
    args = ('transfer_ticket.py', source[0], config, tmp_path / 'o.safetensors')
    assert 'o_transfer.json exists already' in call_tool(*args, code=1).stderr
    assert (tmp_path / 'o_transfer.json').read_text() == 'precious'
    call_tool(*args, '--overwrite')
    assert load_ticket(tmp_path / 'o.safetensors')


def test_a_pth_without_sparsity_and_a_missing_source_are_explained(call_tool, config, tmp_path):
    for name, message in (('a.pth', 'to rank a dense checkpoint give --sparsity'),
                          ('a.safetensors', 'a.safetensors does not exist')):
        args = (tmp_path / name, config, tmp_path / 'o.safetensors')
        assert message in call_tool('transfer_ticket.py', *args, code=1).stderr


def test_load_from_of_the_target_is_part_of_its_initial_weights(call_tool, source, config, tmp_path):
    other = state(seed=9)
    coco = dict(other, extra=torch.ones(1), **{'head.fc.bias': torch.ones(80)})  # 80 classes don't fit
    torch.save(dict(state_dict=coco), tmp_path / 'coco.pth')
    args = ('transfer_ticket.py', source[0], config, tmp_path / 'o.safetensors', '--mask-only',
            '--cfg-options', f'load_from={tmp_path}/coco.pth')
    call_tool(*args)
    start = written(tmp_path / 'o.safetensors')[1]
    assert {name for name in start if not start[name].equal(other[name])} == {'head.fc.bias'}
    torch.save(dict(state_dict={'a.weight': torch.ones(1)}), tmp_path / 'coco.pth')
    error = call_tool(*args, '--overwrite', code=1).stderr
    assert "holds no tensor of the model; its names begin with ['a.weight']" in error


@pytest.fixture(scope='module')
def crops(tmp_path_factory):
    from mmlth.datasets.digit_scenes import generate
    out = tmp_path_factory.mktemp('crops') / 'digit_scenes'
    generate(out, train=8, val=1, crops_per_class=2, log=None)
    return out


def no_processes(*loaders):
    return [f'{name}_dataloader.{key}' for name in loaders
            for key in ('num_workers=0', 'persistent_workers=False')]


def test_a_classifiers_ticket_trains_the_detector(call_tool, crops, tmp_path):
    """Two rounds on 22 crops, then mask and values of the backbone start a Faster R-CNN."""
    call_tool('imp_train.py', CROPS, '--work-dir', tmp_path / 'imp', '--data-root', crops, '--rounds', '1',
              '--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
              'train_dataloader.batch_size=8', *no_processes('train', 'val'))
    rounds = json.loads((tmp_path / 'imp' / 'summary.json').read_text())['rounds']
    assert [set(r['metrics']) for r in rounds] == [{'accuracy/top1'}] * 2
    assert [r['steps'] for r in rounds] == [2, 2]
    found = tmp_path / 'imp' / 'round_01' / 'ticket.safetensors'
    text = call_tool('transfer_ticket.py', found, DETECTOR, tmp_path / 'det.safetensors', '--values',
                     'trained').stdout
    assert 'covered: 688,944 of 1,471,792' in text and 'take nothing: neck, dense_head, box_head' in text
    assert 'come from a training: 20 of 20' in text
    trained = load_state(next((tmp_path / 'imp' / 'round_01').glob('epoch_1.pth')))
    ticket, start = written(tmp_path / 'det.safetensors')
    backbone = [name for name in start if name.startswith('backbone.')]
    assert len(backbone) == 120 and all(start[name].equal(trained[name]) for name in backbone)
    carried = {n: m for n, m in ticket.masks.items() if ticket.groups[n] == 'backbone'}
    assert digest(carried) == digest(load_ticket(found).masks)
    runner, hook = train_detector(tmp_path, crops)
    assert hook.start_digest == digest(apply(ticket.masks, start))
    end = unwrap(runner.model).state_dict()
    assert runner.iter == 2 and all((end[n][~m] == 0).all() for n, m in ticket.masks.items())
    assert not end['backbone.conv1.weight'].equal(start['backbone.conv1.weight'])


def train_detector(folder, data):
    """Train two steps of the detector under MMEngine's runner, with the hook of the config's one line."""
    cfg = set_data_root(load_config(str(DETECTOR)), str(data))
    cfg.merge_from_dict({'train_cfg.max_epochs': 1, 'train_dataloader.batch_size': 4, 'log_level': 'WARNING',
                         'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False})
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg.pop(f'val_{part}')
        cfg.pop(f'test_{part}')
    cfg.pop('visualizer')  # one of that name would outlive this test
    cfg = Config({**cfg.to_dict(), 'work_dir': str(folder / 'det'), 'experiment_name': 'transferred',
                  'custom_hooks': [dict(type='TicketHook', ticket=str(folder / 'det.safetensors'))]})
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, next(hook for hook in runner.hooks if isinstance(hook, TicketHook))


def test_dry_run_plans_the_classifiers_backbone(call_tool, tmp_path):
    out = call_tool('imp_train.py', CROPS, '--dry-run', '--work-dir', tmp_path / 'w').stdout
    assert 'scope: 688,944 weights in 17 tensors; model: 703,515 parameters' in out
    assert out.splitlines()[-1].split() == ['3', '137,789', '80.00%', '78.34%']


def test_help_explains_values_and_ranking(call_tool, capsys):
    with pytest.raises(SystemExit, match='0'):
        call_tool('transfer_ticket.py', '--help')
    text = capsys.readouterr().out
    assert '--values {initial,trained,none}' in text and '--sparsity 0.8' in text
