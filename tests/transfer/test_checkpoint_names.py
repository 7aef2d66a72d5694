"""Checkpoints as torchvision, MMPretrain and MMDet write them become a detector's backbone."""
import pytest
import torch
from mmdet.models import ResNet
from safetensors.torch import save_file

from mmlth.core.masks import kept, size
from mmlth.core.ticket import Ticket, TicketError, save_ticket
from mmlth.transfer.ends import Target
from mmlth.transfer.names import map_backbone, read_state
from mmlth.transfer.source import rank_backbone

NET = ResNet(depth=18, base_channels=4).state_dict()
SHAPES = {f'backbone.{name}': tuple(w.shape) for name, w in NET.items()}
HEAD = torch.ones(10, 32)


def named(prefix, head, outer=''):
    inner = {**{prefix + name: w for name, w in NET.items()}, head: HEAD}
    return {outer + name: w for name, w in inner.items()}


STYLES = dict(
    torchvision=('torchvision', '', named('', 'fc.weight')),
    ddp=('torchvision', 'module.', named('', 'fc.weight', 'module.')),
    compiled=('torchvision', '_orig_mod.module.', named('', 'fc.weight', '_orig_mod.module.')),
    mmpretrain=('MMPretrain', '', named('backbone.', 'head.fc.weight')),
    mmdet=('MMDet', '', named('backbone.', 'roi_head.bbox_head.fc_cls.weight')),
    mmdet_ddp=('MMDet', 'module.', named('backbone.', 'bbox_head.retina_cls.weight', 'module.')))


def test_torchvisions_names_are_what_is_faked_here():
    assert {'conv1.weight', 'bn1.running_mean', 'layer1.0.conv1.weight',
            'layer2.0.downsample.0.weight', 'layer4.1.bn2.num_batches_tracked'} <= set(NET)


@pytest.mark.parametrize('style, dropped, state', STYLES.values(), ids=STYLES)
def test_styles_are_detected_and_mapped(style, dropped, state):
    found = map_backbone(state, SHAPES)
    assert (found.style, found.dropped) == (style, dropped)
    assert set(found.names) == set(SHAPES)  # all of the backbone, nothing of the head
    for name, old in found.names.items():
        assert state[old] is NET[name.removeprefix('backbone.')]


def test_another_backbone_is_refused_with_names_of_both():
    with pytest.raises(ValueError, match="checkpoint fits.*'blocks.w'.*'backbone.conv1.weight'"):
        map_backbone({'blocks.w': torch.ones(3, 3)}, SHAPES)
    with pytest.raises(ValueError, match='no tensor of the checkpoint fits'):
        map_backbone(ResNet(depth=18, base_channels=8).state_dict(), SHAPES)


@pytest.mark.parametrize('wrap', [
    lambda s: s, lambda s: dict(meta={}, state_dict=s), lambda s: dict(model=s, epoch=1),
    lambda s: dict(s, note='text')], ids=['flat', 'MMEngine', 'torchvision', 'text'])
def test_files_of_any_nesting_are_read(tmp_path, wrap):
    torch.save(wrap({'conv1.weight': torch.nn.Parameter(HEAD)}), tmp_path / 'a.pth')
    found = read_state(tmp_path / 'a.pth')
    assert list(found) == ['conv1.weight'] and found['conv1.weight'].equal(HEAD)
    assert not found['conv1.weight'].requires_grad


def test_safetensors_are_read_but_a_ticket_is_no_checkpoint(tmp_path):
    save_file({'conv1.weight': HEAD}, tmp_path / 'a.safetensors')
    assert read_state(tmp_path / 'a.safetensors')['conv1.weight'].equal(HEAD)
    ticket = Ticket(masks={'w': torch.ones(1).bool()}, rewind_file='', rewind_digest='')
    save_ticket(ticket, tmp_path / 't.safetensors')
    with pytest.raises(TicketError, match='is a ticket.*leave --sparsity out'):
        read_state(tmp_path / 't.safetensors')


