"""tools/transfer_ticket.py: what it writes, what it refuses, and what a training makes of it."""
import json

import pytest
import torch
import toys
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mmlth.core.masks import apply, digest, kept
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket, save_ticket, save_weights
from mmlth.transfer.tickets import target_settings


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


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'o.safetensors'


@pytest.fixture
def carry(call_tool, config):
    """Call the tool with the toy as target."""
    def call(path, out, *args, code=0):
        return call_tool('transfer_ticket.py', path, config, out, *args, code=code)
    return call


def written(path):
    ticket = load_ticket(path)
    return ticket, load_rewind_weights(ticket, path)


def test_mask_and_values_arrive_and_predictors_are_the_targets_own(carry, source, out, tmp_path):
    path, masks, weights = source
    said = carry(path, out).stdout
    ticket, start = written(out)
    assert all(ticket.masks[name].equal(masks[name]) for name in masks)
    assert ticket.masks['head.fc.weight'].all()
    own = [name for name, weight in weights.items() if not start[name].equal(weight)]
    assert own == ['head.fc.weight', 'head.fc.bias']
    pruned = 1368 - kept(masks)
    assert f'covered: 1,368 of 1,432 weights in the scope (95.53%); pruned: {pruned}, which' in said
    assert 'provenance control: shuffled' in said and said.endswith(f'wrote {out}\n')
    report = json.loads((tmp_path / 'o_transfer.json').read_text())
    assert report['pruned'] == pruned and report['network_sparsity'] == pruned / 1476


def test_provenance_names_the_source_and_the_coverage(carry, source, out):
    path, masks, weights = source
    carry(path, out, '--mask-only')
    given = load_ticket(out).provenance
    assert given['parent'] == digest(masks) == given['transfer']['source']['masks_digest']
    assert given['transfer']['source']['values_digest'] == digest(weights)
    assert (given['transfer']['kind'], given['transfer']['coverage']) == ('mask-only', 1368 / 1432)
    assert given['parameters'] == 1476
    assert given['sparsity'] == pytest.approx(1 - (kept(masks) + 64) / 1432)
    assert given['settings']['scope'] == 'all' and given['transfer']['leave_out'] == ['predictors']


def test_flags_choose_the_targets_scope_as_they_do_in_a_job(carry, source, out):
    carry(source[0], out, '--scope', 'backbone', '--include', 'fc', '--exclude', 'conv1',
          '--frozen', 'keep', '--seed', '4')
    ticket = load_ticket(out)
    assert list(ticket.masks) == ['backbone.conv2.weight', 'head.fc.weight']
    assert ticket.groups == {'backbone.conv2.weight': 'backbone', 'head.fc.weight': 'predictors'}
    assert ticket.provenance['settings'] == dict(
        scope='backbone', include=['fc'], exclude=['conv1'], frozen='keep', seed=4)


def test_the_ticket_of_the_targets_config_may_be_the_one_to_be_written(toy_cfg, tmp_path):
    toy_cfg.imp = dict(toy_cfg.imp, ticket=str(tmp_path / 'out.safetensors'))
    toy_cfg.randomness = dict(seed=3)
    found = target_settings(toy_cfg, scope='backbone')
    assert (found.ticket, found.seed, found.scope) == (None, 3, 'backbone')


def test_masks_alone_leave_the_targets_own_initial_weights(carry, source, tmp_path):
    path, masks, _ = source
    (path.parent / 'w.safetensors').unlink()  # not needed
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        carry(path, tmp_path / f'{name}.safetensors', '--values', 'none', '--seed', seed)
    found = {name: written(tmp_path / f'{name}.safetensors') for name in 'abc'}
    assert found['a'][0].masks['backbone.conv1.weight'].equal(masks['backbone.conv1.weight'])
    assert digest(found['a'][1]) == digest(found['b'][1]) != digest(found['c'][1])


def test_trained_values_come_from_the_checkpoint_beside_the_ticket(carry, source, out):
    path, masks, _ = source
    trained = apply(masks, state(seed=7))
    torch.save(dict(state_dict=trained), path.parent / 'epoch_3.pth')
    said = carry(path, out, '--values', 'trained').stdout
    start = written(out)[1]
    assert start['backbone.conv2.weight'].equal(trained['backbone.conv2.weight'])
    assert "mask does not follow the source's |w|" in said  # it goes by sign; judged by w_k
    torch.save(dict(state_dict=state(seed=7)), path.parent / 'epoch_3.pth')
    error = carry(path, out, '--values', 'trained', '--overwrite', code=1).stderr
    assert 'does not belong to this ticket' in error


