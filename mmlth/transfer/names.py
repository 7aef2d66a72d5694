"""Find out how a dense checkpoint names its backbone, and read any of the usual files."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmlth.core.masks import Weights
from mmlth.core.ticket import TICKET_FORMAT, TicketError
from mmlth.core.checkpoints import load_checkpoint

BACKBONE = 'backbone.'
_WRAPPERS = ('module.', '_orig_mod.', 'model.')  # DDP, torch.compile, training scripts
_NESTS = ('state_dict', 'model')  # MMEngine; torchvision's and Detectron2's training scripts


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
        ValueError: No tensor gets name and shape of one of the target's backbone; shows names of both.
    """
    dropped, names = _unwrap(list(state))
    if any(name.startswith(BACKBONE) for name in names):
        style = 'MMPretrain' if any(n.startswith('head.') for n in names) else 'MMDet'
        mapped = {name: old for name, old in names.items() if name.startswith(BACKBONE)}
    else:  # the network is the backbone, with its classifier fc or classifier.N
        style = 'torchvision'
        mapped = {BACKBONE + name: old for name, old in names.items()
                  if not name.startswith(('fc.', 'classifier.', 'head.'))}
    if not any(tuple(state[old].shape) == tuple(shapes.get(name, ())) for name, old in mapped.items()
               if state[old].ndim):
        theirs, ours = list(state)[:3], [name for name in shapes if name.startswith(BACKBONE)][:3]
        raise ValueError(f"no tensor of the checkpoint fits the target's backbone. Names there begin with "
                         f'{theirs}, of the target with {ours}. Choose a config with the same backbone, or '
                         'rename them')
    return NameMap(style=style, dropped=dropped, names=mapped)


def _unwrap(names: list[str]) -> tuple[str, dict[str, str]]:
    """Take off what wrappers put before every name."""
    dropped = ''
    while names and (found := [w for w in _WRAPPERS if all(n.startswith(dropped + w) for n in names)]):
        dropped += found[0]
    return dropped, {name[len(dropped):]: name for name in names}


def read_state(path: str | Path) -> Weights:
    """Read the tensors of a checkpoint (``.pth``, ``.pt``) or a safetensors file; nothing is unpickled.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, a ticket, or holds no tensors; names the file.
    """
    if Path(path).suffix == '.safetensors':
        return _read_safetensors(path)
    content: Any = load_checkpoint(path)
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    tensors = {name: t.detach() for name, t in content.items() if isinstance(t, Tensor)} if isinstance(
        content, Mapping) else {}
    if not tensors:
        keys = list(content)[:5] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f'{path} holds no tensors, at its top or under {_NESTS}, but {keys}')
    return tensors


def _read_safetensors(path: str | Path) -> Weights:
    if not Path(path).is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        with safe_open(str(path), 'pt') as file:
            if (file.metadata() or {}).get('format') == TICKET_FORMAT:
                raise TicketError(f'{path} is a ticket, which has its masks already; leave --sparsity out')
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise TicketError(f'{path} is truncated, damaged or not a safetensors file ({error})') from error