def test_files_that_hold_no_weights_are_named(tmp_path):
    torch.save(dict(epoch=1), tmp_path / 'a.pth')
    (tmp_path / 'b.safetensors').write_text('no')
    for name, error, message in (
            ('a.pth', ValueError, 'a.pth holds no tensors.*epoch'),
            ('b.safetensors', TicketError, 'b.safetensors is truncated'),
            ('c.safetensors', FileNotFoundError, 'c.safetensors does not exist'),
            ('c.pth', FileNotFoundError, 'c.pth does not exist')):
        with pytest.raises(error, match=message):
            read_state(tmp_path / name)


SCOPE = ('backbone.a.weight', 'backbone.b.weight')
SMALL = {'a.weight': torch.tensor([[1., -8], [3, 4]]), 'b.weight': torch.tensor([[5., 6], [-7, 2]]),
         'a.bias': torch.tensor([9.]), 'fc.weight': torch.tensor([[9.]])}
SIZES = {'backbone.a.weight': (2, 2), 'backbone.b.weight': (2, 2), 'backbone.a.bias': (1, )}
TARGET = Target(shapes=SIZES, scope=SCOPE, parameters=20, groups=dict.fromkeys(SIZES, 'backbone'))


def test_magnitudes_are_ranked_over_the_backbone_and_values_kept():
    source = rank_backbone(SMALL, TARGET, 0.5, file='a.pth')
    assert source.masks['backbone.a.weight'].tolist() == [[False, True], [False, False]]
    assert source.masks['backbone.b.weight'].tolist() == [[True, True], [True, False]]
    assert source.weights['backbone.a.weight'].equal(SMALL['a.weight'])
    assert 'backbone.a.bias' in source.weights and 'backbone.fc.weight' not in source.weights
    assert source.facts['mapping']['backbone.a.bias'] == 'a.bias' and source.facts['ranked'] == 8


def test_a_tied_weight_is_ranked_once_by_a_name_that_the_checkpoint_has():
    """Of 4 + 4 weights: the first name of the target is missing, two others are one tensor."""
    tied = dict.fromkeys(['backbone.first.weight', 'backbone.again.weight'], 'backbone.a.weight')
    target = Target(shapes={**SIZES, **dict.fromkeys(tied, (2, 2))}, scope=SCOPE, parameters=20,
                    groups=TARGET.groups, shared=tied)
    state = {name.replace('a.weight', 'first.weight'): w for name, w in SMALL.items()}
    state['again.weight'] = state['first.weight']
    source = rank_backbone(state, target, 0.5, file='a.pth')
    assert list(source.masks) == ['backbone.first.weight', 'backbone.b.weight']
    assert (kept(source.masks), source.facts['ranked']) == (4, 8)


@pytest.mark.parametrize('sparsity, left', [(0.25, 6), (0.75, 2)])
def test_counts_are_exact(sparsity, left):
    masks = rank_backbone(SMALL, TARGET, sparsity, file='a.pth').masks
    assert (kept(masks), size(masks)) == (left, 8)


def test_names_are_translated_before_they_are_detected():
    state = {f'encoder.{name}': w for name, w in SMALL.items()}
    source = rank_backbone(state, TARGET, 0.5, file='a.pth', rename=[('^encoder.', '')])
    assert source.facts['mapping']['backbone.a.weight'] == 'encoder.a.weight'


@pytest.mark.parametrize('state, sparsity, message', [
    (SMALL, 0.0, r'sparsity=0.0 must be in \(0, 1\)'), (SMALL, 1.0, r'sparsity=1.0 must be'),
    (SMALL, 0.999, 'min_kept=1 in each of 2 tensors exceeds the 0 weights'),
    (dict(SMALL, **{'a.weight': torch.full((2, 2), torch.nan)}), 0.5,
     "a.pth: 'backbone.a.weight' holds NaN"),
    ({'a.bias': torch.ones(1)}, 0.5, 'a.pth holds none of the 2 tensors in the scope')])
def test_what_cannot_be_ranked_is_refused(state, sparsity, message):
    with pytest.raises(ValueError, match=message):
        rank_backbone(state, TARGET, sparsity, file='a.pth')