def test_a_checkpoint_in_half_precision_is_ranked_and_keeps_the_targets_dtype(carry, out, tmp_path):
    weights = {name.removeprefix('backbone.'): w.half() if w.is_floating_point() else w
               for name, w in state(seed=5).items() if name.startswith('backbone.')}
    save_file(weights, tmp_path / 'dense.safetensors')
    said = carry(tmp_path / 'dense.safetensors', out, '--sparsity', '0.5').stdout
    ticket, start = written(out)
    assert list(ticket.masks) == ['backbone.conv1.weight', 'backbone.conv2.weight']
    assert kept(ticket.masks) == 684
    assert start['backbone.conv1.weight'].dtype == torch.float32
    assert start['backbone.conv1.weight'].equal(weights['conv1.weight'].float())
    for fact in ('from conv1.weight', 'source names: torchvision', 'chance 1.00'):
        assert fact in said


@pytest.mark.parametrize('args, message', [
    (['--groups', 'tail'], 'tail'), (['--prefix', 'bone.'], "prefix 'bone.' starts no tensor"),
    (['--rename', 'backbone'], '--rename backbone: wanted is PATTERN=NEW'),
    (['--rename', 'backbone=bone'], 'nothing matches'),
    (['--scope', 'neck'], 'holds no prunable tensor'),
    (['--sparsity', '0.5'], 'is a ticket, which has its masks already; leave --sparsity out'),
    (['--sparsity', '0.5', '--mask-only'], '--values none goes with a ticket'),
    (['--values', 'trained'], 'no trained checkpoint lies beside'),
    (['--frozen', 'keep', '--exclude', 'tail'], "exclude='tail' matches no weight of the model"),
    (['--cfg-options', 'load_from=none.pth'], 'weights of the config cannot be loaded: none.pth')])
def test_errors_are_one_line_and_leave_nothing(carry, source, tmp_path, args, message):
    (tmp_path / 'out').mkdir()
    done = carry(source[0], tmp_path / 'out' / 'o.safetensors', *args, code=1)
    assert message in done.stderr and 'Traceback' not in done.stderr
    assert not list((tmp_path / 'out').iterdir())


def test_a_ticket_of_another_version_is_refused(carry, source, out):
    path = source[0]
    with safe_open(str(path), 'pt') as file:
        metadata = file.metadata()
    save_file(load_file(path), path, {**metadata, 'version': '2'})
    error = carry(path, out, code=1).stderr
    assert "has version 2 of 'mmlth.ticket'; this mmlth reads version 1" in error


@pytest.mark.parametrize('name, message', [
    ('no/o.safetensors', 'folder of'), ('o.pth', 'ends in .safetensors')])
def test_places_that_cannot_be_written_are_refused(carry, source, tmp_path, name, message):
    assert message in carry(source[0], tmp_path / name, code=1).stderr


def test_nothing_is_replaced_unasked(carry, source, out, tmp_path):
    (tmp_path / 'o_transfer.json').write_text('precious')
    assert 'o_transfer.json exists already' in carry(source[0], out, code=1).stderr
    assert (tmp_path / 'o_transfer.json').read_text() == 'precious'
    carry(source[0], out, '--overwrite')
    assert load_ticket(out)


def test_a_pth_without_sparsity_and_a_missing_source_are_explained(carry, out, tmp_path):
    for name, message in (('a.pth', 'to rank a dense checkpoint give --sparsity'),
                          ('a.safetensors', 'a.safetensors does not exist')):
        assert message in carry(tmp_path / name, out, code=1).stderr


def test_load_from_of_the_target_is_part_of_its_initial_weights(carry, source, out, tmp_path):
    other = state(seed=9)
    misfit = {'head.fc.bias': torch.ones(80)}  # of 80 classes
    coco = dict(other, extra=torch.ones(1), **misfit)
    torch.save(dict(state_dict=coco), tmp_path / 'coco.pth')
    args = (source[0], out, '--mask-only', '--cfg-options', f'load_from={tmp_path}/coco.pth')
    carry(*args)
    start = written(out)[1]
    assert {name for name in start if not start[name].equal(other[name])} == {'head.fc.bias'}
    torch.save(dict(state_dict={'a.weight': torch.ones(1)}), tmp_path / 'coco.pth')
    error = carry(*args, '--overwrite', code=1).stderr
    assert 'holds no tensor of the model, of equal name and shape' in error
    assert "its names begin with ['a.weight']" in error


def test_help_explains_values_and_ranking(call_tool, capsys):
    with pytest.raises(SystemExit, match='0'):
        call_tool('transfer_ticket.py', '--help')
    text = capsys.readouterr().out
    assert '--values {initial,trained,none}' in text and '--sparsity 0.8' in text
