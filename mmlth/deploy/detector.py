"""A plain detector from its config and state, and one made of it that skips zeros."""
import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.apis import inference_detector
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmlth.core.masks import Weights
from mmlth.core.ticket import check_weights

_NOISE = (480, 640)  # rows and columns of most of COCO's images
_TOLERANCE = 1e-3


def build(cfg: Config, state: Weights, dataset_meta: dict[str, Any], source: str) -> nn.Module:
    """Return a detector on the CPU, in evaluation mode, as ``init_detector`` would make it.

    Args:
        cfg: With a ``model`` and the test data's pipeline.
        state: Weights and buffers of exactly that model.
        dataset_meta: Names of the classes, the palette.
        source: Where the state comes from, for the message.

    Raises:
        TicketError: The state doesn't fit the model.
    """
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model: Any = MODELS.build(copy.deepcopy(cfg.model))
    fill(model, state, source)
    model.cfg = copy.deepcopy(cfg)  # inference_detector of an array writes into what it finds
    model.dataset_meta = dataset_meta
    built: nn.Module = model
    return built


def fill(model: nn.Module, state: Weights, source: str) -> None:
    """Give a model its state; it is on the CPU then, in evaluation mode and without gradients.

    Args:
        model: Changed in place.
        state: Weights and buffers of exactly that model.
        source: Where the state comes from, for the message.

    Raises:
        TicketError: The state doesn't fit the model.
    """
    revert_sync_batchnorm(model)  # of whose children it replaces some, never the model itself
    check_weights(state, model.state_dict(), source)
    model.load_state_dict(state, strict=True)
    model.to('cpu')
    model.requires_grad_(False)
    model.eval()  # returns None where a part of MMDet overrides it


def runner_of(model: nn.Module, image: str | None = None) -> Callable[[], Any]:
    """Return what detects in one image, through the config's own test pipeline.

    Args:
        image: File; None takes noise of 640 x 480 pixels.

    Raises:
        FileNotFoundError: There is no such file.
    """
    given: Any = image
    if image is None:
        noise = np.random.default_rng(0)
        given = noise.integers(0, 256, (*_NOISE, 3), np.uint8)
    elif not Path(image).is_file():
        raise FileNotFoundError(f'image {image} does not exist')

    def run() -> Any:
        with torch.no_grad():
            return inference_detector(model, given)
    return run


def compared_parts(model: Any) -> list[nn.Module]:
    """Return the parts whose outputs a deployed detector must share with the given one.

    These are the neck (the backbone where there is none), and dense heads in which batch norms may
    be folded. RoI heads see proposals, whose order rounding may change.

    Raises:
        ValueError: It has neither, such as a mean teacher and its student.
    """
    if not hasattr(model, 'backbone'):
        raise ValueError(f'{type(model).__name__} has no backbone of its own, so it cannot be '
                         'deployed: export the detector inside, and deploy that')
    heads = [getattr(model, name, None) for name in ('rpn_head', 'bbox_head')]
    normed = [head for head in heads if head is not None
              and any(isinstance(module, _BatchNorm) for module in head.modules())]
    return [model.neck if model.with_neck else model.backbone, *normed]


def outputs_of(parts: Sequence[nn.Module], run: Callable[[], Any]) -> list[Tensor]:
    """Return all tensors that parts of a detector give while ``run`` runs it."""
    found: list[Tensor] = []
    handles = [part.register_forward_hook(lambda _, __, output: found.extend(_tensors(output)))
               for part in parts]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for each in output:
            yield from _tensors(each)


def check_same_features(expected: list[Tensor], found: list[Tensor]) -> None:
    """Raise RuntimeError unless two detectors have the same outputs of parts up to rounding."""
    for level, (a, b) in enumerate(zip(expected, found, strict=True)):
        difference, largest = (a - b).abs().max().item(), a.abs().max().item()
        if not difference <= _TOLERANCE * max(1.0, largest):
            raise RuntimeError(
                f'output {level} of neck and heads differs by {difference:.2g} from those of the '
                f'checkpoint (largest {largest:.2g}): this detector cannot be deployed')
