"""Made-up training batches in the form that any detector of MMDetection takes."""
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmdet.models.mot import BaseMOTModel
from mmdet.testing import demo_mm_inputs, demo_track_inputs
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData
from torch import nn

TEXT = 'a . b . c . d . e . f . g . h . i . j .'  # ten classes, for open-set detectors


def batch_for(model: nn.Module, cfg: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return a batch: two random images with boxes and proposals, masks and maps if it loads them.

    Args:
        model: The detector; video and semi-supervised models get what they train on.
        cfg: Its config, which says how many classes there are and what its pipeline loads.
        size: Height and width of the images, in pixels.
    """
    hub = MessageHub.get_current_instance()  # some losses and resizings ask where a training is
    hub.update_info_dict(dict(iter=0, epoch=0, max_iters=10, max_epochs=1))
    kind = type(model.data_preprocessor).__name__
    if isinstance(model, BaseMOTModel) and 'Track' in kind:
        return _frames(cfg, size)
    return _branches(cfg, size) if 'MultiBranch' in kind else _images(cfg, size)


def _classes(cfg: Mapping[str, Any]) -> int:
    return min([10, *_values(cfg['model'], 'num_classes')])


def _loads(cfg: Mapping[str, Any], what: str) -> bool:
    loader = cfg.get('train_dataloader')
    return any(_values(loader, what)) or 'LoadPanopticAnnotations' in str(loader)


def _values(value: Any, key: str) -> Iterator[int]:
    """Yield every number or bool that a config has under a key, however deep."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == key and isinstance(inner, int):
                yield inner
            else:
                yield from _values(inner, key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _values(inner, key)


def _images(cfg: Mapping[str, Any], size: int) -> dict[str, Any]:
    classes, has_map = _classes(cfg), _loads(cfg, 'with_seg')
    batch = demo_mm_inputs(2, (3, size, size), num_items=[4, 4], num_classes=max(2, classes),
                           with_mask=_loads(cfg, 'with_mask'), with_semantic=has_map,
                           texts=[TEXT, TEXT])
    for sample in batch['data_samples']:
        sample.gt_instances.labels %= classes
        if has_map:
            sample.gt_sem_seg.sem_seg %= classes
        boxes = sample.gt_instances.bboxes
        sample.proposals = InstanceData(bboxes=boxes.clone(), scores=torch.ones(len(boxes)))
    return batch


def _branches(cfg: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Labelled images, and the same unlabelled ones twice, as a mean teacher takes them."""
    branches = {name: _images(cfg, size) for name in ('sup', 'unsup_teacher', 'unsup_student')}
    for batch in branches.values():
        for sample in batch['data_samples']:
            sample.set_metainfo(dict(homography_matrix=torch.eye(3).numpy()))
    return {key: {name: copy.deepcopy(batch[key]) for name, batch in branches.items()}
            for key in ('inputs', 'data_samples')}


def _frames(cfg: Mapping[str, Any], size: int) -> dict[str, Any]:
    return demo_track_inputs(
        batch_size=1, num_frames=2, key_frames_inds=[0], image_shapes=(3, size, size),
        num_classes=max(2, _classes(cfg)), with_mask=_loads(cfg, 'with_mask'))
