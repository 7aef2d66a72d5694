"""Find out how a dense checkpoint names its backbone, and read any of the usual files."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.masks import Weights
from mmlth.core.ticket import TICKET_FORMAT, TicketError
from mmlth.transfer.choices import BACKBONE

_WRAPPERS = ('module.', '_orig_mod.', 'model.')  # DDP, torch.compile, training scripts
_NESTS = ('state_dict', 'model')  # MMEngine; torchvision's and Detectron2's training scripts
_CLASSIFIERS = ('fc.', 'classifier.', 'head.')  # of a network that is a backbone but for these


@dataclass(frozen=True, kw_only=True)
class NameMap:
    """How the names of a checkpoint become those of a detector.

    Attributes:
        style: What the names look like: 'torchvision', 'MMPretrain' or 'MMDet'.
        dropped: Start of every name that was taken off, such as DDP's ``module.``.
        names: The detector's name -> the checkpoint's, backbone only.
    """

    style: str
    dropped: str
    names: dict[str, str]


def map_backbone(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> NameMap:
    """Map a classifier's or detector's names to those of a detector's backbone.

    Args:
        state: name -> tensor of the checkpoint.
        shapes: name -> shape of the target's state.

    Raises:
        ValueError: No tensor gets name and shape of one of the target's backbone; shows names of
            both.
    """
    dropped, names = _unwrap(list(state))
    style, mapped = _backbone_of(names)
    if not any(_fits(state[old], shapes.get(name)) for name, old in mapped.items()):
        theirs = list(state)[:3]
        ours = [name for name in shapes if name.startswith(BACKBONE)][:3]
        raise ValueError(f"no tensor of the checkpoint fits the target's backbone. Names there "
                         f'begin with {theirs}, of the target with {ours}. Choose a config with '
                         'the same backbone, or rename them')
    return NameMap(style=style, dropped=dropped, names=mapped)


def _unwrap(names: list[str]) -> tuple[str, dict[str, str]]:
    """Take off what wrappers put before every name."""
    dropped = ''
    while names and (found := _wrapper_of(names, dropped)):
        dropped += found
    return dropped, {name[len(dropped):]: name for name in names}


def _wrapper_of(names: list[str], dropped: str) -> str:
    """Return the wrapper that every name begins with after what was dropped already, or ''."""
    starts = (wrapper for wrapper in _WRAPPERS
              if all(name.startswith(dropped + wrapper) for name in names))
    return next(starts, '')


def _backbone_of(names: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the style of names, and the detector's name -> given name of every backbone tensor."""
    inside = {name: old for name, old in names.items() if name.startswith(BACKBONE)}
    if inside:
        is_classifier = any(name.startswith('head.') for name in names)
        return 'MMPretrain' if is_classifier else 'MMDet', inside
    network = {BACKBONE + name: old for name, old in names.items()
               if not name.startswith(_CLASSIFIERS)}
    return 'torchvision', network


def _fits(tensor: Tensor, shape: Sequence[int] | None) -> bool:
    """Tell whether a tensor of one dimension or more has this shape."""
    return bool(tensor.ndim) and shape is not None and tuple(tensor.shape) == tuple(shape)


def read_state(path: str | Path) -> Weights:
    """Read the tensors of a checkpoint (``.pth``, ``.pt``) or safetensors file; unpickle nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, a ticket, or holds no tensors; names the file.
    """
    if Path(path).suffix == '.safetensors':
        return _read_safetensors(path)
    content: Mapping[str, Any] = load_checkpoint(path)
    for nest in _NESTS:
        if isinstance(content.get(nest), Mapping):
            content = content[nest]
    tensors = {name: each.detach() for name, each in content.items() if isinstance(each, Tensor)}
    if not tensors:
        raise ValueError(f'{path} holds no tensors, at its top or under {_NESTS}, but '
                         f'{list(content)[:5]}')
    return tensors


def _read_safetensors(path: str | Path) -> Weights:
    if not Path(path).is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        with safe_open(str(path), 'pt') as file:
            if (file.metadata() or {}).get('format') == TICKET_FORMAT:
                raise TicketError(f'{path} is a ticket, which has its masks already; leave '
                                  '--sparsity out')
            names = file.keys()  # the file itself can't be walked over
            return {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise TicketError(
            f'{path} is truncated, damaged or not a safetensors file ({error})') from error
