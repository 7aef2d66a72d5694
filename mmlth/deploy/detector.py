"""A plain detector from its config and state, and one made of it that skips zeros."""
import copy
from collections.abc import Callable
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
    model.cfg, model.dataset_meta = cfg, dataset_meta
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


def features_of(model: Any, run: Callable[[], Any]) -> list[Tensor]:
    """Return what a detector's backbone and neck give while ``run`` runs it."""
    found: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        levels = output if isinstance(output, (tuple, list)) else [output]
        found.extend(level for level in levels if isinstance(level, Tensor))

    last = model.neck if model.with_neck else model.backbone
    handle = last.register_forward_hook(keep)
    try:
        run()
    finally:
        handle.remove()
    return found


def check_same_features(expected: list[Tensor], found: list[Tensor]) -> None:
    """Raise RuntimeError unless two detectors have the same features up to rounding."""
    for level, (a, b) in enumerate(zip(expected, found, strict=True)):
        difference, largest = (a - b).abs().max().item(), a.abs().max().item()
        if not difference <= _TOLERANCE * max(1.0, largest):
            raise RuntimeError(
                f'level {level} of the features differs by {difference:.2g} from those of the '
                f'checkpoint (largest {largest:.2g}): this detector cannot be deployed')
