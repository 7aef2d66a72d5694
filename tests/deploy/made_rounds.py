"""Rounds as a job leaves them, of tiny detectors that weren't trained."""
import torch
from conftest import ROOT
from mmengine.config import Config

from mmlth.core.masks import apply
from mmlth.core.ticket import Ticket, save_ticket, save_weights
from mmlth.deploy.detector import build
from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net

FASTER_RCNN = 'faster-rcnn_r18-tiny_fpn_digitscenes.py'
RETINANET = dict(
    bbox_head=dict(
        _delete_=True, type='RetinaHead', num_classes=11, in_channels=48, stacked_convs=2,
        feat_channels=48,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64])),
    test_cfg=dict(
        _delete_=True, nms_pre=200, min_bbox_size=0, score_thr=0.05, max_per_img=100,
        nms=dict(type='nms', iou_threshold=0.5)))


def config_of(kind):
    """Read the config of a tiny detector, 'faster_rcnn' or 'retinanet'."""
    cfg = load_config(str(ROOT / 'configs' / 'digit_scenes' / FASTER_RCNN))
    if kind == 'retinanet':
        model = dict(cfg.model, type='RetinaNet', **RETINANET)
        for part in ('rpn_head', 'roi_head', 'train_cfg'):
            model.pop(part)
        for part in ('bbox_head', 'test_cfg'):
            model[part].pop('_delete_', None)
        cfg.model = Config(dict(model=model)).model
    return cfg


def random_state(cfg, density):
    """Return masks of every convolution and linear layer, and a state that follows them."""
    net = read_net(cfg, seed=0)
    state = {}
    for name, tensor in net.state.items():
        is_statistic = name.endswith(('running_mean', 'running_var'))
        state[name] = torch.rand_like(tensor) + 0.5 if is_statistic else tensor
        if name.endswith(('cls.weight', 'retina_reg.weight')):
            state[name] = torch.randn_like(tensor) * 0.3  # else nothing is found
        if name.endswith('retina_cls.bias'):
            state[name] = torch.zeros_like(tensor)
    masks = {weight.name: torch.rand(state[weight.name].shape) < density for weight in net.weights
             if state[weight.name].dim() > 1}
    return masks, apply(masks, state)


def make_round(folder, cfg, density=0.2):
    """Write config, ticket, its w_k and a checkpoint into a folder; return the ticket's path."""
    folder.mkdir(exist_ok=True)
    masks, state = random_state(cfg, density)
    digest = save_weights(state, folder / 'rewind.safetensors', step=0)
    save_ticket(Ticket(masks=masks, rewind_file='rewind.safetensors', rewind_digest=digest),
                folder / 'ticket.safetensors')
    meta = dict(dataset_meta=dict(classes=tuple(cfg.classes)))
    torch.save(dict(meta=meta, state_dict=state), folder / 'epoch_1.pth')
    cfg.dump(folder / 'config.py')
    return folder / 'ticket.safetensors'


def plain_detector(folder):
    """Return the detector of a round, as MMDet runs it."""
    state = torch.load(folder / 'epoch_1.pth', weights_only=True)['state_dict']
    return build(load_config(str(folder / 'config.py')), state, {}, 'the checkpoint')
